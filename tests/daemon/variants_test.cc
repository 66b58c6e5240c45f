#include "daemon/variants.h"

#include <doctest/doctest.h>

#include <fstream>

#include "tests/daemon/scratch.h"

using namespace starling;
using namespace starling::daemon;

namespace {

struct RunFile {
  RunFile() {
    options.file = scratch.path / "run.toml";
    std::ofstream(options.file) << R"(
[topology]
nodes = 4
[data]
kind = "quadratic"
[model]
kind = "quadratic"
[gossip]
algorithm = "d-psgd"
)";
  }
  Result<std::vector<Variant>> variants(const std::string& compare, const std::string& sweep) {
    return variants_of(options, {compare, sweep});
  }
  std::string refusal(const std::string& compare, const std::string& sweep) {
    const auto made = variants(compare, sweep);
    REQUIRE_FALSE(made.ok());
    CHECK(made.error().code == ErrorCode::config);
    return made.error().message;
  }

  Scratch scratch;
  RunFileOptions options;
};

std::vector<std::string> labels(const std::vector<Variant>& variants) {
  std::vector<std::string> out;
  for (const Variant& variant : variants) out.push_back(variant.label);
  return out;
}

using Labels = std::vector<std::string>;

}  // namespace

TEST_CASE("variants: without flags the run file's own algorithm, or those that it compares") {
  RunFile file;
  const auto one = file.variants("", "").value();
  CHECK(labels(one) == Labels{"d-psgd"});
  CHECK(one[0].own);
  file.options.overrides = {"run.compare=[\"none\",\"d-psgd\"]"};
  const auto two = file.variants("", "").value();
  CHECK(labels(two) == Labels{"none", "d-psgd"});
  CHECK_FALSE(two[0].own);
  CHECK(two[0].config.gossip.algorithm == gossip::AlgorithmKind::none);
  CHECK(labels(file.variants("powergossip", "").value()) == Labels{"powergossip"});
}

TEST_CASE("variants: every algorithm with every value, in the order of the values") {
  RunFile file;
  const auto all = file.variants("d-psgd,choco", "gossip.gamma=0.1,0.3").value();
  CHECK(labels(all) == Labels{"d-psgd gossip.gamma=0.1", "choco gossip.gamma=0.1",
                              "d-psgd gossip.gamma=0.3", "choco gossip.gamma=0.3"});
  CHECK(all[3].config.gossip.gamma == 0.3);
  CHECK(all[3].problem == 0);
  const auto values = file.variants("", "topology.nodes=4,8").value();
  CHECK(labels(values) == Labels{"topology.nodes=4", "topology.nodes=8"});
  CHECK(values[0].problem != values[1].problem);
  CHECK(values[1].config.nodes.size() == 8);
}

TEST_CASE("variants: a value may hold commas where TOML has them") {
  RunFile file;
  const auto all = file.variants("", "run.compare=[\"none\",\"d-psgd\"],[\"choco\"]").value();
  CHECK(labels(all) == Labels{"none run.compare=[\"none\",\"d-psgd\"]",
                              "d-psgd run.compare=[\"none\",\"d-psgd\"]",
                              "choco run.compare=[\"choco\"]"});
}

TEST_CASE("variants: a sentence names the flag that was typed") {
  RunFile file;
  CHECK(file.refusal("d-psdg", "")
            .starts_with("--compare d-psdg: [run] compare: found \"d-psdg\", expected"));
  CHECK(file.refusal("d-psgd,", "") ==
        "--compare d-psgd,: found '', expected names of algorithms with commas between, such as "
        "d-psgd,powergossip");
  CHECK(
      file.refusal("", "train.learning_rate=0.1,fast")
          .starts_with(
              "--sweep train.learning_rate=fast: [train] learning_rate: found \"fast\", expected"));
  CHECK(file.refusal("", "train.learning_rat=0.1") ==
        "--sweep train.learning_rat=0.1: [train] learning_rat: unknown key; did you mean "
        "'learning_rate'?");
  CHECK(file.refusal("", "train.batch") ==
        "--sweep train.batch: expected section.key=value,value, such as gossip.gamma=0.1,0.3");
  CHECK(file.refusal("", "batch=3") ==
        "--sweep batch=3: expected section.key=value,value, such as gossip.gamma=0.1,0.3");
  CHECK(file.refusal("", "train.batch=1,,2") ==
        "--sweep train.batch=1,,2: found an empty value, expected one between any two commas");
  CHECK(file.refusal("", "train.batch=1,2,1") ==
        "--sweep train.batch=1,2,1: found 1 twice, expected different values");
  CHECK(file.refusal("d-psgd,choco", "gossip.algorithm=none,choco")
            .starts_with("--sweep gossip.algorithm=none,choco: found beside a comparison"));
}

TEST_CASE("variants: in a comparison the operator is for those that take one") {
  RunFile file;
  file.options.overrides = {"data.dimension=400", "gossip.algorithm=choco",
                            "compress.operator=sign"};
  const auto variants = file.variants("choco,powergossip,d-psgd", "").value();
  REQUIRE(variants.size() == 3);
  CHECK(variants[0].config.compress.kind == compress::OperatorKind::sign);
  for (const std::size_t i : {1, 2}) {
    CHECK(variants[i].config.compress.kind == compress::OperatorKind::automatic);
  }
}
