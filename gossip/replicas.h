// What each end of an edge knows of the other: the state of methods that send compressed
// differences, equal to the bit at both ends.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "compress/compressor.h"
#include "gossip/message_coder.h"
#include "gossip/method.h"

namespace starling::gossip {

// A node has one reference, the sum of what it has told, and a replica of the reference of each
// neighbor. All begin at `common`, which every node knows, and advance by decoded messages, so that
// a replica is what the neighbor's reference was at the newest exchange that counted on the edge.
//
// A node goes on telling when a neighbor does not hear it. Its newest messages are kept in a log; a
// neighbor that missed some gets them in front of the next one (Message::start), or the reference
// itself where that is shorter. So a fault costs bytes, one reference serves all edges, and every
// exchange mixes what both ends are now, not what they were when the edge broke.
class Replicas {
 public:
  // Of this node.
  struct Own {
    std::vector<float> reference;  // d floats
    // Error feedback, of d floats from the first use on: what is left after the message below, once
    // it has been committed.
    std::vector<float> residual = {};
    std::vector<float> next_residual = {};
    float scale = 0;  // of methods whose quantiser has one that changes from round to round
  };

  // A message advances a reference by steps[0] · C when it is committed, and by the others, if any,
  // when finish() is called.
  Replicas(std::span<const float> common, std::size_t edges, std::vector<float> steps);

  // As Method has them.
  void open(std::size_t edge);
  void suspend(std::size_t edge, bool pending);
  void resume(std::size_t edge);
  // Of what both ends hold alike since the newest exchange that counted.
  std::uint64_t hash(std::size_t edge, bool self_is_low) const;

  // Lets `make` write this node's message and hands it to all `edges`, behind what they have
  // missed. Fails as `make` does.
  using Make = std::function<Result<SharedBytes>(Own&)>;
  Result<void> encode(std::span<const std::size_t> edges, std::span<Message> out, const Make& make);

  // Whether this can be a neighbor's message, with what is in front of it.
  Result<void> check(const Message& message, const MessageCoder& coder) const;
  Result<void> check_start(const SharedBytes& start, const MessageCoder& coder) const;
  std::size_t start_bytes_max() const;

  // After the exchange: the reference advances by what was encoded, the replicas of the edges on
  // which it counted by the neighbors' messages. Where it is the exchange of a suspended edge that
  // is made up for, only the replica does; ours(edge) is then what the reference was in that
  // exchange. Returns whether the reference advanced.
  bool commit(std::span<const Arrival> arrivals, const compress::Compressor& c);
  // After a commit of the same arrivals.
  void finish(std::span<const Arrival> arrivals, const compress::Compressor& c);

  // Between commit and finish: both sides of the exchange.
  std::span<const float> ours(std::size_t edge) const {
    return edges_[edge].kept ? edges_[edge].kept->reference : own_.reference;
  }
  std::span<const float> theirs(std::size_t edge) const { return edges_[edge].theirs; }
  const Own& own() const { return own_; }

  // Messages have at most so many bytes.
  void archive(Archive& archive, std::size_t body_bytes_max);

 private:
  // Of an exchange that may have to be made up for; one for all edges that were pending in it.
  struct Kept {
    std::vector<float> reference;  // after its commit
    std::uint64_t told = 0;        // messages by then
    std::uint64_t hash = 0;        // of the reference when the exchange was finished
  };

  struct Edge {
    bool open = false, begun = false;                   // begun: an exchange has counted
    std::optional<std::uint64_t> knows = std::nullopt;  // how many of our messages; none: nothing
    std::vector<float> theirs = {};
    // Of the reference when the edge was last in step; of use while it is not.
    std::uint64_t known_hash = 0;
    bool pending = false;                  // suspended in the exchange under way
    std::shared_ptr<Kept> kept = nullptr;  // of the pending exchange, once it is committed
  };

  SharedBytes start_for(const Edge& edge) const;
  void apply_start(Edge& edge, const SharedBytes& start, const compress::Compressor& c) const;
  void archive_kept(Archive& archive, Edge& edge) const;
  void note_those_behind(std::span<const Arrival> arrivals);
  void trim_log();
  std::uint64_t hash_of_ours(const Edge& edge) const;

  const std::vector<float> common_;
  const std::vector<float> steps_;
  Own own_;
  std::uint64_t told_ = 0;       // messages committed so far
  std::deque<SharedBytes> log_;  // the newest of them
  std::size_t log_bytes_ = 0;
  SharedBytes under_way_;                 // encoded and not yet committed; else empty
  SharedBytes finishing_;                 // committed and not yet finished; else empty
  std::shared_ptr<Kept> finishing_kept_;  // of that exchange, if an edge was pending in it
  std::vector<Edge> edges_;
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
