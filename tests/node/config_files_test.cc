// The files in configs/, and files that are none.
#include <doctest/doctest.h>

#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <set>
#include <string>
#include <vector>

#include "gossip/algorithms.h"
#include "node/config.h"
#include "node/run.h"

namespace starling::node {
namespace {

namespace fs = std::filesystem;

const fs::path kConfigs = fs::path(STARLING_SOURCE_DIR) / "configs";

// A directory of this test's own, gone with it.
class Scratch {
 public:
  Scratch() : path_(fs::temp_directory_path() / ("starling-config-" + std::to_string(getpid()))) {
    fs::create_directories(path_);
  }
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;
  ~Scratch() { fs::remove_all(path_); }

  fs::path write(const std::string& name, const std::string& text) const {
    std::ofstream(path_ / name, std::ios::binary) << text;
    return path_ / name;
  }
  const fs::path& path() const { return path_; }

 private:
  fs::path path_;
};

std::string refusal(const fs::path& file) {
  const auto config = load_config(file, {});
  REQUIRE_FALSE(config.ok());
  CHECK(config.error().code == ErrorCode::config);
  return config.error().message;
}

TEST_CASE("every file in configs/ loads") {
  std::set<std::string> names;
  for (const auto& entry : fs::directory_iterator(kConfigs)) {
    if (entry.path().extension() != ".toml") continue;
    CAPTURE(entry.path().string());
    const auto config = load_config(entry.path(), {});
    if (!config) FAIL(config.error().message);
    CHECK(config->run.name == entry.path().stem().string());
    names.insert(config->run.name);
  }
  CHECK(names == std::set<std::string>{"a9a", "algorithms", "attack", "compress", "directed",
                                       "fashion-mnist", "hospitals", "mesh", "quadratic",
                                       "quickstart", "rate", "two-nodes"});
}

TEST_CASE("every key of the run file stands in some file of configs/") {
  std::string all;
  for (const auto& entry : fs::directory_iterator(kConfigs)) {
    std::ifstream in(entry.path());
    all += std::string(std::istreambuf_iterator<char>(in), {});
  }
  for (const KeyDocumentation& key : documented_keys()) {
    CAPTURE(key.section);
    CAPTURE(key.key);
    const bool alive = all.find("\n" + key.key + " = ") != std::string::npos;
    const bool alternative = all.find("\n# " + key.key + " = ") != std::string::npos;
    const bool may_alternate = key.section == "compress" || key.section == "gossip" ||
                               key.section == "rate" || key.key == "directory" ||
                               key.key == "left" || key.key == "participation";
    CHECK((alive || (may_alternate && alternative)));
  }
}

namespace {

// What stands commented out behind a table of a file, from "# [TABLE]" to the first line that is no
// comment, each with the part of the file before that table.
std::vector<std::string> alternatives(const char* file, const std::string& table) {
  std::ifstream in(kConfigs / file);
  std::string head, line;
  while (std::getline(in, line) && line != table) head += line + "\n";
  std::vector<std::string> all;
  bool inside = false;
  while (std::getline(in, line)) {
    if (line == "# " + table) all.push_back(head);
    inside = line == "# " + table || (inside && line.starts_with("# "));
    if (inside) all.back() += line.substr(2) + "\n";
  }
  return all;
}

}  // namespace

TEST_CASE("compress.toml: every alternative loads in place of the operator above it") {
  std::set<std::string> operators;
  for (const std::string& text : alternatives("compress.toml", "[compress]")) {
    CAPTURE(text);
    const auto config = parse_config(text, "compress.toml", "", {});
    if (!config) FAIL(config.error().message);
    operators.emplace(compress::name_of(config->compress.kind));
  }
  // All but auto.
  CHECK(operators.size() + 1 == compress::operator_kinds().size());
}

TEST_CASE("algorithms.toml, mesh.toml: every alternative is a run that starts") {
  std::set<std::string> algorithms = {"none", "choco", "d2", "econtrol"};
  for (const char* file : {"algorithms.toml", "mesh.toml"}) {
    for (const std::string& text : alternatives(file, "[gossip]")) {
      CAPTURE(text);
      auto config = parse_config(text, file, kConfigs, {});
      if (!config) FAIL(config.error().message);
      algorithms.emplace(gossip::name_of(config->gossip.algorithm));
      const auto run = load_run(std::move(*config));
      if (!run) FAIL(run.error().message);
    }
  }
  CHECK(algorithms.size() == gossip::all_algorithms().size());
}

TEST_CASE("quickstart: the flock of the README") {
  const auto config = load_config(kConfigs / "quickstart.toml", {"topology.nodes=16"});
  REQUIRE(config.ok());
  CHECK(config->nodes.size() == 16);
  CHECK(config->topology.nodes == 16);
  CHECK(fs::weakly_canonical(config->data.path) ==
        fs::weakly_canonical(fs::path(STARLING_SOURCE_DIR) / "data/uci-optdigits"));
  CHECK(config->run.compare.size() == 5);
}

TEST_CASE("a path that is no run file is refused") {
  const Scratch scratch;
  const std::string missing = (scratch.path() / "none.toml").string();
  CHECK(refusal(missing) == missing + ": no such file, expected a run file");
  CHECK(refusal(scratch.path()) ==
        scratch.path().string() + ": found a directory, expected a run file");
  CHECK(refusal("/dev/null") == "/dev/null: found no regular file, expected a run file");
  CHECK(refusal("") == ": no such file, expected a run file");
}

TEST_CASE("a file over a mebibyte is refused, one of a mebibyte is read") {
  const Scratch scratch;
  const fs::path large = scratch.write("large.toml", std::string((1 << 20) + 1, '\n'));
  CHECK(refusal(large) == large.string() +
                              ": found a file over 1048576 bytes, expected a run "
                              "file; is it the data set?");
  const fs::path full = scratch.write("full.toml", std::string(1 << 20, '\n'));
  CHECK(refusal(full) == full.string() +
                             ": [data] path: missing, expected the path of the "
                             "optdigits data");
}

TEST_CASE("a message starts with the file as it was named") {
  const Scratch scratch;
  const fs::path file = scratch.write("bad.toml", "[run]\n  seed = -1\n");
  CHECK(refusal(file).starts_with(file.string() + ":2:10: [run] seed: found -1"));
}

}  // namespace
}  // namespace starling::node
