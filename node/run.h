// From a checked run file to the parts of a node.
#pragma once

#include <memory>

#include "gossip/footprint.h"
#include "gossip/topology.h"
#include "node/config.h"
#include "node/core.h"
#include "node/membership.h"
#include "protocol/fingerprint.h"
#include "protocol/result.h"
#include "train/trainer.h"

namespace starling::node {

// A run file with what it names: the graph and the data. Immutable once made; the simulator makes
// all nodes from one.
struct Run {
  Config config;
  gossip::Topology topology;  // of the config, without those who are away
  std::shared_ptr<const train::Problem> problem;
  Membership membership = {};  // of a mesh; of others nobody is ever away
};

// Reads the data set. Fails with ErrorCode::data or ErrorCode::config, the latter also where the
// operator would not make the model's messages shorter.
Result<Run> load_run(Config config);

// The same graph and data under a config that differs under [gossip] and [compress] alone. Fails as
// load_run does where operator and algorithm do not go together.
Result<Run> with_config(const Run& run, Config config);

// The same under a config that differs under [topology], [[node]] and [limits] alone. Reads the
// data once more where the nodes that share it are others. Fails as load_run does.
Result<Run> with_graph(const Run& run, Config config);

// The same among those who take part by `membership`. Fails as load_run does where too few are
// left.
Result<Run> with_membership(const Run& run, Membership membership);

// In a checkpoint in front of the core: who takes part. Loading: the run among them; where that
// does not fit `run` it is `run` itself, and the archive has failed.
void save_membership(const Run& run, Archive& archive);
Run with_saved_membership(const Run& run, Archive& archive);

// `checkpoints`: of a driver that answers SaveCheckpoint.
std::unique_ptr<Core> make_core(const Run& run, NodeId self, CheckpointPlan checkpoints = {});
// With another trainer than the run's, of the same layout.
std::unique_ptr<Core> make_core(const Run& run, NodeId self, CheckpointPlan checkpoints,
                                std::unique_ptr<train::Trainer> trainer);

// The operator in one line for a person: what it promises, its largest message, what goes raw.
std::string operator_summary(const Run& run);

// What the algorithm takes on a node of so many neighbors.
gossip::Footprint footprint_of(const Run& run, std::size_t degree);

// The algorithm with all its parameters, those that follow from operator and graph included.
std::string algorithm_summary(const Run& run);

// What two nodes of a run must agree on before they exchange a byte: run name, seed, topology,
// model layout, algorithm and operator with their parameters; in a mesh who is away. The rest
// (paths, learning rates, the number of rounds) may differ from machine to machine without harm to
// the exchange.
Fingerprint fingerprint_of(const Run& run);

// What a checkpoint is held against: the same without topology and who is away, which may change
// between two processes, and whose it is.
Fingerprint fingerprint_of(const Run& run, NodeId self);

}  // namespace starling::node
