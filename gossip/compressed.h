// What every method that sends compressed vectors is made of.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "compress/compressor.h"
#include "gossip/message_coder.h"
#include "gossip/method.h"

namespace starling::gossip {

struct CompressedInputs {
  std::span<const float> start;   // copied, as the next
  std::span<const float> common;  // where references begin: what all nodes know
  std::vector<EdgeEnd> edges;
  std::unique_ptr<compress::Compressor> compressor;
  NodeId self;
  std::uint64_t seed;  // of the run

  MessageCoder coder() { return {std::move(compressor), start.size(), seed, self}; }
};

}  // namespace starling::gossip
