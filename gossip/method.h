// What a round-synchronous gossip method computes, without rounds, lateness or lost neighbors.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include "protocol/bytes.h"
#include "protocol/ids.h"
#include "protocol/result.h"

namespace starling::gossip {

// One end of an edge, as this node sees it.
struct EdgeEnd {
  NodeId self, peer;
  double weight = 0;  // w_ij of the mixing matrix
};

// Every round has Method::exchanges() of these, on each edge in both directions.
struct Exchange {
  Round round = 0;
  std::uint32_t index = 0;  // from 0
  auto operator<=>(const Exchange&) const = default;
};

// What the trainer made of a round: its update, which it would subtract from the model, and the
// learning rate in it. Methods that keep sums of updates scale them as the rate changes.
struct LocalStep {
  std::span<const float> update;
  double learning_rate;
};

// The neighbor's message of an exchange in which this node's message went the other way.
struct Arrival {
  std::size_t edge;  // index into the edge ends that the method was made with
  SharedBytes body;
};

// The arithmetic of one method: one file beside its paper. Rounds (rounds.h) calls it in this
// order, and only it:
//
//   adapt, then for each exchange: encode, mix       adapt then combine
//   for each exchange: encode, mix;    then adapt    combine while adapt (overlap)
//
// mix gets, in ascending order of neighbors, exactly those edges of the preceding encode on which
// both ends hold both messages; an edge that failed in between is missing there, at both ends.
class Method {
 public:
  virtual ~Method() = default;

  virtual std::uint32_t exchanges() const = 0;
  virtual std::size_t body_bytes_max() const = 0;

  // Takes the local step into the model, or keeps it for encode and mix.
  virtual void adapt(const LocalStep& step) = 0;

  // Forgets what is known of this edge: it starts anew, in the same way at both ends.
  virtual void open_edge(std::size_t edge, Epoch epoch) = 0;

  // The edge is down: what belongs to it alone goes with it, as it does at the other end. It comes
  // back, if ever, by open_edge.
  virtual void close_edge(std::size_t /*edge*/) {}

  // out[i] becomes the message for edges[i]; a message that is the same for all is made once. Fails
  // (ErrorCode::diverged) where the model no longer holds finite numbers.
  virtual Result<void> encode(Exchange exchange, std::span<const std::size_t> edges,
                              std::span<SharedBytes> out) = 0;

  // Whether `body` can be a neighbor's message of this exchange (length, finite values). Fails
  // with ErrorCode::peer; only bodies that pass come to mix.
  virtual Result<void> check(Exchange exchange, const SharedBytes& body) const = 0;

  virtual void mix(Exchange exchange, std::span<const Arrival> arrivals) = 0;

  virtual std::span<const float> model() const = 0;
  virtual std::optional<std::span<const float>> slope() { return std::nullopt; }  // Algorithm's
};

}  // namespace starling::gossip
