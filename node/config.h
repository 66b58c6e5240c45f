// One run, one file: everything that the run file says, checked.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "compress/options.h"
#include "compress/rate_options.h"
#include "gossip/options.h"
#include "gossip/topology.h"
#include "protocol/ids.h"
#include "protocol/key_pin.h"
#include "protocol/result.h"
#include "train/options.h"

namespace starling::node {

struct NodeEntry {
  std::string name;
  std::string address;  // "host:port"
  // It is no part of the run any more; its place in the list keeps the numbers of the others.
  bool left = false;
  // How many of the rounds it sends something in.
  double participation = 1;
  // Whoever proves one of these is this node; more than one while it changes its key. Of all nodes
  // or of none: without them links are plain TCP.
  std::vector<KeyPin> keys = {};
  bool operator==(const NodeEntry&) const = default;
};

// What a node begins with that has no checkpoint and finds its neighbors past round 0.
enum class Join { neighbor, start };

struct RunOptions {
  std::string name = "run";  // letters, digits, '-', '_', '.'; names the state directory
  std::uint64_t seed = 1;
  Round rounds = 100;
  Round evaluate_every = 10;  // 0: only at the end
  // `up` and `simulate` end the run when the worst node is there.
  std::optional<double> until_accuracy;
  // Algorithms that `up` and `simulate` run one after the other on the same seed for a result table
  // (the run file's own is run where it is named). Empty: just the one.
  std::vector<gossip::AlgorithmKind> compare;
  bool insecure_plaintext = false;
  // A daemon that would take more is not started; 0: no limit.
  std::uint64_t memory_limit = 0;
  Join join = Join::neighbor;
  // A mesh: after how long without anybody who sees it a node's shard is the others'.
  double hand_over_seconds = 600;
};

struct CheckpointOptions {
  bool enabled = true;
  Round every = 0;            // rounds; 0: not by rounds
  double every_seconds = 60;  // 0: not by time
  std::string directory;      // each node's is below it; empty: the state directory
};

// Bytes a second on the wire; 0: as fast as they can.
struct LimitOptions {
  double max_send = 0, max_receive = 0;                    // of all links of a node together
  double neighbor_max_send = 0, neighbor_max_receive = 0;  // of each
  // In any 24 hours, sent and taken together.
  std::uint64_t max_per_day = 0, neighbor_max_per_day = 0;
};

struct MetricsOptions {
  std::string listen;  // "host:port" of the first node of a machine; empty: nobody listens
};

// What the file has, or would have, for one key.
struct StatedKey {
  std::string section, key;
  std::string value;  // as messages show it; empty: unset
  std::string where;  // its place, or that of the section or file that does not have it
  bool given = false;
};

struct Config {
  std::filesystem::path file;  // as it was named
  RunOptions run;
  gossip::TopologyOptions topology;
  std::vector<NodeEntry> nodes;          // index = NodeId
  std::vector<std::string> node_places;  // of their names in the file; of made ones, of the key
  train::DataOptions data;
  train::ModelOptions model;
  train::TrainOptions train;
  gossip::GossipOptions gossip;
  CheckpointOptions checkpoint;
  MetricsOptions metrics;
  LimitOptions limits;
  // What codes the messages. `automatic` is what the algorithm is made of: identity for d-psgd,
  // low-rank for powergossip.
  compress::OperatorOptions compress;
  // How much of it may go over a link; the operator is its lowest level then.
  compress::RateOptions rate;
  bool optimal_relaxation = false;  // gossip.relaxation follows from the graph
  // All keys but those of [topology], [[node]] and tables inside [compress].
  std::vector<StatedKey> stated;
};

// Reads and checks a run file. `overrides` are "section.key=value" with the value in TOML syntax (a
// bare word is taken as a string). Fails with ErrorCode::config and one sentence:
//   run.toml:12:3: [gossip] rnak: unknown key; did you mean 'rank'?
//   run.toml:9:9: [gossip] rank: found 0, expected a whole number from 1 to 4096
// An override is named as "--set gossip.rank=0" instead of file, line and column.
Result<Config> load_config(const std::filesystem::path& file,
                           const std::vector<std::string>& overrides);

// The same from text; `name` stands for the file in messages, relative paths start at `base`.
Result<Config> parse_config(std::string_view text, const std::filesystem::path& name,
                            const std::filesystem::path& base,
                            const std::vector<std::string>& overrides);

// The node called `name`; otherwise a sentence with the nearest name and the list of them.
Result<NodeId> find_node(const Config& config, std::string_view name);
// The same, of a node that has not left.
Result<NodeId> find_present_node(const Config& config, std::string_view name);

// Where the file has that key, or would have it, "run.toml:3:7"; the file where it knows none such.
std::string place_of(const Config& config, std::string_view section, std::string_view key);

// Where this node's metrics are to be had, "host:port"; empty: nowhere. Of nodes whose addresses
// have the same host the first has the port of [metrics] listen, the next in the list the next one.
std::string metrics_address(const Config& config, NodeId self);

// The operator of the run with `automatic` replaced by what the algorithm is made of.
compress::OperatorOptions operator_of(const Config& config);

// "20000 bytes a round", of the budget that is set.
std::string rate_in_words(const compress::RateOptions& rate);

// One key of the run file, for documentation and for `starling config keys`.
struct KeyDocumentation {
  std::string section, key, type, fallback, text;
};
const std::vector<KeyDocumentation>& documented_keys();

}  // namespace starling::node
