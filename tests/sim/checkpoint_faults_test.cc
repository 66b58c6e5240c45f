// Checkpoints on a disk that fails: no damage is loaded, nothing acknowledged is lost. The numbers
// of cases are those of the reliability specification, B.15, B.17 and B.19.
#include <doctest/doctest.h>

#include <optional>

#include "node/checkpoint.h"
#include "sim/faulty_store.h"
#include "tests/support/small_state.h"

using namespace starling;
using node::Checkpoints;
using sim::FaultyStore;
using test::SmallState;

namespace {

const Fingerprint kFingerprint = {{"run", "r"}, {"node", "n0"}};
const std::string kFirst = "d/checkpoint-0.safetensors", kSecond = "d/checkpoint-1.safetensors";

// The state of a round is drawn from its number.
SmallState state_of(Round round, std::size_t floats = 300) { return SmallState(round, floats); }

Result<Checkpoints::Saved> save(Checkpoints& checkpoints, Round round) {
  SmallState state = state_of(round);
  return checkpoints.save(round, [&](Archive& a) { state.archive(a); });
}

// What a process that starts now loads, its bits checked; 0: nothing there.
Result<Round> loaded_round(FaultyStore& store, std::vector<std::string>* refused = nullptr) {
  Checkpoints checkpoints(store, "d", kFingerprint);
  SmallState state;
  const auto loaded = checkpoints.load([&](Archive& a) {
    state = SmallState();
    state.archive(a);
  });
  if (!loaded) return loaded.error();
  if (!*loaded) return Round{0};
  REQUIRE(state == state_of((*loaded)->round));
  if (refused) *refused = (*loaded)->refused;
  return (*loaded)->round;
}

// Rounds 1 and 2 are saved.
void save_two(FaultyStore& store) {
  Checkpoints checkpoints(store, "d", kFingerprint);
  REQUIRE(checkpoints.start_anew().ok());
  REQUIRE(save(checkpoints, 1).ok());
  REQUIRE(save(checkpoints, 2).ok());
}

// The second checkpoint is damaged: the first is loaded, and it is told what is wrong and where.
std::string refusal_of_second(FaultyStore& damaged) {
  std::vector<std::string> refused;
  const auto round = loaded_round(damaged, &refused);
  REQUIRE(round.ok());
  REQUIRE(*round == 1);
  REQUIRE(refused.size() == 1);
  REQUIRE(refused[0].starts_with(kSecond + ": it"));
  INFO(refused[0]);
  REQUIRE(refused[0].find(" byte") != std::string::npos);
  return refused[0];
}

std::size_t files_in(FaultyStore& store) {
  std::size_t files = 0;
  for (const std::string& name : {kFirst, kSecond, std::string("d/checkpoint.new")}) {
    if (store.content(name)) ++files;
  }
  return files;
}

}  // namespace

TEST_CASE("checkpoint: every bit flipped, the one before is used and the damage is told") {
  FaultyStore store;
  save_two(store);
  const std::size_t bytes = store.content(kSecond)->size();
  REQUIRE(bytes < 8192);
  for (std::size_t bit = 0; bit < bytes * 8; ++bit) {
    FaultyStore damaged = store;
    (*damaged.content(kSecond))[bit / 8] ^= static_cast<std::byte>(1 << bit % 8);
    REQUIRE(refusal_of_second(damaged).ends_with("kept as d/checkpoint-1.old-1.safetensors"));
  }
}

TEST_CASE("checkpoint: cut short at every byte, the one before is used and the damage is told") {
  FaultyStore store;
  save_two(store);
  for (std::size_t size = 0; size < store.content(kSecond)->size(); ++size) {
    FaultyStore damaged = store;
    damaged.content(kSecond)->resize(size);
    refusal_of_second(damaged);
  }
}

TEST_CASE("checkpoint: bytes behind its end are refused as well") {
  FaultyStore store;
  save_two(store);
  for (const std::size_t more : {1, 8, 512}) {
    FaultyStore damaged = store;
    damaged.content(kSecond)->resize(damaged.content(kSecond)->size() + more);
    CHECK(*loaded_round(damaged) == 1);
  }
}

TEST_CASE("checkpoint: both damaged, the start is refused with both reasons and what to do") {
  FaultyStore store;
  save_two(store);
  store.content(kFirst)->resize(100);
  store.content(kSecond)->back() ^= std::byte{1};
  const auto round = loaded_round(store);
  REQUIRE_FALSE(round.ok());
  CHECK(round.error().code == ErrorCode::io);
  const std::string& text = round.error().message;
  CHECK(text.starts_with("no checkpoint can be used: d/checkpoint-0.safetensors: "));
  CHECK(text.find("d/checkpoint-1.safetensors: its first ") != std::string::npos);
  CHECK(text.ends_with("begin anew with --fresh, which keeps these under other names"));
  CHECK(store.content(kFirst));
  CHECK(store.content(kSecond));
}

// B.17: every operation of a save fails in turn.
TEST_CASE("checkpoint: whichever operation fails, the one before stays and the next save works") {
  std::uint64_t operations = 0;
  {
    FaultyStore store;
    Checkpoints checkpoints(store, "d", kFingerprint);
    REQUIRE(checkpoints.start_anew().ok());
    const std::uint64_t before = store.operations();
    REQUIRE(save(checkpoints, 1).ok());
    operations = store.operations() - before;
  }
  REQUIRE(operations >= 5);  // create, write, sync, rename, sync_directory
  for (std::uint64_t n = 0; n < operations; ++n) {
    for (std::uint64_t seed = 0; seed < 20; ++seed) {
      FaultyStore store;
      Checkpoints checkpoints(store, "d", kFingerprint);
      REQUIRE(checkpoints.start_anew().ok());
      REQUIRE(save(checkpoints, 1).ok());
      REQUIRE(save(checkpoints, 2).ok());
      store.set_faults({.seed = seed, .fail_at = store.operations() + n});
      const auto failed = save(checkpoints, 3);
      REQUIRE_FALSE(failed.ok());
      REQUIRE(failed.error().code == ErrorCode::io);
      REQUIRE(failed.error().message.starts_with("d"));
      REQUIRE_FALSE(store.content("d/checkpoint.new"));
      REQUIRE(files_in(store) == 2);
      const Round after = *loaded_round(store);
      // Where only its name could not be synced, the new one is there and whole.
      REQUIRE((after == 2 || (after == 3 && n == operations - 1)));
      REQUIRE(save(checkpoints, 4).ok());
      REQUIRE(*loaded_round(store) == 4);
      store.restart();
      REQUIRE(*loaded_round(store) == 4);
    }
  }
}

TEST_CASE("checkpoint: a disk that stays full keeps the old one, and new ones when space is back") {
  FaultyStore store;
  Checkpoints checkpoints(store, "d", kFingerprint);
  REQUIRE(checkpoints.start_anew().ok());
  REQUIRE(save(checkpoints, 1).ok());
  for (std::uint64_t skip = 1; skip < 8; ++skip) {
    store.set_faults({.seed = skip, .fail_at = store.operations() + skip % 5, .fail_count = 1000});
    for (Round round = 2; round < 5; ++round) REQUIRE_FALSE(save(checkpoints, round).ok());
    store.set_faults({});
    store.restart();
    REQUIRE(*loaded_round(store) >= 1);
    REQUIRE(save(checkpoints, 10 + skip).ok());
    REQUIRE(*loaded_round(store) == 10 + skip);
  }
}

// B.19. A life: some saves, some operations failing, then the power goes in the middle of one.
TEST_CASE("checkpoint: 2,000 losses of power, no acknowledged one is lost and none is damaged") {
  int resumed_newest = 0, resumed_later = 0, mid_operation = 0;
  for (std::uint64_t seed = 1; seed <= 2000; ++seed) {
    const Random random(seed, Stream::test, {19});
    FaultyStore store({.seed = seed});
    Round acknowledged = 0, round = 0;
    for (std::uint64_t life = 0; life < 4; ++life) {
      Checkpoints checkpoints(store, "d", kFingerprint);
      std::optional<SmallState> state;
      const auto loaded = checkpoints.load([&](Archive& a) {
        state.emplace();
        state->archive(a);
      });
      REQUIRE(loaded.ok());
      const Round found = *loaded ? (*loaded)->round : 0;
      REQUIRE(found >= acknowledged);
      if (*loaded) {
        REQUIRE((*loaded)->refused.empty());
        REQUIRE(*state == state_of(found));
        ++(found == acknowledged ? resumed_newest : resumed_later);
      }
      const bool failing = random.below(life * 3, 2) == 0;
      store.set_faults({.seed = seed * 8 + life,
                        .fail_rate = failing ? 0.15 : 0,
                        .power_off_at = store.operations() + random.below(life * 3 + 1, 40)});
      for (int saves = 0; saves < 5; ++saves) {
        if (save(checkpoints, ++round).ok()) acknowledged = round;
      }
      if (!store.open(kFirst).ok()) ++mid_operation;
      store.restart();
      store.set_faults({.seed = seed});
    }
  }
  CHECK(resumed_newest > 1000);
  CHECK(resumed_later > 100);  // whole, though its save was never acknowledged
  CHECK(mid_operation > 2000);
}
