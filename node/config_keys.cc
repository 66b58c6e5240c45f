#include "node/config_keys.h"

#include <cstdint>
#include <limits>

#include "gossip/algorithms.h"
#include "gossip/moniqua.h"
#include "node/config_types.h"

namespace starling::node {
namespace {

using namespace types;
using gossip::AlgorithmKind;
using gossip::TopologyKind;

constexpr std::int64_t kRoundsMax = 1'000'000'000;
constexpr std::int64_t kNodesMax = 4096;

Choices<AlgorithmKind> algorithms() {
  Choices<AlgorithmKind> all;
  for (const gossip::AlgorithmTraits& one : gossip::all_algorithms()) {
    all.emplace_back(one.name, one.kind);
  }
  return all;
}

const char* const kNameType =
    "1 to 64 letters, digits, '-', '_' or '.', the first a letter or a digit";
const char* const kKeyType = "\"sha256:\" and 43 letters, digits, '-' or '_'";

void add_run(Keys& keys) {
  keys.push_back(checked_text({"run", "name"}, FIELD(config.run.name), kNameType,
                              "Names the run, and on each machine the directory of its state.",
                              name_problem));
  keys.push_back(whole({"run", "seed"}, FIELD(config.run.seed),
                       {0, std::numeric_limits<std::int64_t>::max()},
                       "Everything random in a run is a function of it."));
  keys.push_back(whole({"run", "rounds"}, FIELD(config.run.rounds), {1, kRoundsMax},
                       "How many rounds a run has; the learning-rate schedule ends with them."));
  keys.push_back(whole({"run", "evaluate_every"}, FIELD(config.run.evaluate_every), {0, kRoundsMax},
                       "Rounds between two evaluations on the test rows; 0: only at the end."));
  keys.push_back(real({"run", "until_accuracy"}, FIELD(config.run.until_accuracy),
                      {above(0), upto(1)},
                      "'up' and 'simulate' end the run when the worst node is this accurate."));
  keys.push_back(choice_list({"run", "compare"}, FIELD(config.run.compare), algorithms(),
                             "Algorithms that 'up' and 'simulate' run one after the other on the "
                             "same seed, for a table of results."));
  keys.push_back(flag({"run", "insecure_plaintext"}, FIELD(config.run.insecure_plaintext),
                      "Allows plain TCP to other addresses than loopback; whoever is on the way "
                      "can then read and change the models."));
  keys.push_back(bytes({"run", "memory_limit"}, FIELD(config.run.memory_limit),
                       "A node whose predicted peak memory is over it is not started; \"0\": no "
                       "limit."));
  keys.push_back(choice<Join>({"run", "join"}, FIELD(config.run.join),
                              {{"neighbor", Join::neighbor}, {"start", Join::start}},
                              "What a node begins with that has no checkpoint and finds neighbors "
                              "past round 0: the model of one of them, or its start model."));
  keys.push_back(real({"run", "hand_over_seconds"}, FIELD(config.run.hand_over_seconds),
                      {above(0), upto(1e9)},
                      "A mesh: when no node has seen one for so long, and more than half of all "
                      "are there, its shard is the others' until it is back."));
}

void add_topology(Keys& keys) {
  keys.push_back(choice<TopologyKind>({"topology", "kind"}, FIELD(config.topology.kind),
                                      {{"ring", TopologyKind::ring},
                                       {"torus", TopologyKind::torus},
                                       {"exponential", TopologyKind::exponential},
                                       {"complete", TopologyKind::complete},
                                       {"star", TopologyKind::star},
                                       {"path", TopologyKind::path},
                                       {"random-regular", TopologyKind::random_regular},
                                       {"edges", TopologyKind::edges},
                                       {"one-peer-exponential", TopologyKind::one_peer_exponential},
                                       {"directed-edges", TopologyKind::directed_edges}},
                                      "Who exchanges with whom: a generated graph, or the one "
                                      "that 'edges' lists."));
  keys.push_back(whole({"topology", "nodes"}, FIELD(config.topology.nodes), {2, kNodesMax},
                       "Makes this many nodes n0, n1 … on this machine, in place of [[node]]."));
  keys.push_back(whole({"topology", "base_port"}, FIELD(base_port), {1, 65535},
                       "With 'nodes': the port of n0 on 127.0.0.1; n1 has the next one."));
  keys.push_back(
      {"topology", "edges", "an array of pairs of node names or indices, [[\"n0\", \"n1\"], …]",
       "kind = \"edges\": the pairs of nodes that exchange, each pair once; \"directed-edges\": "
       "from the first to the second.",
       store_edges, [](const Draft&) { return std::string("[]"); }});
  keys.push_back(whole({"topology", "degree"}, FIELD(config.topology.degree), {1, kNodesMax - 1},
                       "kind = \"random-regular\": how many neighbors each node has."));
}

void add_node(Keys& keys) {
  keys.push_back(checked_text({"node", "name"}, FIELD(entry.name), kNameType,
                              "What people and commands call the node.", name_problem));
  keys.push_back(checked_text(
      {"node", "address"}, FIELD(entry.address), "\"host:port\" with a port from 1 to 65535",
      "Where the node listens and its neighbors find it.", address_problem));
  keys.push_back({"node", "key", kKeyType,
                  "The fingerprint of the node's key ('starling keygen' makes one, 'starling id' "
                  "shows it); of every node, or of none and links are plain TCP.",
                  store_key, [](const Draft&) { return std::string(); }});
  keys.push_back({"node", "keys", fmt::format("an array of 1 to {} of \"sha256:…\"", kNodeKeysMax),
                  "In place of 'key', while the node changes it: any of these is the node's.",
                  store_keys, [](const Draft&) { return std::string(); }});
  keys.push_back(flag({"node", "left"}, FIELD(entry.left),
                      "The node is no part of the run any more; its place in the list keeps the "
                      "numbers of the others."));
  keys.push_back(real({"node", "participation"}, FIELD(entry.participation), {above(0), upto(1)},
                      "dcsgd, diana, dore: the share of the rounds in which the node sends "
                      "something, which then counts so much more."));
}

void add_data(Keys& keys) {
  using train::DataKind;
  using train::Split;
  keys.push_back(choice<DataKind>({"data", "kind"}, FIELD(config.data.kind),
                                  {{"optdigits", DataKind::optdigits},
                                   {"idx", DataKind::idx},
                                   {"libsvm", DataKind::libsvm},
                                   {"quadratic", DataKind::quadratic}},
                                  "The form of the data set; quadratic is made, not read."));
  keys.push_back(path({"data", "path"}, FIELD(config.data.path),
                      "The folder (optdigits, idx) or the training file (libsvm), relative to "
                      "the run file."));
  keys.push_back(path({"data", "test_path"}, FIELD(config.data.test_path),
                      "libsvm: the test file; without one every fifth row is held out."));
  keys.push_back(choice<Split>(
      {"data", "split"}, FIELD(config.data.split),
      {{"iid", Split::iid}, {"dirichlet", Split::dirichlet}, {"by-label", Split::by_label}},
      "How the training rows are dealt to the nodes."));
  keys.push_back(real({"data", "alpha"}, FIELD(config.data.alpha), {above(0), upto(1e6)},
                      "split = \"dirichlet\": concentration per label; smaller is more uneven."));
  keys.push_back(whole({"data", "dimension"}, FIELD(config.data.dimension), {1, 1'000'000},
                       "quadratic: the number of parameters."));
  keys.push_back(real({"data", "condition"}, FIELD(config.data.condition), {from(1), upto(1e9)},
                      "quadratic: the largest curvature; the smallest is 1."));
  keys.push_back(real({"data", "heterogeneity"}, FIELD(config.data.heterogeneity),
                      {from(0), upto(1e6)},
                      "quadratic: how far the nodes' own minima lie apart (standard deviation)."));
  keys.push_back(real({"data", "noise"}, FIELD(config.data.noise), {from(0), upto(1e6)},
                      "quadratic: standard deviation of each coordinate of a gradient."));
}

void add_model(Keys& keys) {
  using train::ModelKind;
  keys.push_back(choice<ModelKind>({"model", "kind"}, FIELD(config.model.kind),
                                   {{"mlp", ModelKind::mlp},
                                    {"softmax", ModelKind::softmax},
                                    {"logistic", ModelKind::logistic},
                                    {"quadratic", ModelKind::quadratic}},
                                   "What is trained; logistic knows two classes, quadratic goes "
                                   "with the data of that name."));
  keys.push_back(whole_list({"model", "hidden"}, FIELD(config.model.hidden), 16, {1, 65536},
                            "mlp: the widths of the hidden layers, ReLU between."));
  keys.push_back(real({"model", "l2"}, FIELD(config.model.l2), {from(0), upto(1000)},
                      "Adds ½·l2·‖x‖² to the loss."));
}

void add_train(Keys& keys) {
  using train::OptimizerKind;
  using train::Schedule;
  keys.push_back(whole({"train", "batch"}, FIELD(config.train.batch), {0, 1'000'000},
                       "Rows of one local step; 0: all rows of the node."));
  keys.push_back(choice<OptimizerKind>({"train", "optimizer"}, FIELD(config.train.optimizer),
                                       {{"sgd", OptimizerKind::sgd}, {"adam", OptimizerKind::adam}},
                                       "The local optimizer."));
  keys.push_back(real({"train", "learning_rate"}, FIELD(config.train.learning_rate),
                      {above(0), upto(1000)}, "The length of a local step."));
  keys.push_back(choice<Schedule>(
      {"train", "schedule"}, FIELD(config.train.schedule),
      {{"constant", Schedule::constant}, {"step", Schedule::step}, {"cosine", Schedule::cosine}},
      "How learning_rate falls: not, by ten after 1/2 and 3/4 of the "
      "rounds, or down to 0 at the end."));
  keys.push_back(whole({"train", "warmup"}, FIELD(config.train.warmup), {0, kRoundsMax},
                       "Rounds in which learning_rate grows to its value."));
  keys.push_back(real({"train", "momentum"}, FIELD(config.train.momentum), {from(0), below(1)},
                      "sgd: the share of the last step that the next one keeps."));
  keys.push_back(flag({"train", "nesterov"}, FIELD(config.train.nesterov),
                      "sgd: Nesterov's form of momentum."));
  keys.push_back(real({"train", "weight_decay"}, FIELD(config.train.weight_decay),
                      {from(0), upto(1000)},
                      "Pulls the weights (not the biases) to 0; decoupled for adam."));
  keys.push_back(whole({"train", "local_steps"}, FIELD(config.train.local_steps), {1, 1'000'000},
                       "Optimizer steps between two exchanges."));
}

void add_gossip(Keys& keys) {
  keys.push_back(choice({"gossip", "algorithm"}, FIELD(config.gossip.algorithm), algorithms(),
                        "How neighbors mix their models; none: every node trains alone."));
  keys.push_back(whole(
      {"gossip", "rank"}, FIELD(config.gossip.rank), {1, 4096},
      "powergossip, powergossip-exact: rank of one exchange; more mixes better and sends more."));
  keys.push_back(
      whole({"gossip", "iterations"}, FIELD(config.gossip.iterations), {1, 64},
            "powergossip, powergossip-exact: exchanges a round; each also costs a network delay."));
  keys.push_back(real({"gossip", "gamma"}, FIELD(config.gossip.gamma), {above(0), upto(1)},
                      "The consensus step of the compressed algorithms; unset: what is stable for "
                      "the operator."));
  keys.push_back(real({"gossip", "zeta"}, FIELD(config.gossip.zeta), {above(0), upto(1)},
                      "def-atc, actc: how much of a message the references take; unset: what is "
                      "stable for the operator."));
  keys.push_back(
      real({"gossip", "alpha"}, FIELD(config.gossip.alpha), {above(0), upto(1)},
           "lead, lessbit, diana, dore: how much of a message the references keep; unset: "
           "1 / (1 + omega)."));
  keys.push_back(real({"gossip", "beta"}, FIELD(config.gossip.beta), {above(0), upto(1)},
                      "cold: how much of the consensus step the duals integrate; unset: half "
                      "of the operator's delta, which is stable whatever the loss. dore: how far "
                      "what is told moves the model; unset: 1 / (1 + omega)."));
  keys.push_back(real({"gossip", "rho"}, FIELD(config.gossip.rho), {above(0), below(1)},
                      "dyna-cold: the decay of the quantiser's scale a round; unset: 0.97."));
  keys.push_back(
      real({"gossip", "eta"}, FIELD(config.gossip.eta), {from(0), upto(1)},
           "econtrol: how much of what was not told yet is added to a message; unset: the "
           "operator's delta. dore: the same on the way back; unset: 0. ef21-sgdm: the weight of "
           "the newest gradient; unset: 0.1."));
  keys.push_back(
      whole({"gossip", "period"}, FIELD(config.gossip.period), {1, 1'000'000},
            "liec-sgd: rounds from one average of the models to the next; zero-one-adam: "
            "local steps from one exchange to the next, at most."));
  keys.push_back(whole({"gossip", "freeze"}, FIELD(config.gossip.freeze), {1, kRoundsMax},
                       "one-bit-adam, zero-one-adam: rounds in which the variance is learned; then "
                       "it stays as it is."));
  keys.push_back(whole({"gossip", "repeats"}, FIELD(config.gossip.repeats), {1, 64},
                       "neolithic: messages of the operator, each of what those before have left, "
                       "that go together."));
  keys.push_back(flag({"gossip", "by_uptime"}, FIELD(config.gossip.by_uptime),
                      "dcsgd, diana, dore: what a node sends counts the more the less often it "
                      "comes, as each owner sees it, and not as [[node]] participation says."));
  keys.push_back(real({"gossip", "outer_rate"}, FIELD(config.gossip.outer_rate),
                      {above(0), upto(10)},
                      "diloco, streaming-diloco: the length of the outer optimizer's step."));
  keys.push_back(real({"gossip", "outer_momentum"}, FIELD(config.gossip.outer_momentum),
                      {from(0), below(1)},
                      "diloco, streaming-diloco: Nesterov momentum of the outer optimizer."));
  keys.push_back(whole({"gossip", "fragments"}, FIELD(config.gossip.fragments), {1, 65536},
                       "streaming-diloco: parts of the model; each round is about one of them."));
  keys.push_back(real({"gossip", "blend"}, FIELD(config.gossip.blend), {from(0), below(1)},
                      "streaming-diloco: how much of what a node did alone it keeps when all have "
                      "moved a part."));
  keys.push_back(real({"gossip", "theta"}, FIELD(config.gossip.theta), {above(0), upto(1e6)},
                      "moniqua: neighbors' models are closer than that in every coordinate."));
  keys.push_back(whole({"gossip", "bits"}, FIELD(config.gossip.bits),
                       {gossip::kMoniquaBitsMin, gossip::kMoniquaBitsMax},
                       "moniqua: of a coordinate; differences go in theta / (2^(bits - 1) - 1)."));
  keys.push_back(flag({"gossip", "exact_step"}, FIELD(config.gossip.exact_step),
                      "lessbit: solves the local problem (option A) in place of the step of "
                      "[train]; quadratic data without noise alone."));
  keys.push_back(flag({"gossip", "allow_unproven"}, FIELD(config.gossip.allow_unproven),
                      "Runs an algorithm with an operator or on a graph that theory does not "
                      "admit."));
  keys.push_back(choice<gossip::Mode>(
      {"gossip", "mode"}, FIELD(config.gossip.mode),
      {{"sync", gossip::Mode::sync}, {"async", gossip::Mode::async}},
      "Whether nodes go through rounds together, or do not wait for each other; unset: sync, for "
      "ad-psgd async."));
  keys.push_back(whole({"gossip", "staleness"}, FIELD(config.gossip.staleness), {1, 1'000'000},
                       "async: rounds that a neighbor may owe an answer before this node waits."));
  keys.push_back(flag({"gossip", "overlap"}, FIELD(config.gossip.overlap),
                      "sync: exchange while the gradient is computed (true) or after the step."));
  keys.push_back({"gossip", "relaxation", "a number above 0 and below 2, or \"optimal\"",
                  "How far a node moves to its neighbors' mean; \"optimal\" fits the graph.",
                  store_relaxation,
                  [](const Draft& draft) { return show_number(draft.config.gossip.relaxation); }});
}

void add_robust(Keys& keys) {
  keys.push_back(flag({"robust", "clip"}, FIELD(config.gossip.clip),
                      "d-psgd, ad-psgd, choco, def-atc, actc: bounds how far one neighbor moves a "
                      "node in an exchange, whatever it sends."));
}

void add_checkpoint(Keys& keys) {
  keys.push_back(flag({"checkpoint", "enabled"}, FIELD(config.checkpoint.enabled),
                      "Whether a daemon saves what it needs to go on after its end, and goes on "
                      "from it."));
  keys.push_back(whole({"checkpoint", "every"}, FIELD(config.checkpoint.every), {0, kRoundsMax},
                       "Rounds between two checkpoints; 0: by time alone. A node that ends saves "
                       "one in any case."));
  keys.push_back(real({"checkpoint", "every_seconds"}, FIELD(config.checkpoint.every_seconds),
                      {from(0), upto(1e6)},
                      "Seconds after which the end of a round saves one; 0: by rounds alone."));
  keys.push_back(path({"checkpoint", "directory"}, FIELD(config.checkpoint.directory),
                      "Where checkpoints are kept, each node's in a folder of its name; unset: "
                      "beside the rest of the node's state."));
}

void add_metrics(Keys& keys) {
  keys.push_back(checked_text(
      {"metrics", "listen"}, FIELD(config.metrics.listen),
      "\"host:port\" with a port from 1 to 65535",
      "Where a daemon answers GET /metrics, in Prometheus' format and to whoever asks: "
      "\"127.0.0.1:9464\", say; of nodes on one host each has the next port. Unset: nowhere.",
      address_problem));
}

void add_limits(Keys& keys) {
  keys.push_back(rate_limit({"limits", "max_send"}, FIELD(config.limits.max_send),
                            "What a daemon sends to all neighbors together, a second; \"0\": no "
                            "limit, here and below."));
  keys.push_back(rate_limit({"limits", "max_receive"}, FIELD(config.limits.max_receive),
                            "What it takes from all of them together."));
  keys.push_back(rate_limit({"limits", "neighbor_max_send"}, FIELD(config.limits.neighbor_max_send),
                            "What it sends to each of them."));
  keys.push_back(rate_limit({"limits", "neighbor_max_receive"},
                            FIELD(config.limits.neighbor_max_receive),
                            "What it takes from each of them."));
  keys.push_back(bytes({"limits", "max_per_day"}, FIELD(config.limits.max_per_day),
                       "What it sends to all of them and takes from them together, in any 24 "
                       "hours: a twenty-fourth at once, the rest as evenly as time goes by."));
  keys.push_back(bytes({"limits", "neighbor_max_per_day"},
                       FIELD(config.limits.neighbor_max_per_day), "The same of each of them."));
}

Keys make_keys() {
  Keys keys;
  for (auto* add : {add_run, add_topology, add_node, add_data, add_model, add_train, add_gossip,
                    add_robust, add_compress, add_rate, add_checkpoint, add_limits, add_metrics}) {
    add(keys);
  }
  return keys;
}

}  // namespace

const std::vector<Key>& all_keys() {
  static const Keys keys = make_keys();
  return keys;
}

std::vector<std::string> section_names() {
  std::vector<std::string> names;
  for (const Key& key : all_keys()) {
    if (names.empty() || names.back() != key.section) names.push_back(key.section);
  }
  return names;
}

std::vector<std::string> key_names(const std::string& section) {
  std::vector<std::string> names;
  for (const Key& key : all_keys()) {
    if (key.section == section) names.push_back(key.name);
  }
  return names;
}

std::string bracketed(const std::string& section) {
  return section == "node" ? "[[node]]" : fmt::format("[{}]", section);
}

std::string Draft::where(const std::string& section, const std::string& key) const {
  for (std::string path = section + "." + key;; path.resize(path.rfind('.'))) {
    if (const auto at = places.find(path); at != places.end()) return at->second;
    if (path == section) return config.file.string();
  }
}

}  // namespace starling::node
