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
  twin,      // a second host claims the name of a node, whose links are cut meanwhile or not
  mismatch,  // a node comes back with one field of its run file changed, and then with the right
             // one
};
inline constexpr FaultKind kAllFaults[] = {
    FaultKind::cut,     FaultKind::stall,     FaultKind::partition, FaultKind::pause,
    FaultKind::restart, FaultKind::join_late, FaultKind::twin,      FaultKind::mismatch};
const char* name_of(FaultKind kind);

struct Fault {
  FaultKind kind;
  Time at, until;
  NodeId a{}, b{};                // the ends of the link, from a to b; or the node a
  std::vector<NodeId> side = {};  // partition
  bool copied = false;            // twin: it has the node's checkpoints
  std::string field = {};         // mismatch
};

// The run that is to be disturbed.
struct Undisturbed {
  const gossip::Topology& topology;
  std::vector<std::string> fields = {};  // of the fingerprint
  Duration length;                       // that it takes without faults
  Duration silence;                      // SimulationOptions::silence
};
// With a silence of a third of the length.
Undisturbed undisturbed(const node::Run& run, Duration length);

// What one seed does to a run. Nothing is broken any more after 0.7 of its length, so that the
// flock has time to show that it recovers.
struct FaultPlan {
  std::uint64_t seed = 0;
  // These go into SimulationOptions.
  double loss = 0;
  Duration jitter{0};
  std::map<NodeId, double> slow = {};
  Round checkpoint_every = 0;  // a third of the seeds save nothing
  double disk_faults = 0;
  Time calm{0};  // nothing breaks any more from then on
  std::vector<Fault> faults = {};

  // Some node comes back without what it knew, or somebody else is taken for it.
  bool loses_memory() const;
  // "seed 17: loss 0.04, cut n0-n1 at 0.0123 s until …"
  std::string describe() const;
};

FaultPlan draw_faults(std::uint64_t seed, const Undisturbed& run);
// `base` with what the plan says of links, machines and disks.
SimulationOptions with_faults(SimulationOptions base, const FaultPlan& plan,
                              const Undisturbed& run);

// Before simulation.run().
void apply(const FaultPlan& plan, const gossip::Topology& topology, Simulation& simulation);

}  // namespace starling::sim
