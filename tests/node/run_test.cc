// From a run file to a node, and what two nodes of a run must agree on.
#include "node/run.h"

#include <doctest/doctest.h>
#include <fmt/format.h>

#include "gossip/algorithms.h"
#include "node/digest.h"

using namespace starling;
using namespace starling::node;

namespace {

constexpr const char* kRunFile = R"(
[run]
name = "small"
[topology]
nodes = 5
[data]
kind = "quadratic"
dimension = 12
[model]
kind = "quadratic"
)";

Result<Run> run_with(const std::vector<std::string>& overrides) {
  auto config = parse_config(kRunFile, "run.toml", "base", overrides);
  if (!config) return config.error();
  return load_run(std::move(*config));
}

// The names of the fields that the overrides change.
std::vector<std::string> changed_by(const std::vector<std::string>& overrides) {
  const auto ours = run_with({}), theirs = run_with(overrides);
  REQUIRE(ours.ok());
  if (!theirs) FAIL(theirs.error().message);
  const Fingerprint a = fingerprint_of(*ours), b = fingerprint_of(*theirs);
  REQUIRE(a.size() == b.size());
  std::vector<std::string> names;
  for (std::size_t i = 0; i < a.size(); ++i) {
    REQUIRE(a[i].name == b[i].name);
    if (a[i].value != b[i].value) names.push_back(a[i].name);
  }
  return names;
}

using Names = std::vector<std::string>;

}  // namespace

TEST_CASE("run: a change alters exactly the field of the fingerprint that names it") {
  CHECK(changed_by({}) == Names{});
  CHECK(changed_by({"run.name=other"}) == Names{"run"});
  CHECK(changed_by({"run.seed=2"}) == Names{"seed"});
  CHECK(changed_by({"topology.nodes=6"}) == Names{"topology"});
  CHECK(changed_by({"topology.kind=complete"}) == Names{"topology"});
  CHECK(changed_by({"data.dimension=20"}) == Names{"model"});
  for (const char* change :
       {"gossip.iterations=3", "gossip.overlap=false", "gossip.relaxation=1.25"}) {
    CAPTURE(change);
    CHECK(changed_by({change}) == Names{"algorithm"});
  }
  // powergossip's operator has its rank; another algorithm is made of another operator.
  for (const char* change : {"gossip.algorithm=d-psgd", "gossip.rank=2"}) {
    CAPTURE(change);
    CHECK(changed_by({change}) == Names{"algorithm", "compressor"});
  }
  CHECK(changed_by({"compress.operator=low-rank"}) == Names{});
}

TEST_CASE("run: the mode is part of the fingerprint, and the start line says it") {
  const std::vector<std::string> one = {"gossip.iterations=1", "gossip.mode=async"};
  CHECK(changed_by({"gossip.iterations=1", "gossip.mode=sync"}) == Names{});
  CHECK(changed_by({"gossip.staleness=9"}) == Names{});
  CHECK(changed_by(one) == Names{"algorithm"});
  CHECK(algorithm_summary(*run_with(one)) ==
        "powergossip rank=1 iterations=1 mode=async staleness=4 relaxation=1");
  CHECK(algorithm_summary(*run_with({"gossip.algorithm=ad-psgd"})) ==
        "ad-psgd mode=async staleness=4");
}

TEST_CASE("run: a mode that the algorithm does not know is refused with the reason") {
  const auto refusal = [](const std::vector<std::string>& words) {
    const auto run = run_with(words);
    REQUIRE_FALSE(run.ok());
    CHECK(run.error().code == ErrorCode::config);
    return run.error().message;
  };
  const std::string async = "gossip.mode=async";
  CHECK(refusal({async, "gossip.algorithm=cold", "compress.operator=sign"}) ==
        "run.toml: [gossip] mode: found \"async\", but cold needs rounds in step; take d-psgd, "
        "powergossip, choco, def-atc, actc, deepsqueeze or ad-psgd, or mode = \"sync\"");
  CHECK(refusal({async, "gossip.algorithm=nids"}).find("nids needs rounds in step") !=
        std::string::npos);
  CHECK(refusal({async, "gossip.iterations=2"}) ==
        "run.toml: [gossip] mode: found \"async\", but the 2 iterations of a round need rounds in "
        "step; set iterations = 1, or mode = \"sync\"");
  CHECK(refusal({"gossip.mode=sync", "gossip.algorithm=ad-psgd"}) ==
        "run.toml: [gossip] mode: found \"sync\", but ad-psgd has no rounds that nodes go through "
        "together; its mode is \"async\"");
  CHECK(run_with({async, "gossip.algorithm=none"}).ok());
}

TEST_CASE("run: clipping where it is not defined is refused with the reason, elsewhere agreed on") {
  const auto refusal = [](std::vector<std::string> words) {
    words.push_back("robust.clip=true");
    const auto run = run_with(words);
    return run.ok() ? std::string() : run.error().message;
  };
  CHECK(refusal({"gossip.algorithm=cold", "compress.operator=sign"}) ==
        "--set robust.clip=true: [robust] clip: found true, but the duals of cold add up the "
        "differences of all rounds, so that what passes in one grows without bound over many; take "
        "d-psgd, ad-psgd, choco, def-atc or actc, or clip = false");
  const Names kDefined{"none", "d-psgd", "ad-psgd", "choco", "def-atc", "actc"};
  for (const auto& traits : gossip::all_algorithms()) {
    const std::string name = traits.name;
    CAPTURE(name);
    const bool defined = std::ranges::count(kDefined, name) > 0;
    std::vector<std::string> words = {"gossip.algorithm=" + name, "topology.kind=complete"};
    if (traits.coding == gossip::Coding::sketch) {
      words.insert(words.end(), {"compress.operator=count-sketch", "compress.keep=16"});
    } else if (traits.takes_operator()) {
      words.insert(words.end(), {"compress.operator=quantize", "compress.bits=8"});
    }
    const std::string said = refusal(words);
    CHECK((said.find("[robust] clip: found true, but") == std::string::npos) == defined);
  }
  const auto with = run_with({"gossip.algorithm=d-psgd", "robust.clip=true"});
  const auto without = run_with({"gossip.algorithm=d-psgd"});
  REQUIRE((with.ok() && without.ok()));
  const auto difference = first_difference(fingerprint_of(*with), fingerprint_of(*without));
  REQUIRE(difference.has_value());
  CHECK(difference->field == "algorithm");
}

// A machine may have its own of these without harm to the exchange.
TEST_CASE("run: rounds, evaluations and learning rates are no part of the fingerprint") {
  CHECK(changed_by({"run.rounds=7", "run.evaluate_every=3", "train.learning_rate=0.25",
                    "train.momentum=0.5", "data.path=elsewhere"}) == Names{});
}

TEST_CASE("run: edges are part of the fingerprint, not only their number") {
  const auto with_edges = [](const char* edges) {
    const std::string nodes =
        "[[node]]\nname=\"a\"\naddress=\"h:1\"\n[[node]]\nname=\"b\"\naddress=\"h:2\"\n"
        "[[node]]\nname=\"c\"\naddress=\"h:3\"\n";
    auto config =
        parse_config("[topology]\nkind=\"edges\"\nedges=" + std::string(edges) +
                         "\n[data]\nkind=\"quadratic\"\n[model]\nkind=\"quadratic\"\n" + nodes,
                     "run.toml", "base", {});
    if (!config) FAIL(config.error().message);
    return fingerprint_of(*load_run(std::move(*config)));
  };
  const Fingerprint one = with_edges(R"([["a","b"],["b","c"]])");
  const auto difference = first_difference(one, with_edges(R"([["a","b"],["a","c"]])"));
  REQUIRE(difference);
  CHECK(difference->field == "topology");
  CHECK(difference->ours.find("3 nodes, 2 edges, sha256 ") == 0);
  CHECK_FALSE(first_difference(one, with_edges(R"([["b","c"],["a","b"]])")).has_value());
}

TEST_CASE("run: directions are part of the fingerprint") {
  const auto described = [](const char* kind) {
    const auto run = run_with(
        {std::string("topology.kind=") + kind, "topology.nodes=4", "gossip.algorithm=sgp"});
    if (!run) FAIL(run.error().message);
    return fingerprint_of(*run)[2].value;
  };
  // The same links.
  CHECK(described("one-peer-exponential").starts_with("4 nodes, 6 edges, sha256 "));
  CHECK(described("complete").starts_with("4 nodes, 6 edges, sha256 "));
  CHECK(described("complete") != described("one-peer-exponential"));
}

// Issue 4: symmetric weights are what all but push-sum are made of, proven or not.
TEST_CASE("run: a directed graph is refused to an algorithm that needs symmetric weights") {
  for (const gossip::AlgorithmTraits& traits : gossip::all_algorithms()) {
    CAPTURE(traits.name);
    for (const char* unproven : {"gossip.allow_unproven=false", "gossip.allow_unproven=true"}) {
      const auto run = run_with({"topology.kind=one-peer-exponential", unproven,
                                 std::string("gossip.algorithm=") + traits.name});
      if (traits.kind == gossip::AlgorithmKind::sgp || traits.kind == gossip::AlgorithmKind::none) {
        CHECK(run.ok());
        continue;
      }
      REQUIRE_FALSE(run.ok());
      CHECK(run.error().code == ErrorCode::config);
      CHECK(
          run.error().message ==
          fmt::format("run.toml: [gossip] algorithm: found \"{}\", which needs weights that are "
                      "the same in both directions, but [topology] kind = \"one-peer-exponential\" "
                      "is directed; take \"sgp\", or a graph without directions",
                      traits.name));
    }
  }
}

// Specification §7: D² needs λn > -1/3; the even rings of weight 1/3 stand on the edge, tori below.
TEST_CASE("run: d2 is refused on a graph whose smallest eigenvalue is too low") {
  const auto refusal = [](const char* kind, const char* nodes, bool unproven) {
    const auto run =
        run_with({"gossip.algorithm=d2", std::string("topology.kind=") + kind,
                  std::string("topology.nodes=") + nodes,
                  std::string("gossip.allow_unproven=") + (unproven ? "true" : "false")});
    if (!run) CHECK(run.error().code == ErrorCode::config);
    return run ? std::string() : run.error().message;
  };
  CHECK(refusal("ring", "5", false) == "");
  CHECK(refusal("complete", "4", false) == "");
  CHECK(refusal("ring", "8", false) ==
        "run.toml: [gossip] algorithm: d2 needs mixing weights whose smallest eigenvalue is above "
        "-1/3, and this graph has -0.3333; take nids, which runs on every graph, or set [gossip] "
        "allow_unproven = true");
  CHECK(refusal("torus", "16", false).find("this graph has -0.6000") != std::string::npos);
  CHECK(refusal("ring", "8", true) == "");
}

TEST_CASE("run: push-sum runs on every graph") {
  for (const char* kind : {"ring", "star", "complete", "exponential", "one-peer-exponential"}) {
    CAPTURE(kind);
    const auto run = run_with({std::string("topology.kind=") + kind, "gossip.algorithm=sgp"});
    REQUIRE(run.ok());
    CHECK(make_core(*run, node_id(1)) != nullptr);
  }
}

TEST_CASE("run: the exact step is refused where the local problem has no closed form") {
  const std::string exact = "gossip.exact_step=true", lessbit = "gossip.algorithm=lessbit";
  CHECK(run_with({exact, lessbit}).ok());
  CHECK(algorithm_summary(*run_with({exact, lessbit})) ==
        "lessbit exact_step=true gamma=0.6 alpha=1");
  CHECK(run_with({exact, "gossip.algorithm=cold", "data.noise=1"}).ok());  // which has no such step
  const auto run = run_with({exact, lessbit, "data.noise=0.5"});
  REQUIRE_FALSE(run.ok());
  CHECK(run.error().code == ErrorCode::config);
  CHECK(
      run.error().message ==
      "run.toml: [gossip] exact_step: found true, but \"quadratic of 12 dimensions, condition 10, "
      "heterogeneity 1, noise 0.5\" has no minimum in closed form; take quadratic data without "
      "noise, or exact_step = false, which is one gradient step");
}

TEST_CASE("run: a fingerprint is readable") {
  const Fingerprint fingerprint = fingerprint_of(*run_with({"gossip.rank=2"}));
  CHECK(fingerprint[0] == FingerprintField{"run", "small"});
  CHECK(fingerprint[1] == FingerprintField{"seed", "1"});
  CHECK(fingerprint[3] == FingerprintField{"model", "x:3x4"});
  CHECK(fingerprint[4] == FingerprintField{"algorithm",
                                           "powergossip rank=2 iterations=1 overlap=true "
                                           "relaxation=1"});
  CHECK(fingerprint[5] == FingerprintField{"compressor", "low-rank rank=2 factors=float32"});
}

TEST_CASE("run: all nodes of a run start from the same model") {
  const auto run = run_with({});
  REQUIRE(run.ok());
  const auto first = make_core(*run, node_id(0)), last = make_core(*run, node_id(4));
  CHECK(first->model().size() == 12);
  CHECK(sha256_of(first->model()) == sha256_of(last->model()));
  CHECK(first->progress(Time{0}).waiting_for.size() == 2);
}

TEST_CASE("run: data that is not there is told before anything starts") {
  const auto run = run_with({"data.kind=optdigits", "model.kind=softmax", "data.path=/nowhere"});
  REQUIRE_FALSE(run.ok());
  CHECK(run.error().code == ErrorCode::data);
}
