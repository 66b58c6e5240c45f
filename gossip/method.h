// What a round-synchronous gossip method computes, without rounds, lateness or lost neighbors.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "gossip/exchange.h"
#include "protocol/archive.h"
#include "protocol/bytes.h"
#include "protocol/ids.h"
#include "protocol/result.h"

namespace starling::gossip {

// One end of an edge, as this node sees it.
struct EdgeEnd {
  NodeId self, peer;
  EdgeTerms terms = {};
};

// What the trainer made of a round: its update, which it would subtract from the model, and the
// learning rate in it. Methods that keep sums of updates scale them as the rate changes.
struct LocalStep {
  std::span<const float> update;  // stays as it is until the end of the round
  double learning_rate;
  Round round = 0;
  std::vector<float>* buffer = nullptr;  // LocalStepDone's
};

// The two messages of an exchange that counts on an edge.
struct Arrival {
  std::size_t edge;  // index into the edge ends that the method was made with
  Message ours, theirs;
  EdgeTerms terms = {};
};

// The arithmetic of one method: one file beside its paper. Rounds (rounds.h) calls it in this
// order:
//
//   adapt, then for each exchange: encode, mix       adapt then combine
//   for each exchange: encode, mix;    then adapt    combine while adapt (overlap)
//
// mix gets, in ascending order of neighbors, exactly those edges of the preceding encode on which
// both ends hold both messages; an edge that failed in between is missing there, at both ends.
//
// Where only the other end held both when a link broke, mix gets that one edge later, between two
// rounds, before it is resumed. So what mix adds for an edge depends on its two messages and on
// what belongs to the edge, and is the exact negative of what the other end adds.
//
// AsyncGossip (async_gossip.h) has every exchange made up for later, as it were: it suspends the
// edges of an encode before the mix, and resumes each when the neighbor's message has been mixed.
// Edges that are suspended with a pending message take no part in the encodes meanwhile.
class Method {
 public:
  virtual ~Method() = default;

  // A round, at most.
  virtual std::uint32_t exchanges() const = 0;
  // Whether that round has a local step and no exchange, at every node.
  virtual bool is_silent(Round /*round*/) const { return false; }
  // Whether encode makes one message for all edges, and mix does not ask which exchange it is.
  // Otherwise asynchronous gossip encodes and mixes edge by edge, each with its own exchange.
  virtual bool broadcasts() const { return true; }
  virtual std::size_t body_bytes_max() const = 0;
  virtual std::size_t uncompressed_bytes() const { return model().size_bytes(); }  // Algorithm's

  // Before anything else: begins with `model` in place of the start model, which neighbors do not
  // know to be this node's.
  virtual void begin_at(std::span<const float> model) = 0;

  // Takes the local step into the model, or keeps it for encode and mix.
  virtual void adapt(const LocalStep& step) = 0;

  // Edges: open, then suspend and resume in turns, then perhaps forget and open again. All between
  // rounds but suspend and forget.
  //
  // Forgets what is known of this edge: it starts anew, in the same way at both ends. `history`
  // has never named this edge before, since it was last in the graph.
  virtual void open_edge(std::size_t edge, Epoch history) = 0;
  // The edge is down; what belongs to it is without effect and stays as it is. With `pending` the
  // message of the last encode may have counted at the other end, and may have to here.
  virtual void suspend_edge(std::size_t /*edge*/, bool /*pending*/) {}
  // It goes on where it was; a pending message that was not mixed since counts nowhere.
  virtual void resume_edge(std::size_t /*edge*/) {}
  // It is suspended, or was never opened, and will be opened anew: what is known of it is of no
  // more use. At any time; the model stays as it is.
  virtual void forget_edge(std::size_t /*edge*/) {}
  // Before a mix, where memory is short after it: the suspended edges among these that are to be
  // forgotten.
  virtual std::vector<std::size_t> relieve(std::span<const std::size_t> /*suspended*/) {
    return {};
  }
  // What both ends of an open edge hold alike, in that moment and on every machine.
  virtual std::uint64_t edge_hash(std::size_t /*edge*/) const { return 0; }
  // The largest Message::start; 0: there is none.
  virtual std::size_t start_bytes_max() const { return 0; }

  // out[i] becomes the message for edges[i]; a message that is the same for all is made once. Fails
  // (ErrorCode::diverged) where the model no longer holds finite numbers.
  virtual Result<void> encode(Exchange exchange, std::span<const std::size_t> edges,
                              std::span<Message> out) = 0;

  // Of messages that were saved, perhaps under another graph.
  struct Limits {
    std::size_t body, start;
  };
  virtual Limits saved_limits() const { return {body_bytes_max(), start_bytes_max()}; }

  // Whether this can be the neighbor's message of this exchange on this edge (lengths, finite
  // values), and the norm of what it holds: the longest of its vectors, as they are decoded; 0
  // where no message can move the model far. Fails with ErrorCode::peer; only messages that pass,
  // and whose norm passes (norm_gate.h), come to mix. A start only where there can be one.
  virtual Result<double> check(Exchange exchange, std::size_t edge,
                               const Message& message) const = 0;

  // What the neighbor says in front of its message of an exchange that counts, before that is mixed
  // (Message::start; the arrival has it no more). It may be as large as the model, and is let go of
  // before the next one is taken.
  virtual void take_start(Exchange /*exchange*/, std::size_t /*edge*/,
                          const SharedBytes& /*start*/) {}
  virtual void mix(Exchange exchange, std::span<const Arrival> arrivals) = 0;

  virtual std::span<const float> model() const = 0;
  virtual std::vector<double> conserved() const {  // Algorithm's
    const auto x = model();
    return {x.begin(), x.end()};
  }
  virtual std::optional<std::span<const float>> slope() { return std::nullopt; }  // Algorithm's

  // The graph is another one from now on; nodes may have left with what they had. Between rounds,
  // while no link is up. Returns whether the edges that stay go on where they were; otherwise each
  // is opened anew, and what was pending on it counts nowhere.
  virtual bool rewired() { return true; }

  // Everything that the next round depends on; between rounds. A loaded edge is as it was. Edges
  // are members of the archive's roster "edge".
  virtual void archive(Archive& archive) = 0;
};

}  // namespace starling::gossip
