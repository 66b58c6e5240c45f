// Checkpoints: what is saved is loaded, and what is not ours is refused with a reason. Disks that
// fail are tests/sim/checkpoint_faults_test.cc.
#include "node/checkpoint.h"

#include <doctest/doctest.h>

#include <cstring>
#include <nlohmann/json.hpp>
#include <optional>

#include "node/checkpoint_format.h"
#include "node/safetensors.h"
#include "protocol/bytes.h"
#include "tests/support/small_state.h"
#include "tests/train/files.h"

using namespace starling;
using namespace starling::node;
using starling::test::SmallState;
using starling::train::test::TempFolder;

namespace {

const Fingerprint kFingerprint = {{"run", "r"}, {"algorithm", "choco, gamma 0.5"}, {"node", "n0"}};

struct Folder {
  TempFolder temp;
  PosixStore store;

  std::string file(int slot) const {
    return temp.file("checkpoint-" + std::to_string(slot) + ".safetensors");
  }
  Checkpoints checkpoints(Fingerprint fingerprint = kFingerprint) {
    return {store, temp.path(), std::move(fingerprint)};
  }
};

Result<Checkpoints::Saved> save(Checkpoints& checkpoints, Round round) {
  SmallState state(round);
  return checkpoints.save(round, [&](Archive& a) { state.archive(a); });
}

Result<std::optional<Checkpoints::Loaded>> load(Checkpoints& checkpoints, SmallState& state) {
  return checkpoints.load([&](Archive& a) {
    state = SmallState();
    state.archive(a);
  });
}

// What is refused of a folder's newest checkpoint once `edit` has rewritten its header, the
// checksum being right again. The file has the checkpoint of round 7 alone.
std::string refusal(const std::function<void(nlohmann::json&)>& edit) {
  Folder folder;
  Checkpoints first = folder.checkpoints();
  REQUIRE(first.start_anew().ok());
  REQUIRE(save(first, 7).ok());
  std::string file = folder.temp.read("checkpoint-0.safetensors");
  std::uint64_t header_bytes = 0;
  std::memcpy(&header_bytes, file.data(), 8);
  auto json = nlohmann::json::parse(file.substr(8, header_bytes));
  edit(json);
  std::string header = json.dump();
  header.resize((header.size() + 7) / 8 * 8, ' ');
  std::string edited(8, '\0');
  const std::uint64_t size = header.size();
  std::memcpy(edited.data(), &size, 8);
  edited += header + file.substr(8 + header_bytes, file.size() - 16 - header_bytes);
  const std::uint64_t checksum = hash_of(std::as_bytes(std::span(edited)));
  edited.append(reinterpret_cast<const char*>(&checksum), 8);
  folder.temp.write("checkpoint-0.safetensors", edited);

  Checkpoints second = folder.checkpoints();
  SmallState state;
  const auto loaded = load(second, state);
  if (loaded) return "";
  const std::string prefix = "no checkpoint can be used: " + folder.file(0) + ": ";
  const std::string suffix =
      "; put back one that can, or begin anew with --fresh, which keeps these under other names";
  const std::string& text = loaded.error().message;
  REQUIRE(text.starts_with(prefix));
  REQUIRE(text.ends_with(suffix));
  return text.substr(prefix.size(), text.size() - prefix.size() - suffix.size());
}

}  // namespace

TEST_CASE("checkpoint: what is saved is loaded, bit for bit, by a new process") {
  Folder folder;
  Checkpoints first = folder.checkpoints();
  SmallState state;
  const auto nothing = load(first, state);
  REQUIRE(nothing.ok());
  CHECK_FALSE(nothing->has_value());
  const auto saved = save(first, 60);
  REQUIRE(saved.ok());
  CHECK(saved->file == folder.file(0));
  CHECK(saved->bytes == std::filesystem::file_size(folder.file(0)));
  CHECK_FALSE(std::filesystem::exists(folder.temp.file("checkpoint.new")));

  Checkpoints second = folder.checkpoints();
  const auto loaded = load(second, state);
  REQUIRE(loaded.ok());
  REQUIRE(loaded->has_value());
  CHECK((*loaded)->file == folder.file(0));
  CHECK((*loaded)->round == 60);
  CHECK((*loaded)->refused.empty());
  CHECK(state == SmallState(60));
}

TEST_CASE("checkpoint: the two newest are kept, over restarts as well") {
  Folder folder;
  for (Round round = 1; round <= 12; round += 3) {
    Checkpoints checkpoints = folder.checkpoints();
    SmallState state;
    const auto loaded = load(checkpoints, state);
    REQUIRE(loaded.ok());
    if (round > 1) CHECK((*loaded)->round == round - 1);
    for (const Round r : {round, round + 1, round + 2}) {
      const auto saved = save(checkpoints, r);
      REQUIRE(saved.ok());
      CHECK(saved->file == folder.file((r - 1) % 2));
    }
  }
  std::filesystem::remove(folder.file(1));
  Checkpoints checkpoints = folder.checkpoints();
  SmallState state;
  CHECK((*load(checkpoints, state))->round == 11);
}

TEST_CASE("checkpoint: the file is a safetensors file that says what it is") {
  Folder folder;
  Checkpoints checkpoints = folder.checkpoints();
  REQUIRE(checkpoints.start_anew().ok());
  REQUIRE(save(checkpoints, 3).ok());
  const std::string file = folder.temp.read("checkpoint-0.safetensors");
  std::uint64_t header_bytes = 0;
  std::memcpy(&header_bytes, file.data(), 8);
  const auto header = parse_safetensors_header(file.substr(8, header_bytes));
  REQUIRE(header.ok());
  CHECK(8 + header_bytes + header->data_bytes() == file.size());
  CHECK(header->notes.at("format") == "starling checkpoint");
  CHECK(header->notes.at("version") == "3");
  CHECK(header->notes.at("generation") == "1");
  CHECK(header->notes.at("round") == "3");
  CHECK(header->notes.at("fingerprint.algorithm") == "choco, gamma 0.5");
  CHECK(header->notes.at("state.small.count") == std::to_string(SmallState(3).count));
  REQUIRE(header->entries.size() == 3);
  const SafetensorsEntry& model = header->entries[0];
  CHECK(model == SafetensorsEntry{"small.model", "F32", {300}, 0, 1200});
  CHECK(std::memcmp(file.data() + 8 + header_bytes, SmallState(3).model.data(), 1200) == 0);
  CHECK(header->entries[1].name == "small.body");
  CHECK(header->entries[2].name == "checksum");
  const auto all_before = std::as_bytes(std::span(file)).first(file.size() - 8);
  std::uint64_t checksum = 0;
  std::memcpy(&checksum, file.data() + file.size() - 8, 8);
  CHECK(checksum == hash_of(all_before));
}

TEST_CASE("checkpoint: of another run or node, it is refused with the field and both values") {
  Folder folder;
  Checkpoints first = folder.checkpoints();
  REQUIRE(first.start_anew().ok());
  REQUIRE(save(first, 1).ok());
  Fingerprint other = kFingerprint;
  other[2].value = "n1";
  Checkpoints second = folder.checkpoints(other);
  SmallState state;
  auto loaded = load(second, state);
  REQUIRE_FALSE(loaded.ok());
  CHECK(loaded.error().message.find("it is of another run or node: its node is 'n0', expected "
                                    "'n1'; put back one") != std::string::npos);

  // With one of its own behind it that one is used, and the foreign one kept.
  Checkpoints third = folder.checkpoints();
  REQUIRE(load(third, state).ok());
  std::filesystem::rename(folder.file(0), folder.temp.file("own"));
  Folder elsewhere;
  Checkpoints foreign = elsewhere.checkpoints(other);
  REQUIRE(foreign.start_anew().ok());
  for (Round r = 1; r <= 4; ++r) REQUIRE(save(foreign, r).ok());
  std::filesystem::copy(elsewhere.file(1), folder.file(1));
  std::filesystem::rename(folder.temp.file("own"), folder.file(0));
  Checkpoints fourth = folder.checkpoints();
  loaded = load(fourth, state);
  REQUIRE(loaded.ok());
  CHECK((*loaded)->round == 1);
  REQUIRE((*loaded)->refused.size() == 1);
  CHECK((*loaded)->refused[0].find("its node is 'n1', expected 'n0'; kept as ") !=
        std::string::npos);
  const auto saved = save(fourth, 2);
  REQUIRE(saved.ok());
  CHECK(saved->file == folder.file(1));
  CHECK(std::filesystem::exists(folder.temp.file("checkpoint-1.old-1.safetensors")));
  Checkpoints fifth = folder.checkpoints();
  CHECK((*load(fifth, state))->round == 2);
}

TEST_CASE("checkpoint: state that does not fit this run is refused with its name") {
  CHECK(refusal([](nlohmann::json&) {}).empty());
  CHECK(refusal([](nlohmann::json& j) { j["__metadata__"].erase("state.small.count"); }) ==
        "state 'small.count' is missing");
  CHECK(refusal([](nlohmann::json& j) {
          j["__metadata__"]["state.momentum.count"] = "1";
        }).starts_with("state 'momentum.count' is there, expected none of that name"));
  CHECK(refusal([](nlohmann::json& j) {
          j["small.weights"] = j["small.model"];
          j.erase("small.model");
        }) == "state 'small.model' is missing");
  CHECK(refusal([](nlohmann::json& j) {
          j["small.model"]["shape"] = {1200};
          j["small.model"]["dtype"] = "U8";
        }) == "state 'small.model' holds bytes, expected float32");
}

TEST_CASE("checkpoint: a whole file of another kind or version is refused") {
  CHECK(refusal([](nlohmann::json& j) { j["__metadata__"]["version"] = "4"; }) ==
        "it has format version 4, expected 3; use the starlingd that wrote it");
  CHECK(refusal([](nlohmann::json& j) { j["__metadata__"].erase("format"); }) ==
        "it is a .safetensors file, but no checkpoint of starling");
  CHECK(refusal([](nlohmann::json& j) { j["__metadata__"]["round"] = "7th"; }) ==
        "its note 'round' is no number");
  CHECK(refusal([](nlohmann::json& j) { j["__metadata__"].erase("generation"); }) ==
        "its note 'generation' is no number");
  CHECK(refusal([](nlohmann::json& j) {
          j["check"] = j["checksum"];
          j.erase("checksum");
        }) == "its last 8 bytes are not the tensor 'checksum'");
}

TEST_CASE("checkpoint: a model in its place is told from a checkpoint") {
  Folder folder;
  TensorLayout layout;
  layout.add("x", {100});
  REQUIRE(write_safetensors(folder.file(0), layout, std::vector<float>(100, 1), {}).ok());
  Checkpoints checkpoints = folder.checkpoints();
  SmallState state;
  const auto loaded = load(checkpoints, state);
  REQUIRE_FALSE(loaded.ok());
  CHECK(loaded.error().message.starts_with("no checkpoint can be used: " + folder.file(0) +
                                           ": it is a .safetensors file, but no checkpoint"));
}

TEST_CASE("checkpoint: to begin anew keeps the old ones under names that nothing replaces") {
  Folder folder;
  for (int time = 1; time <= 2; ++time) {
    Checkpoints checkpoints = folder.checkpoints();
    const auto aside = checkpoints.start_anew();
    REQUIRE(aside.ok());
    CHECK(aside->size() == (time == 1 ? 0 : 2));
    REQUIRE(save(checkpoints, 10 * time).ok());
    REQUIRE(save(checkpoints, 10 * time + 1).ok());
  }
  Checkpoints checkpoints = folder.checkpoints();
  const auto aside = checkpoints.start_anew();
  REQUIRE(aside.ok());
  CHECK(*aside ==
        std::vector<std::filesystem::path>{folder.temp.file("checkpoint-0.old-2.safetensors"),
                                           folder.temp.file("checkpoint-1.old-2.safetensors")});
  Checkpoints after = folder.checkpoints();
  SmallState state;
  CHECK_FALSE(load(after, state)->has_value());
  std::filesystem::rename(folder.temp.file("checkpoint-1.old-1.safetensors"), folder.file(1));
  Checkpoints again = folder.checkpoints();
  CHECK((*load(again, state))->round == 11);
}

TEST_CASE("checkpoint: large parts go to disk from where they lie") {
  // More than the writer gathers, and not a multiple of anything.
  Folder folder;
  Checkpoints checkpoints = folder.checkpoints();
  REQUIRE(checkpoints.start_anew().ok());
  SmallState state(9, 100'003), loaded(0, 100'003);
  REQUIRE(checkpoints.save(9, [&](Archive& a) { state.archive(a); }).ok());
  Checkpoints next = folder.checkpoints();
  REQUIRE(next.load([&](Archive& a) { loaded.archive(a); }).ok());
  CHECK(loaded == state);
}
