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
#include "gossip/common.h"
#include "gossip/message_coder.h"
#include "gossip/method.h"
#include "gossip/shared_floats.h"

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
    SharedFloats reference;            // d floats
    std::vector<float> residual = {};  // error feedback: d floats from the first use on
    float scale = 0;  // of methods whose quantiser has one that changes from round to round
  };

  // A message advances a reference by steps[0] · C when it is committed, and by the others, if any,
  // when finish() is called.
  Replicas(Common common, std::size_t edges, std::vector<float> steps);

  // References of exchanges that may have to be made up for are d floats an edge. Those of these
  // suspended edges whose exchange is oldest and that have to be forgotten so that no more than
  // kept_max() are left, `elsewhere` of which others hold.
  std::vector<std::size_t> relieve(std::span<const std::size_t> suspended,
                                   std::size_t elsewhere = 0) const;
  // How many there are, or will be after the commit.
  std::size_t kept() const;
  // The log of a model of so many bytes, and how many of the references above relieve() leaves.
  static std::size_t log_bytes_max(std::size_t model_bytes);
  static std::size_t kept_max(std::size_t model_bytes);

  // As Method has it. The reference begins there, too: told of in whole on every edge that opens.
  void begin_at(std::span<const float> model);

  // As Method has them.
  void open(std::size_t edge);
  void forget(std::size_t edge) { edges_[edge] = {}; }
  void suspend(std::size_t edge, bool pending);
  void resume(std::size_t edge);
  // Of what both ends hold alike since the newest exchange that counted.
  std::uint64_t hash(std::size_t edge, bool self_is_low) const;

  // Lets `make` write this node's message and hands it to all `edges`, behind what they have
  // missed; it has to be committed, whether it counts on an edge or on none. Fails as `make` does;
  // the references are as they were and the residual is of no use then. `coder`: that `make` uses.
  using Make = std::function<Result<SharedBytes>(Own&)>;
  Result<void> encode(std::span<const std::size_t> edges, std::span<Message> out,
                      const MessageCoder& coder, const Make& make);

  // Whether this can be a neighbor's message, with what is in front of it; see Method::check.
  Result<double> check(const Message& message, const MessageCoder& coder) const;
  Result<double> check_start(const SharedBytes& start, const MessageCoder& coder) const;
  std::size_t start_bytes_max() const;

  // As Method has it, of a start that has passed check_start().
  void take_start(std::size_t edge, const SharedBytes& start, const compress::Compressor& c);
  // After the exchange: the reference advances by what was encoded, the replicas of the edges on
  // which it counted by the neighbors' messages. Where it is the exchange of a suspended edge that
  // is made up for, only the replica does; ours(edge) is then what the reference was in that
  // exchange. Returns whether the reference advanced.
  bool commit(std::span<const Arrival> arrivals, const compress::Compressor& c);
  // After a commit of the same arrivals.
  void finish(std::span<const Arrival> arrivals, const compress::Compressor& c);

  // Between commit and finish: both sides of the exchange.
  std::span<const float> ours(std::size_t edge) const {
    return edges_[edge].kept ? edges_[edge].kept->reference : own_.reference.values();
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
    std::vector<float> theirs = {};  // empty: `common`, until the neighbor has told something
    // Of the reference when the edge was last in step; of use while it is not.
    std::uint64_t known_hash = 0;
    bool pending = false;                  // suspended in the exchange under way
    std::shared_ptr<Kept> kept = nullptr;  // of the pending exchange, once it is committed
  };

  // With a start where the neighbor is not in step. `whole`: the message whose start is the
  // reference itself, made when it is first needed.
  Message message_for(const Edge& edge, Message& whole);
  std::vector<float>& replica_of(Edge& edge) const;
  void archive_kept(Archive& archive, Edge& edge) const;
  void note_those_behind(std::span<const Arrival> arrivals);
  void trim_log();
  std::uint64_t hash_of_ours(const Edge& edge) const;

  const Common common_;
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

}  // namespace starling::gossip
