// What a run file means: values, defaults, overrides, paths, nodes and edges.
#include "node/config.h"

#include <doctest/doctest.h>

#include <set>
#include <string>
#include <utility>

#include "refusals.h"

namespace starling::node {
namespace {

Config parsed(const std::string& text, const std::vector<std::string>& overrides = {}) {
  auto config = parse_config(text, "run.toml", "base", overrides);
  if (!config) FAIL(config.error().message);
  return *config;
}

TEST_CASE("config: the defaults are the ones of the options") {
  const Config config = parsed(kAll);
  CHECK(config.file == "run.toml");
  CHECK(config.run.name == "run");
  CHECK(config.run.seed == 1);
  CHECK_FALSE(config.run.until_accuracy.has_value());
  CHECK(config.run.compare.empty());
  CHECK(config.train.batch == train::TrainOptions{}.batch);
  CHECK(config.gossip.relaxation == 1);
  CHECK(config.compress.kind == compress::OperatorKind::automatic);
}

TEST_CASE("config: every kind of value arrives in its place") {
  const Config config = parsed(R"(
[run]
name = "a-b_c.1"
seed = 9223372036854775807
rounds = 1_000
until_accuracy = 1
compare = ["powergossip", "none"]
insecure_plaintext = true
[topology]
kind = "star"
nodes = 3
base_port = 65533
[data]
kind = "libsvm"
path = "../d/./train"
test_path = "/abs/test"
split = "by-label"
alpha = 2
[model]
kind = "logistic"
hidden = [3, 2]
l2 = 1e-4
[train]
batch = 0
optimizer = "adam"
schedule = "cosine"
momentum = 0.5
nesterov = true
[gossip]
algorithm = "powergossip"
rank = 4096
overlap = false
relaxation = 1.5
[compress]
operator = "low-rank"
)");
  CHECK(config.run.name == "a-b_c.1");
  CHECK(config.run.seed == 9223372036854775807u);
  CHECK(config.run.rounds == 1000);
  CHECK(config.run.until_accuracy == 1.0);
  CHECK(config.run.compare ==
        std::vector{gossip::AlgorithmKind::powergossip, gossip::AlgorithmKind::none});
  CHECK(config.run.insecure_plaintext);
  CHECK(config.topology.kind == gossip::TopologyKind::star);
  CHECK(config.nodes == std::vector<NodeEntry>{{"n0", "127.0.0.1:65533"},
                                               {"n1", "127.0.0.1:65534"},
                                               {"n2", "127.0.0.1:65535"}});
  CHECK(config.data.kind == train::DataKind::libsvm);
  CHECK(config.data.path == "d/train");
  CHECK(config.data.test_path == "/abs/test");
  CHECK(config.data.split == train::Split::by_label);
  CHECK(config.data.alpha == 2);
  CHECK(config.model.kind == train::ModelKind::logistic);
  CHECK(config.model.hidden == std::vector<std::size_t>{3, 2});
  CHECK(config.model.l2 == 1e-4);
  CHECK(config.train.batch == 0);
  CHECK(config.train.optimizer == train::OptimizerKind::adam);
  CHECK(config.train.schedule == train::Schedule::cosine);
  CHECK(config.train.momentum == 0.5);
  CHECK(config.train.nesterov);
  CHECK(config.gossip.rank == 4096);
  CHECK_FALSE(config.gossip.overlap);
  CHECK(config.gossip.relaxation == 1.5);
  CHECK(config.compress.kind == compress::OperatorKind::low_rank);
}

TEST_CASE("config: edges by name and by index, in either order") {
  const Config config =
      parsed("[topology]\nkind = \"edges\"\nedges = [[\"cleo\", \"ann\"], [1, \"cleo\"]]\n" +
             kFriends + kRest);
  CHECK(config.nodes.size() == 3);
  CHECK(config.topology.nodes == 3);
  CHECK(config.topology.edges == std::vector<std::pair<std::size_t, std::size_t>>{{2, 0}, {1, 2}});
}

TEST_CASE("config: addresses that are taken") {
  for (const char* good : {"localhost:1", "10.0.0.1:65535", "[::1]:7700", "[fe80::1%eth0]:7700",
                           "node-3.example.org:80"}) {
    CAPTURE(good);
    const Config config =
        parsed("[[node]]\nname = \"b\"\naddress = \"h:1\"\n" + address(good) + kRest);
    CHECK(config.nodes[1].address == good);
  }
}

TEST_CASE("config: \"optimal\" relaxation fits the graph") {
  // A complete graph of four: W averages in one step, so nothing is left to relax.
  const std::string kComplete = "[topology]\nkind = \"complete\"\nnodes = 4\n" + kRest;
  CHECK(parsed(kComplete, {"gossip.relaxation=optimal"}).gossip.relaxation == doctest::Approx(1.0));
  // A ring of four, all weights 1/3: eigenvalues 1, 1/3, 1/3, -1/3, so 2 / (2 - 0).
  CHECK(parsed(kAll, {"gossip.relaxation=optimal"}).gossip.relaxation == doctest::Approx(1.0));
  // A star of three leaves, weights 1/4: eigenvalues 1, 3/4, 3/4, 0, so 2 / (2 - 3/4).
  CHECK(parsed(kAll, {"topology.kind=star", "gossip.relaxation=\"optimal\""}).gossip.relaxation ==
        doctest::Approx(1.6));
  CHECK(parsed(kAll, {"gossip.relaxation=optimal", "gossip.relaxation=0.5"}).gossip.relaxation ==
        0.5);
}

TEST_CASE("overrides: replace, add, the last wins") {
  const Config config =
      parsed("[run]\nseed = 3\n" + kAll,
             {"run.seed=4", "topology.nodes=16", "train.momentum=0.9", "run.seed=5",
              " gossip . algorithm = d-psgd ", "run.compare=[\"none\", 'd-psgd']",
              "model.hidden=[1,2]", "train.nesterov=true", "run.until_accuracy=0.5"});
  CHECK(config.run.seed == 5);
  CHECK(config.nodes.size() == 16);
  CHECK(config.train.momentum == 0.9);
  CHECK(config.train.nesterov);
  CHECK(config.gossip.algorithm == gossip::AlgorithmKind::d_psgd);
  CHECK(config.run.compare.size() == 2);
  CHECK(config.model.hidden == std::vector<std::size_t>{1, 2});
  CHECK(config.run.until_accuracy == 0.5);
}

TEST_CASE("overrides: a text may look like something else") {
  CHECK(parsed(kAll, {"run.name=2024"}).run.name == "2024");
  CHECK(parsed(kAll, {"run.name=true"}).run.name == "true");
  CHECK(parsed(kAll, {"run.name=2024-01-01"}).run.name == "2024-01-01");
  CHECK(parsed(kAll, {"run.name=\"quoted\""}).run.name == "quoted");
  CHECK(parsed(kAll, {"data.path=a b=c"}).data.path == "a b=c");
  CHECK(parsed(kAll, {"data.path=../../../../../../../../../../x"}).data.path ==
        "../../../../../../../../../../x");
}

TEST_CASE("paths: of the file from the file, of an override from the working directory") {
  CHECK(parsed(kAll).data.path == "base/d");
  CHECK(parsed(kAll, {"data.path=d"}).data.path == "d");
  CHECK(parsed(kAll, {"data.path=\"../d\""}).data.path == "../d");
  CHECK(parsed(kAll, {"data.path=/d"}).data.path == "/d");
  const auto beside = parse_config(kAll, "run.toml", "", {});
  REQUIRE(beside.ok());
  CHECK(beside->data.path == "d");
}

TEST_CASE("overrides: edges can be cleared for another kind of graph") {
  const std::string text =
      "[topology]\nkind = \"edges\"\nedges = [[0, 1], [1, 2]]\n" + kFriends + kRest;
  CHECK(parsed(text).topology.edges.size() == 2);
  CHECK(parsed(text, {"topology.kind=ring", "topology.edges=[]"}).topology.edges.empty());
}

TEST_CASE("keys of another kind are no errors: compare and --set switch kinds on one file") {
  const Config config = parsed("[gossip]\nalgorithm = \"none\"\nrank = 4\n" + kAll,
                               {"topology.degree=2", "data.noise=1", "data.split=iid"});
  CHECK(config.gossip.rank == 4);
}

TEST_CASE("find_node: the name itself, or the nearest and the list") {
  const Config config = parsed("[topology]\nkind = \"path\"\n" + kFriends + kRest);
  CHECK(find_node(config, "cleo").value() == node_id(2));
  CHECK(find_node(config, "celo").error().message ==
        "run.toml: no node is called \"celo\"; did you mean \"cleo\"? the nodes are "
        "ann, bob, cleo");
  CHECK(find_node(config, "Ann").error().code == ErrorCode::config);
  CHECK(find_node(config, "").error().message ==
        "run.toml: no node is called \"\"; the nodes are ann, bob, cleo");
}

TEST_CASE("documented_keys: each key once, with type, default and a sentence") {
  std::set<std::pair<std::string, std::string>> seen;
  for (const KeyDocumentation& key : documented_keys()) {
    CAPTURE(key.section);
    CAPTURE(key.key);
    CHECK(seen.emplace(key.section, key.key).second);
    CHECK_FALSE(key.type.empty());
    CHECK_FALSE(key.fallback.empty());
    CHECK(key.text.ends_with('.'));
    if (key.key == "rank") {
      CHECK(key.type == "a whole number from 1 to 4096");
      CHECK(key.fallback == "1");
    }
    if (key.key == "algorithm") CHECK(key.fallback == "\"powergossip\"");
    if (key.key == "test_path") CHECK(key.fallback == "none");
  }
  CHECK(seen.size() == 110);
}

TEST_CASE("config: hostile text ends in a sentence, not in a crash") {
  std::string dotted = "a";
  for (int i = 0; i < 300'000; ++i) dotted += ".a";
  std::string escaped;
  for (int i = 0; i < 100'000; ++i) escaped += "\"\\\"\".";
  std::string nested = "run = ";
  for (int i = 0; i < 250'000; ++i) nested += "{a=";
  const std::string texts[] = {
      dotted + " = 1",
      "[" + dotted + "]",
      "x = '\"'\n[" + dotted + "]",
      "x = \"\"\"\n\" ' \\\"\"\"\"\n[" + dotted + "]",
      "x = [\"\"\"\n\"\"\", {" + dotted + " = 1}]",
      "# \"\n[" + dotted + "]",
      escaped + "x = 1",
      nested,
      "x = " + std::string(500'000, '['),
      std::string("[run]\nname = \"a\0b\"", 18),
      "[run]\nname = \"\xff\xfe\"",
      "\xef\xbb\xbf[run]\r\nseed = 0x\r\n",
      std::string(1000, '\0'),
      "\"",
      "'",
      "\\",
      "\"\"\"",
      "'''\\",
      "\"\\",
  };
  for (const std::string& text : texts) {
    CAPTURE(text.substr(0, 40));
    const auto config = parse_config(text, "run.toml", "", {});
    REQUIRE_FALSE(config.ok());
    CHECK(config.error().message.size() < 700);
    const auto overridden = parse_config(kAll, "run.toml", "", {"run.seed=" + text});
    REQUIRE_FALSE(overridden.ok());
    CHECK(overridden.error().message.size() < 700);
  }
}

}  // namespace
}  // namespace starling::node
