// What every method that sends compressed vectors is made of.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "compress/compressor.h"
#include "gossip/clipping.h"
#include "gossip/common.h"
#include "gossip/message_coder.h"
#include "gossip/method.h"

namespace starling::gossip {

struct CompressedInputs {
  std::span<const float> start;  // copied
  Common common;                 // where references begin
  std::vector<EdgeEnd> edges;
  std::unique_ptr<compress::Compressor> compressor;
  NodeId self;
  std::uint64_t seed;                               // of the run
  std::optional<Clipping> clipping = std::nullopt;  // of the methods for which it is defined

  MessageCoder coder() { return {std::move(compressor), start.size(), seed, self}; }
};

}  // namespace starling::gossip
