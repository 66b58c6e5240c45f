// What must hold in every flock at every moment, whatever breaks.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "sim/conservation.h"
#include "sim/simulation.h"

namespace starling::sim {

// What mixing conserves the sum of (Algorithm::conserved).
enum class Conserved {
  nothing,     // DEF mixes what it has told; trackers are not part of the model
  by_mixing,   // every exchange adds exact opposites at its two ends
  with_duals,  // and the local step subtracts duals, which are exact opposites too
};
Conserved conserved_by(const gossip::GossipOptions& options);

struct Expectations {
  bool keeps_memory = true;  // no node comes back without what it knew, and none has a twin
  Time calm{0};              // nothing breaks any more from then on: recovery() counts from there
};

// How the edges fared, over all hosts and their lives.
struct EdgeCounts {
  std::uint64_t exchanges = 0;  // counted at one end each
  std::uint64_t made_up = 0, reopened = 0;
};

// Watches a simulation and keeps the first thing that is wrong. Takes its watcher; to be made
// before run().
//
// After every event: the node's model is finite; what it has queued is within its bound; of every
// edge, both ends have counted the same messages, or one of them one message more, each once and in
// order; where they have counted the same, what they hold alike is equal to the bit; the event
// moved the model by local steps and by exchanges that counted alone, and these cancel at the other
// end (conservation.h); a node of another configuration has no edge up; and no node rejects what
// another has sent.
class Invariants {
 public:
  Invariants(const node::Run& run, Simulation& simulation, Expectations expected = {});

  // After run(): every node that lives has done all rounds; links were refused for the field that
  // differs and no other; and where memory was kept, the ends of all edges agree and the sum of
  // what is conserved is what the local steps made of it.
  void check_end(Time at_latest);

  const std::optional<std::string>& broken() const { return broken_; }
  // The newest events, oldest first.
  std::string last_events(std::size_t most = 200) const;
  // Of everything that happened: equal for equal runs.
  std::uint64_t trace_hash() const { return trace_; }

  const Conservation& conservation() const { return conservation_; }
  const EdgeCounts& edge_counts() const { return counts_; }
  // From `calm` until every edge had an exchange again; of those that had one.
  Duration recovery() const;

 private:
  struct Seen {
    gossip::EdgeStatus status = {};
    std::optional<NodeId> with = std::nullopt;     // host at the other end of the newest link
    std::optional<NodeId> counted = std::nullopt;  // that host, when the ledger last changed
  };
  struct Host {
    std::optional<std::uint64_t> life = std::nullopt;
    Round round = 0;
    bool holds_update = false;  // the newest local step is not in the model yet
    bool fetches = false;       // the model of a neighbor, which takes the place of its own
    std::vector<double> conserved = {};
    std::map<NodeId, Seen> edges = {};
  };

  void look(NodeId host, const node::CoreEvent& event);
  void note(NodeId host, const node::CoreEvent& event);
  void check_model(NodeId host);
  // The edge as it was before the event, and as it is.
  void check_order(NodeId host, const gossip::EdgeStatus& before, const gossip::EdgeStatus& now);
  void check_both_ends(NodeId host, const gossip::EdgeStatus& edge);
  using Edges = std::vector<gossip::EdgeStatus>;
  void check_move(NodeId host, const node::CoreEvent& event, const Edges& edges);
  bool takes_update(Host& seen, const node::CoreEvent& event, Round round) const;
  std::vector<Term> terms_of(NodeId host, const node::CoreEvent& event, const Edges& edges);
  void remember(NodeId host, const Edges& edges);
  void check_refusals();
  void check_sum();
  void fail(std::string what);
  void fail_edge(NodeId host, NodeId peer, const std::string& what);

  const node::Run& run_;
  Simulation& simulation_;
  const Expectations expected_;
  const Conserved conserved_;
  const bool overlaps_;
  std::map<NodeId, Host> seen_;
  std::set<std::pair<NodeId, std::string>> wrong_;  // every field that was wrong at a node
  Conservation conservation_;
  EdgeCounts counts_;
  std::map<std::pair<NodeId, NodeId>, Time> again_;  // first exchange since `calm`
  std::vector<double> sum_;                          // of the start, less all local steps
  double largest_ = 0;
  std::uint64_t mixings_ = 0;
  std::optional<std::string> broken_;
  std::deque<std::string> events_;
  std::uint64_t trace_ = 0;
};

}  // namespace starling::sim
