// What must hold in every flock at every moment, whatever breaks.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "sim/simulation.h"

namespace starling::sim {

// Watches a simulation and keeps the first thing that is wrong. Takes its watcher; to be made
// before run().
//
// After every event: the node's model is finite; what it has queued is within its bound; of every
// edge, both ends have counted the same messages, or one of them one message more, each once and in
// order; and where they have counted the same, what they hold alike is equal to the bit.
class Invariants {
 public:
  // `conserved`: the algorithm moves the sum of the models by local steps alone, and no node
  // loses its memory.
  Invariants(const node::Run& run, Simulation& simulation, bool conserved);

  // After run(): every node that lives has done all rounds, the ends of its edges agree, and where
  // it is conserved, the sum of the models is what the local steps made of it.
  void check_end(Time at_latest);

  const std::optional<std::string>& broken() const { return broken_; }
  // The newest events, oldest first.
  std::string last_events() const;
  // Of everything that happened: equal for equal runs.
  std::uint64_t trace_hash() const { return trace_; }

 private:
  struct Seen {
    std::uint64_t life = 0;
    gossip::Settlement ledger = {};
  };

  void look(NodeId node, const node::CoreEvent& event);
  void note(NodeId node, const node::CoreEvent& event);
  void check_model(NodeId node);
  void check_edge(NodeId node, const gossip::EdgeStatus& edge);
  void check_sum();
  void fail(std::string what);

  const node::Run& run_;
  Simulation& simulation_;
  const bool conserved_;
  std::map<std::pair<NodeId, NodeId>, Seen> seen_;
  std::vector<double> sum_;  // of the start models less all local steps
  double largest_ = 0;
  std::uint64_t mixings_ = 0;
  std::optional<std::string> broken_;
  std::deque<std::string> events_;
  std::uint64_t trace_ = 0;
};

// Whether the algorithm moves the sum of the models by local steps alone. The exact methods add
// duals, whose sum is 0 only while both ends of an edge have it up; DEF mixes what it has told.
bool conserves_sum(gossip::AlgorithmKind kind);

}  // namespace starling::sim
