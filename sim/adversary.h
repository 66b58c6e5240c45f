// Faults drawn from a seed, as a swarm: each seed switches on some kinds and leaves others out, so
// that rare combinations come up.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "gossip/topology.h"
#include "sim/simulation.h"

namespace starling::sim {

enum class FaultKind {
  cut,        // a link breaks and heals
  stall,      // one direction of a link holds everything back
  partition,  // two sides without a link between them, then healed
  pause,      // a node stands still
  restart,    // a node is killed and comes back
  join_late,
};
inline constexpr FaultKind kAllFaults[] = {FaultKind::cut,       FaultKind::stall,
                                           FaultKind::partition, FaultKind::pause,
                                           FaultKind::restart,   FaultKind::join_late};
const char* name_of(FaultKind kind);

struct Fault {
  FaultKind kind;
  Time at, until;
  NodeId a{}, b{};                // the ends of the link, from a to b; or the node a
  std::vector<NodeId> side = {};  // partition
};

// What one seed does to a run that takes about `length` without faults. Nothing is broken any more
// after 0.7 · length, so that the flock has time to show that it recovers.
struct FaultPlan {
  std::uint64_t seed = 0;
  double loss = 0;  // goes into SimulationOptions, as the next two
  Duration jitter{0};
  std::map<NodeId, double> slow = {};
  std::vector<Fault> faults = {};

  bool loses_memory() const;  // some node comes back without what it knew
  // "seed 17: loss 0.04, cut n0-n1 at 0.0123 s until …"
  std::string describe() const;
};

FaultPlan draw_faults(std::uint64_t seed, const gossip::Topology& topology, Duration length,
                      Duration silence);

// Before simulation.run().
void apply(const FaultPlan& plan, const gossip::Topology& topology, Simulation& simulation);

}  // namespace starling::sim
