// What of a run file may change while the run goes on.
#include "node/reload.h"

#include <doctest/doctest.h>
#include <fmt/format.h>

#include "train/problem.h"

using namespace starling;
using namespace starling::node;

namespace {

std::string run_file(const std::string& more, const std::vector<std::string>& nodes) {
  std::string text = "[data]\nkind = \"quadratic\"\n[model]\nkind = \"quadratic\"\n" + more;
  for (const std::string& node : nodes) {
    const bool left = node.starts_with('-');
    const std::string name = left ? node.substr(1) : node;
    text += fmt::format("[[node]]\nname = \"{0}\"\naddress = \"{0}:1\"\nleft = {1}\n", name, left);
  }
  return text;
}

Config parsed(const std::string& text) {
  auto config = parse_config(text, "run.toml", "base", {});
  if (!config) FAIL(config.error().message);
  return std::move(*config);
}

const std::vector<std::string> kNodes = {"ann", "bob", "cleo", "dan"};

// ann reads the second file while the first one runs.
Result<Reload> reloaded(const std::string& before, const std::string& after, NodeId self = {}) {
  auto run = load_run(parsed(before));
  if (!run) FAIL(run.error().message);
  return plan_reload(*run, self, parsed(after));
}

Result<Reload> with_nodes(const std::vector<std::string>& nodes, NodeId self = {}) {
  return reloaded(run_file("", kNodes), run_file("", nodes), self);
}

using Told = std::vector<std::string>;

const std::string kMesh = "[topology]\nkind = \"complete\"\n[gossip]\nalgorithm = \"econtrol\"\n";

Run mesh() {
  auto run = load_run(parsed(run_file(kMesh, kNodes)));
  if (!run) FAIL(run.error().message);
  return std::move(*run);
}

// ann hears it.
std::optional<Reload> heard(const Run& run, const char* told, NodeId self = {}) {
  auto plan = plan_regrouping(run, self, Membership::parse(told, 4).value());
  if (!plan) FAIL(plan.error().message);
  return std::move(*plan);
}

}  // namespace

TEST_CASE("reload: nodes are appended, leave, and keep their numbers") {
  auto plan = with_nodes({"ann", "bob", "cleo", "dan", "eve"});
  REQUIRE(plan.ok());
  CHECK(plan->graph_changed);
  CHECK(plan->changes == Told{"eve joins", "the edge to eve is new", "the edge to dan is gone"});
  CHECK(plan->run.topology.neighbors(node_id(0)) == std::vector{node_id(1), node_id(4)});
  CHECK(plan->run.problem->quadratic->nodes() == 5);

  plan = with_nodes({"ann", "-bob", "cleo", "dan"});
  REQUIRE(plan.ok());
  CHECK(plan->changes == Told{"bob leaves", "the edge to cleo is new", "the edge to bob is gone"});
  CHECK(plan->run.topology.present().size() == 3);
  CHECK(plan->run.topology.neighbors(node_id(1)).empty());
  CHECK(plan->run.topology.weight(node_id(0), node_id(2)) == doctest::Approx(1.0 / 3));
}

TEST_CASE("reload: where a node of a mesh leaves it is said what goes with it") {
  const auto plan =
      reloaded(run_file(kMesh, kNodes), run_file(kMesh, {"ann", "bob", "-cleo", "dan"}));
  if (!plan.ok()) FAIL(plan.error().message);
  CHECK(plan->changes == Told{"cleo leaves", "the edge to cleo is gone",
                              "shards move, 3 in place of 4; lost is what owners had not told yet "
                              "of their old ones, once"});
}

TEST_CASE("reload: the same file changes nothing, and an address alone no graph") {
  auto plan = with_nodes(kNodes);
  REQUIRE(plan.ok());
  CHECK_FALSE(plan->graph_changed);
  CHECK(plan->changes.empty());
  std::string moved = run_file("", kNodes);
  moved.replace(moved.find("bob:1"), 5, "bob:2");
  moved.replace(moved.find("ann:1"), 5, "ann:2");
  plan = reloaded(run_file("", kNodes), moved);
  REQUIRE(plan.ok());
  CHECK_FALSE(plan->graph_changed);
  CHECK(plan->changes == Told{"bob is at bob:2"});
  CHECK(plan->at_next_start == Told{"[[node]] address: ann listens on ann:2, ann:1 until then"});
}

TEST_CASE("reload: a list that moves nodes to other numbers is refused with advice") {
  const auto gone = with_nodes({"ann", "cleo", "dan"});
  REQUIRE_FALSE(gone.ok());
  CHECK(gone.error().code == ErrorCode::config);
  CHECK(gone.error().message ==
        "run.toml:10:8: [[node]] name: found \"cleo\" as number 1, and the run goes on with "
        "\"bob\" there; nodes keep their places: append those that are new, and give one that goes "
        "left = true");
  const auto shorter = with_nodes({"ann", "bob", "cleo"});
  REQUIRE_FALSE(shorter.ok());
  CHECK(shorter.error().message.starts_with(
      "run.toml: [[node]] name: found no node as number 3, and the run goes on with \"dan\""));
}

TEST_CASE("reload: a node that finds itself gone is to be stopped") {
  const auto plan = with_nodes({"ann", "-bob", "cleo", "dan"}, node_id(1));
  REQUIRE_FALSE(plan.ok());
  CHECK(plan.error().message ==
        "run.toml:10:8: [[node]] left: found true for \"bob\", which is this node; end it with "
        "`starling stop --node bob`, and reload the others");
}

TEST_CASE("reload: what all nodes must agree on is refused with place and both values") {
  struct Change {
    const char *before, *after, *message;
  };
  const char* advice =
      "; a reload changes [topology], [[node]] and [limits] alone; for the rest restart all nodes "
      "of the run";
  for (const Change& change : {
           Change{"", "[run]\nseed = 2\n",
                  "run.toml:6:8: [run] seed: found 2, and the run goes on with 1"},
           Change{"[gossip]\nrank = 2\n", "",
                  "run.toml: [gossip] rank: found 1, and the run goes on with 2"},
           Change{
               "[gossip]\nalgorithm = \"choco\"\n[compress]\noperator = \"top-k\"\n",
               "[gossip]\nalgorithm = \"choco\"\ngamma = 0.5\n[compress]\noperator = \"top-k\"\n",
               "run.toml:7:9: [gossip] gamma: found 0.5, and the run goes on with nothing"},
       }) {
    const auto plan = reloaded(run_file(change.before, kNodes), run_file(change.after, kNodes));
    REQUIRE_FALSE(plan.ok());
    CHECK(plan.error().message == std::string(change.message) + advice);
  }
}

TEST_CASE("reload: what is a node's own waits for its next start, and the graph does not") {
  const auto plan = reloaded(run_file("[run]\nrounds = 100\n", kNodes),
                             run_file("[run]\nrounds = 200\n[train]\nbatch = 7\n[topology]\nkind = "
                                      "\"complete\"\n",
                                      kNodes));
  if (!plan) FAIL(plan.error().message);
  CHECK(plan->at_next_start ==
        Told{"[run] rounds: 200, 100 until then", "[train] batch: 7, 32 until then"});
  CHECK(plan->run.config.run.rounds == 100);
  CHECK(plan->run.config.train.batch == 32);
  CHECK(plan->changes == Told{"the edge to cleo is new"});
}

TEST_CASE("reload: limits are others at once, and a second reload has nothing to do") {
  const auto before = run_file("[limits]\nmax_send = \"8mbit\"\n", kNodes),
             after =
                 run_file("[limits]\nmax_send = \"16mbit\"\nmax_per_day = \"10 GiB\"\n", kNodes);
  const auto plan = reloaded(before, after);
  if (!plan) FAIL(plan.error().message);
  CHECK_FALSE(plan->graph_changed);
  CHECK(plan->changes == Told{"[limits] max_send: \"16mbit\" in place of \"8mbit\"",
                              "[limits] max_per_day: \"10 GiB\" in place of \"0\""});
  CHECK(plan->run.config.limits.max_send == 2e6);
  CHECK(plan->run.config.limits.max_per_day == std::uint64_t{10} << 30);
  const auto again = plan_reload(plan->run, node_id(0), parsed(after));
  if (!again) FAIL(again.error().message);
  CHECK(again->changes.empty());
}

TEST_CASE("reload: limits and neighbors that leave a link too little are refused") {
  const auto with = [](const std::string& more) {
    return run_file("[limits]\nmax_send = \"128kbit\"\n" + more, kNodes);
  };
  const auto plan = reloaded(with(""), with("[topology]\nkind = \"complete\"\n"));
  REQUIRE_FALSE(plan.ok());
  CHECK(plan.error().message.find("found 128kbit, but ann has 3 neighbors") != std::string::npos);
}

TEST_CASE("reload: a graph that the algorithm does not take is refused") {
  const auto directed = reloaded(run_file("", kNodes),
                                 run_file("[topology]\nkind = \"one-peer-exponential\"\n", kNodes));
  REQUIRE_FALSE(directed.ok());
  CHECK(directed.error().message.find("is directed") != std::string::npos);
}

TEST_CASE("reload: optimal relaxation follows the graph") {
  const std::string optimal = "[gossip]\nrelaxation = \"optimal\"\n";
  const auto plan = reloaded(run_file(optimal, kNodes),
                             run_file(optimal, {"ann", "bob", "cleo", "dan", "eve", "fay"}));
  REQUIRE(plan.ok());
  CHECK(plan->run.config.gossip.relaxation ==
        doctest::Approx(plan->run.topology.spectrum().optimal_relaxation()));
  CHECK(plan->run.config.gossip.relaxation > 1.05);
}

TEST_CASE(
    "regrouping: a node that is away is left out of the graph, and is in it when it is back") {
  const Run run = mesh();
  CHECK_FALSE(heard(run, "none"));
  const auto away = heard(run, "2:1");
  REQUIRE(away);
  CHECK(away->graph_changed);
  CHECK_FALSE(away->begins_anew);
  CHECK(away->changes == Told{"cleo is away",
                              "shards move, 3 in place of 4; lost is what owners had not told yet "
                              "of their old ones, once"});
  CHECK(away->run.topology.neighbors(node_id(0)) == std::vector{node_id(1), node_id(3)});
  CHECK(away->run.problem == run.problem);
  CHECK_FALSE(heard(away->run, "2:1"));
  CHECK_FALSE(heard(away->run, "none"));
  const auto back = heard(away->run, "2:2");
  REQUIRE(back);
  CHECK(back->changes.front() == "cleo is back");
  CHECK(back->run.topology == run.topology);
  // One that has missed both: the graph is the same, and the shards are not.
  const auto both = heard(run, "2:2");
  REQUIRE(both);
  CHECK(both->graph_changed);
  CHECK(both->changes == Told{"cleo is back"});
}

TEST_CASE("regrouping: who hears that it is away, or was and has forgotten it, begins anew") {
  const Run run = mesh();
  const auto away = heard(run, "2:1", node_id(2));
  REQUIRE(away);
  CHECK(away->begins_anew);
  CHECK(away->run.membership.text() == "2:2");
  CHECK(away->changes == Told{"this node was away and begins with the model of a neighbor"});
  const auto forgotten = heard(run, "2:2", node_id(2));
  REQUIRE(forgotten);
  CHECK(forgotten->begins_anew);
  CHECK(forgotten->run.membership.text() == "2:2");
}

TEST_CASE("regrouping: what would leave a node alone is refused") {
  const auto plan =
      plan_regrouping(mesh(), node_id(0), Membership::parse("1:1,2:1,3:1", 4).value());
  REQUIRE_FALSE(plan.ok());
  CHECK(plan.error().code == ErrorCode::config);
}

TEST_CASE("regrouping: a handshake tells who is away, and a checkpoint is not held against it") {
  const Run run = mesh(), without = heard(run, "2:1")->run;
  const auto differs = first_difference(fingerprint_of(run), fingerprint_of(without));
  REQUIRE(differs);
  CHECK(differs->field == kAwayField);
  CHECK(differs->ours == "none");
  CHECK(differs->theirs == "2:1");
  CHECK_FALSE(
      first_difference(fingerprint_of(run, node_id(0)), fingerprint_of(without, node_id(0))));
  const Fingerprint ring = fingerprint_of(load_run(parsed(run_file("", kNodes))).value());
  CHECK(std::ranges::find(ring, kAwayField, &FingerprintField::name) == ring.end());
}

TEST_CASE("regrouping: a reload keeps who is away, and one that is away may leave") {
  const Run without = heard(mesh(), "2:1")->run;
  auto plan = plan_reload(without, node_id(0), parsed(run_file(kMesh, kNodes)));
  REQUIRE(plan.ok());
  CHECK_FALSE(plan->graph_changed);
  CHECK(plan->run.membership.text() == "2:1");
  CHECK(plan->run.topology == without.topology);
  plan = plan_reload(without, node_id(0), parsed(run_file(kMesh, {"ann", "bob", "-cleo", "dan"})));
  REQUIRE(plan.ok());
  CHECK(plan->graph_changed);  // the others have to read the file again, too
  CHECK(plan->run.topology.present() == without.topology.present());
}
