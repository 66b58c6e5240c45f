// The model of a neighbor, for a node that joins a flock which is under way: the side that asks.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "gossip/algorithm.h"
#include "protocol/ids.h"
#include "protocol/result.h"

namespace starling::node {

// Raising `window` hides longer delays; the giver's link has to hold as many pieces.
struct FetchOptions {
  std::size_t window = 3;                            // asks without an answer
  Duration answer_max = std::chrono::seconds{10};    // then another neighbor is asked
  Duration return_max = std::chrono::seconds{5};     // for one whose link went down
  Duration progress_max = std::chrono::seconds{60};  // nothing from anybody: it is given up
  std::size_t snapshots_max = 4;                     // that one neighbor may begin
};

// What a fetch came to.
struct ModelFetched {
  NodeId from;
  Round round = 0;  // rounds that the neighbor had done with it
  std::uint64_t bytes = 0;
  std::size_t pieces = 0;
  std::size_t resumed = 0;  // times that it went on after a break of the link
  Duration took{0};
};
// "fetched the model of round 412 from n2: 407 KB in 3 pieces, 0.2 s"
std::string describe(const ModelFetched& fetched, const std::string& from);

struct FetchGivenUp {
  std::string why;  // a sentence without its full stop
};

// Asks one neighbor at a time, piece by piece and in order; each ask gets one answer. A link that
// breaks and comes back goes on with the same snapshot where it stopped, if the neighbor still has
// that; what one neighbor gave is of no use with another. Memory: d floats, whatever is sent.
//
// What cannot come from a correct neighbor fails with ErrorCode::peer, and that neighbor is not
// asked again. No piece counts before the hash of the whole model is right and every value finite.
// Engine thread; deterministic.
class Fetch {
 public:
  enum class State { running, done, given_up };
  struct Ask {
    NodeId of;
    std::uint64_t snapshot;  // 0: for one
    std::uint32_t piece;
  };
  using Asks = std::vector<Ask>;  // to be sent, in order

  // Of a model of so many floats.
  Fetch(std::size_t floats, Time now, FetchOptions options = {});

  // The link to a neighbor that is past round 0.
  void up(NodeId peer, Time now, Asks& out);
  void down(NodeId peer, Time now, Asks& out);
  // A snapshot or a piece. Failing, it has gone on to another neighbor already.
  Result<void> receive(NodeId from, const gossip::Parcel& parcel, Time now, Asks& out);
  // To be called at deadline(), which moves.
  void look_at_time(Time now, Asks& out);
  Time deadline() const;

  State state() const { return state_; }
  // Done: the neighbor's model, bit for bit.
  std::span<const float> model() const { return model_; }
  void let_go_of_model() { model_ = std::vector<float>(); }  // {} would keep the memory
  ModelFetched outcome(Time now) const;
  // Given up: why.
  const std::string& why() const { return why_; }

 private:
  struct Source {
    bool up = false;
    bool barred = false;
    std::size_t asked = 0;      // without an answer
    std::size_t snapshots = 0;  // that it began
  };

  Result<void> take_snapshot(Source& source, const gossip::Parcel& parcel, Time now, Asks& out);
  Result<void> take_piece(const gossip::Parcel& parcel, Time now, Asks& out);
  Result<void> check_whole() const;
  void ask_more(Asks& out);
  void turn_to(NodeId peer, Time now, Asks& out);
  bool turn_to_another(Time now, Asks& out);
  void forget();
  void give_up(std::string why);
  std::size_t pieces() const;
  std::size_t piece_bytes(std::size_t piece) const;
  bool is_asked(NodeId peer) const { return current_ == peer; }

  const std::size_t floats_;
  const FetchOptions options_;
  const Time began_;
  State state_ = State::running;
  std::string why_;
  std::map<NodeId, Source> sources_;
  std::optional<NodeId> current_;
  Time heard_, progress_;  // since then nothing of the current one, nothing of anybody
  // Of the snapshot that is being fetched; its name is 0 while there is none.
  std::uint64_t snapshot_ = 0;
  Round round_ = 0;
  std::size_t received_ = 0, asked_ = 0, resumed_ = 0;  // pieces, and times
  std::vector<float> model_;
};

// How a model is called on the wire: a hash of all its bytes, never 0.
std::uint64_t snapshot_name(std::span<const float> model);

}  // namespace starling::node
