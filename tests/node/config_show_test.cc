// What a run file says, said again.
#include "node/config_show.h"

#include <doctest/doctest.h>

#include <filesystem>

#include "node/run.h"

namespace starling::node {
namespace {

namespace fs = std::filesystem;

Config read_back(const std::string& text) {
  const auto config = parse_config(text, "shown.toml", "/nowhere", {});
  if (!config) FAIL(config.error().message << "\n" << text);
  return *config;
}

// Everything that `config diff` compares.
std::vector<std::string> lines_of(const Config& config) {
  std::vector<std::string> lines;
  for (const ShownKey& key : shown_keys(config)) {
    lines.push_back(key.section + " " + key.key + " = " + key.value);
  }
  return lines;
}

TEST_CASE("config show: what is shown of every example means the same when it is read") {
  for (const auto& entry : fs::directory_iterator(fs::path(STARLING_SOURCE_DIR) / "configs")) {
    if (entry.path().extension() != ".toml") continue;
    CAPTURE(entry.path().string());
    const auto config = load_config(entry.path(), {});
    REQUIRE(config.ok());
    CHECK(lines_of(read_back(config_text(*config, false))) == lines_of(*config));
  }
}

TEST_CASE("config show: operators inside an operator, edges, keys and nodes that have left") {
  const std::string text =
      "[run]\nname = \"shown\"\ncompare = [\"d-psgd\", \"choco\"]\n"
      "[topology]\nkind = \"edges\"\nedges = [[0, \"bob\"]]\n"
      "[[node]]\nname = \"ann\"\naddress = \"h:1\"\n"
      "[[node]]\nname = \"bob\"\naddress = \"h:2\"\n"
      "[[node]]\nname = \"cy\"\naddress = \"h:3\"\nleft = true\n"
      "[data]\npath = \"d\"\n[model]\nhidden = [8, 4]\n"
      "[gossip]\nalgorithm = \"choco\"\n"
      "[compress]\noperator = \"top-k\"\nratio = 0.1\nvalues = {operator = \"quantize\", bits = "
      "4}\n";
  const auto config = parse_config(text, "run.toml", "/base", {});
  if (!config) FAIL(config.error().message);
  const std::string shown = config_text(*config, false);
  for (const char* part :
       {"compare = [\"d-psgd\", \"choco\"]", "hidden = [8, 4]", "edges = [[\"ann\", \"bob\"]]",
        "path = \"/base/d\"", "left = true", "bits = 4"}) {
    CAPTURE(part);
    CAPTURE(shown);
    CHECK(shown.find(part) != std::string::npos);
  }
  CHECK(shown.find("batch") == std::string::npos);  // not given
  CHECK(lines_of(read_back(shown)) == lines_of(*config));
}

TEST_CASE("config show: all keys are there when the effective ones are asked for") {
  const auto config =
      parse_config("[topology]\nnodes = 4\n[data]\npath = \"d\"\n[model]\nhidden = [8]\n",
                   "run.toml", "/base", {"train.batch=16"});
  REQUIRE(config.ok());
  const std::string shown = config_text(*config, true);
  CAPTURE(shown);
  for (const char* part : {"\nbatch = 16\n", "\nlearning_rate = ", "\n# gamma is not set\n",
                           "address = \"127.0.0.1:7703\"", "\n# listen is not set\n"}) {
    CAPTURE(part);
    CHECK(shown.find(part) != std::string::npos);
  }
}

TEST_CASE("config: nodes of one host have their metrics on one port after the other") {
  const std::string text =
      "[topology]\nkind = \"complete\"\n"
      "[[node]]\nname = \"a\"\naddress = \"h:1\"\n"
      "[[node]]\nname = \"b\"\naddress = \"g:1\"\n"
      "[[node]]\nname = \"c\"\naddress = \"h:2\"\n"
      "[data]\npath = \"d\"\n[model]\nhidden = [8]\n";
  const auto quiet = parse_config(text, "run.toml", "/base", {});
  REQUIRE(quiet.ok());
  CHECK(metrics_address(*quiet, node_id(0)).empty());
  const auto config =
      parse_config(text + "[metrics]\nlisten = \"127.0.0.1:9464\"\n", "run.toml", "/base", {});
  REQUIRE(config.ok());
  CHECK(metrics_address(*config, node_id(0)) == "127.0.0.1:9464");
  CHECK(metrics_address(*config, node_id(1)) == "127.0.0.1:9464");
  CHECK(metrics_address(*config, node_id(2)) == "127.0.0.1:9465");
}

}  // namespace
}  // namespace starling::node
