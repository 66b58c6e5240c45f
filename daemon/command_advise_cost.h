// What a round of each algorithm and operator would cost, for `starling advise`.
#pragma once

#include <string>
#include <vector>

#include "node/run.h"
#include "protocol/result.h"
#include "sim/simulation.h"

namespace starling::daemon {

// The run under another algorithm or operator.
struct Candidate {
  std::string algorithm, coding = {};  // "choco", "top-k ratio=0.01 …"
  bool own = false;                    // as the run file has it
  node::Config config;
};
struct LeftOut {
  std::string algorithm, coding, why;
};

// The run file's own first; then each algorithm that is offered, those of a mesh where all nodes
// are neighbors, with each operator that it takes.
std::vector<Candidate> candidates_of(const node::Config& config);

// Of a node and a round: over kMeasuredRounds of them the median by this machine's clock, otherwise
// the mean.
struct RoundCost {
  double seconds = 0;     // of this machine, or of virtual time
  double sent_bytes = 0;  // headers included
};
inline constexpr Round kMeasuredRounds = 20;

// The whole flock in this process, as fast as it goes: the local step and what the algorithm does
// around it, coding, decoding and mixing. One core. Fails with ErrorCode::diverged.
Result<RoundCost> measure_work(const node::Run& run);
// The same rounds in virtual time, on links as `network` has them, each taking `work` seconds of a
// node: what the simulator says.
Result<RoundCost> predict(const node::Run& run, sim::SimulationOptions network, double work);

// The run without exchanges: what is left of its work is the local step's.
Result<node::Run> alone(const node::Run& run);

}  // namespace starling::daemon
