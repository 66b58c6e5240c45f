// How the nodes of a mesh agree that some of them are away, without anybody who decides.
#pragma once

#include <cstddef>
#include <optional>
#include <vector>

#include "protocol/ids.h"
#include "protocol/result.h"

namespace starling::node {

// A node to which there has been no link for `after` is missed here, and this node says so to all
// that are there. (One that has a link may be fetching a model, for hours.) Missed nodes are away
// when every node that is not missed misses them, and those are more than half of the flock: so a
// link that is broken between two alone puts nobody out, and of a flock that has fallen apart at
// most one side goes on without the other. Whoever decides so for itself at last has what the
// others have; and where one was wrong the missed node comes back (Membership). A node that has
// said that it leaves is missed at once, and counts to those that are there: it goes on with
// nobody.
//
// Engine thread only. Deterministic in the sequence of calls.
class Absences {
 public:
  // `partners`: all other nodes of the graph. `flock`: nodes of the run, those that are away
  // included.
  Absences(const std::vector<NodeId>& partners, std::size_t flock, Duration after);

  // Rounds begin, after a rest as well: nobody was missed while there were none.
  void begin(Time now);
  // There is a link; or none any more. What the neighbor has said of others was of the one before.
  void there(NodeId partner);
  void gone(NodeId partner, Time now);
  // It is gone, and has said before that it leaves.
  void left(NodeId partner) { find(partner)->has_left = true; }

  // What this node says of a partner, and hears of one.
  struct Word {
    NodeId about;
    bool missed;
  };
  // What is other than it said before, for all that are there; to be told after look().
  std::vector<Word> look(Time now);
  // All that it says, for one that has come.
  std::vector<Word> words() const;
  // Fails (ErrorCode::peer) where it is about the two nodes themselves or one that is no partner.
  Result<void> hear(NodeId from, Word word);

  // Who is away, as all that are there say; ascending.
  std::vector<NodeId> agreed() const;

 private:
  struct Partner {
    NodeId id;
    std::optional<Time> gone_since;   // none: it is there
    bool has_left = false;            // it has said so, and is gone
    bool missed = false;              // here
    std::vector<NodeId> misses = {};  // what it has said
  };

  Partner* find(NodeId id);

  const std::size_t flock_;
  const Duration after_;
  std::vector<Partner> partners_;
};

}  // namespace starling::node
