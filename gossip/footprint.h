// What memory an algorithm takes at most, known before it is made.
#pragma once

#include <cstddef>
#include <cstdint>

#include "compress/compressor.h"
#include "gossip/options.h"
#include "protocol/tensor_layout.h"

namespace starling::gossip {

// In bytes, under the worst fault: edges that broke in different exchanges, and neighbors that all
// come back with another history at once.
struct Footprint {
  std::uint64_t model = 0;     // what training moves
  std::uint64_t node = 0;      // references, error feedback, trackers, work memory
  std::uint64_t edges = 0;     // replicas, duals, references kept for what may be made up for
  std::uint64_t log = 0;       // messages for neighbors that are away
  std::uint64_t messages = 0;  // in the ledgers, being received, and not mixed yet
};

// `compressor`: null for methods that take none.
Footprint footprint_of(const GossipOptions& options, const TensorLayout& layout, std::size_t degree,
                       const compress::Compressor* compressor);

}  // namespace starling::gossip
