// What each end of an edge knows of the other: the state of methods that send compressed
// differences, equal to the bit at both ends.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <vector>

#include "compress/compressor.h"
#include "gossip/method.h"

namespace starling::gossip {

// Every edge has a reference of this node, which the neighbor holds too, and a replica of the
// neighbor's reference of this edge. Both advance by the decoded messages of an exchange that both
// ends hold, or not at all, so a link that breaks, a neighbor that is late and a node that joins
// can make an edge slower but never wrong.
//
// Edges that never missed an exchange have the same reference: they share one vector and one
// message (a group). In a flock without faults that is one of d floats and one encoding a round,
// whatever the degree; every edge of its own history costs one more of each. The first references
// are at `common`, which all nodes know; an edge that opens later joins the largest group, whose
// reference goes along with its first message (Message::start).
class Replicas {
 public:
  // One message of this node and what it advances.
  struct Group {
    std::vector<float> reference = {};  // d floats
    // Error feedback, of d floats from the first use on: what is left after the message below, once
    // a mix has taken that.
    std::vector<float> residual = {};
    float scale = 0;  // of methods whose quantiser has one that changes from round to round
    SharedBytes message = {};  // of the exchange under way, or kept
    std::vector<float> next_residual = {};

    std::vector<std::size_t> members = {};  // edges, and self
    bool fresh = true;                      // the reference is `common`
    enum class State {
      resting,
      under_way,  // encoded, to be committed
      kept,       // of one suspended edge, whose message may have counted at the other end
    } state = State::resting;

    void archive(Archive& archive, std::size_t size, std::size_t body_bytes_max);
  };

  // With `with_self` one reference advances with every message, whoever receives it: the node's own
  // picture of what it has told (self()).
  Replicas(std::span<const float> common, std::size_t edges, bool with_self = false);

  void open(std::size_t edge);
  // As Method has them.
  void suspend(std::size_t edge, bool pending);
  void resume(std::size_t edge);
  // Of the reference and the replica of an open edge, in the order of the two ends.
  std::uint64_t hash(std::size_t edge, bool self_is_low) const;

  // Lets `make` write a message for every group that has one of the `edges` (or self), and hands
  // out[i] the one of edges[i]. Stops at the first failure of `make`.
  using Make = std::function<Result<SharedBytes>(Group&)>;
  Result<void> encode(std::span<const std::size_t> edges, std::span<Message> out, const Make& make);

  // After the exchange: the groups of the edges on which both messages arrived advance by
  // step · C of their own message, and each of those replicas by step · C of the neighbor's. True
  // when self() did: not when the exchange of a suspended edge is made up for.
  bool commit(std::span<const Arrival> arrivals, const compress::Compressor& c, float step);
  // After a commit of the same arrivals: moves what it moved by another step · C.
  void move_committed(std::span<const Arrival> arrivals, const compress::Compressor& c, float step);

  // Messages have at most so many bytes.
  void archive(Archive& archive, std::size_t body_bytes_max);

  const Group& group(std::size_t edge) const { return groups_[group_of_[edge]]; }
  std::span<const float> ours(std::size_t edge) const { return group(edge).reference; }
  std::span<const float> theirs(std::size_t edge) const { return theirs_[edge]; }
  const Group& self() const { return groups_[group_of_.back()]; }

 private:
  void pack_groups();
  std::size_t fresh_group();
  std::size_t group_to_join();
  void join(std::size_t member, std::size_t group);
  void leave(std::size_t member);
  void settle(std::size_t group, const std::vector<bool>& committed, const compress::Compressor& c,
              float step);

  const std::vector<float> common_;
  const std::size_t self_;
  std::vector<Group> groups_;          // those without members are free
  std::vector<std::size_t> group_of_;  // by edge, then self; kNone: never opened
  std::vector<bool> begun_;            // by edge: the other end knows our reference
  std::vector<std::vector<float>> theirs_;
  std::vector<std::size_t> moved_;  // groups that the last commit moved
};

// An edge's dual variable of d floats at each end, each the exact negative of the other: what one
// end adds the other subtracts, so their sum over all nodes is 0 to the last bit, and a suspended
// edge takes its own out of it at both ends.
//
// They stand in units of the gradient, so that they need not follow the learning rate: what a
// method calls its dual, in units of the update, is rate · dual.
class EdgeDuals {
 public:
  EdgeDuals(std::size_t size, std::size_t edges) : duals_(edges), size_(size) {}

  void open(std::size_t edge);
  void suspend(std::size_t edge);
  void resume(std::size_t edge);
  // The learning rate from now on.
  void follow(double learning_rate);
  // rate · dual += factor · (ours - theirs); on a suspended edge at the rate it was suspended with.
  void add(std::size_t edge, float factor, std::span<const float> ours,
           std::span<const float> theirs);
  // x -= rate · the sum of the duals of edges that are up.
  void subtract_sum(std::span<float> x) const;
  // The same at both ends.
  std::uint64_t hash(std::size_t edge, bool self_is_low) const;

  void archive(Archive& archive);

  // For methods that add in another way: the dual, and what to divide a term by.
  std::span<float> dual(std::size_t edge) { return duals_[edge].values; }
  float rate(std::size_t edge) const;

 private:
  struct Dual {
    std::vector<float> values = {};                    // empty: never opened
    std::optional<float> suspended_at = std::nullopt;  // the rate then
  };
  std::vector<Dual> duals_;
  std::size_t size_;
  float rate_ = 1;
};

}  // namespace starling::gossip
