// How much memory a node will take at most, known before it is made.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "node/run.h"
#include "protocol/result.h"

namespace starling::node {

struct MemoryPart {
  std::string name;
  std::uint64_t bytes;
};

// The peak resident memory of a daemon, under every fault, by what takes it.
struct MemoryForecast {
  std::vector<MemoryPart> parts;
  std::uint64_t bytes() const;
  // "at most 254 MiB of memory: 66 MiB model and trainer, …", the largest part first.
  std::string sentence() const;
};

MemoryForecast forecast_memory(const Run& run, NodeId self);

// Fails with ErrorCode::config where the forecast is over [run] memory_limit, naming both, what
// takes most, and what to do.
Result<void> check_memory(const Run& run, NodeId self);

}  // namespace starling::node
