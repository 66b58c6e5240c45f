// The disk that fails: what it may lose, and what it must not.
#include "sim/faulty_store.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <set>

using namespace starling;
using sim::FaultyStore;

namespace {

std::vector<std::byte> filled(std::size_t size, int value) {
  return std::vector<std::byte>(size, static_cast<std::byte>(value));
}

// A file of `old` that is safe, with `more` behind it that is not.
void write_file(FaultyStore& store, const char* file, std::size_t old, std::size_t more) {
  auto out = store.create(file);
  REQUIRE(out.ok());
  REQUIRE((*out)->write(filled(old, 1)).ok());
  REQUIRE((*out)->sync().ok());
  REQUIRE(store.sync_directory("d").ok());
  REQUIRE((*out)->write(filled(more, 2)).ok());
}

}  // namespace

TEST_CASE("what was synced survives every loss of power") {
  for (std::uint64_t seed = 0; seed < 50; ++seed) {
    FaultyStore store({.seed = seed});
    write_file(store, "d/a", 3000, 0);
    store.restart();
    REQUIRE(store.content("d/a"));
    CHECK(*store.content("d/a") == filled(3000, 1));
    auto in = store.open("d/a");
    REQUIRE(in.ok());
    std::vector<std::byte> read(1000);
    REQUIRE((*in)->read(2000, read).ok());
    CHECK(read == filled(1000, 1));
    CHECK_FALSE((*in)->read(2001, read).ok());
  }
}

TEST_CASE("of what was not synced each sector is old, new or garbage, and the end anywhere") {
  std::set<std::size_t> sizes;
  std::set<std::byte> last_sector;
  for (std::uint64_t seed = 0; seed < 200; ++seed) {
    FaultyStore store({.seed = seed});
    write_file(store, "d/a", 1000, 2000);
    store.restart();
    REQUIRE(store.content("d/a"));
    const auto& left = *store.content("d/a");
    REQUIRE(left.size() >= 1000);
    REQUIRE(left.size() <= 3000);
    CHECK(std::equal(left.begin(), left.begin() + 512, filled(512, 1).begin()));
    sizes.insert(left.size());
    if (left.size() > 2560) last_sector.insert(left[2560]);
  }
  CHECK(sizes.size() > 100);
  CHECK(last_sector.contains(std::byte{0}));
  CHECK(last_sector.contains(std::byte{2}));
  CHECK(last_sector.size() > 5);
}

TEST_CASE("a name that was not synced is there or not, one that was renamed over is one or other") {
  bool made = false, lost = false, replaced = false, kept = false;
  for (std::uint64_t seed = 0; seed < 100; ++seed) {
    FaultyStore store({.seed = seed});
    write_file(store, "d/a", 1, 0);
    auto out = store.create("d/b");
    REQUIRE(out.ok());
    REQUIRE((*out)->write(filled(2, 2)).ok());
    REQUIRE((*out)->sync().ok());
    if (seed % 2 == 0) {
      store.restart();
      (store.content("d/b") ? made : lost) = true;
      continue;
    }
    REQUIRE(store.rename("d/b", "d/a").ok());
    CHECK_FALSE(store.content("d/b"));
    store.restart();
    REQUIRE(store.content("d/a"));
    const bool is_new = *store.content("d/a") == filled(2, 2);
    REQUIRE((is_new || *store.content("d/a") == filled(1, 1)));
    (is_new ? replaced : kept) = true;
  }
  CHECK(made);
  CHECK(lost);
  CHECK(replaced);
  CHECK(kept);
}

TEST_CASE("after a failed sync a second one succeeds and has saved nothing") {
  FaultyStore store;
  auto out = store.create("d/a");
  REQUIRE(out.ok());
  REQUIRE((*out)->write(filled(600, 1)).ok());
  store.set_faults({.seed = 3, .fail_at = store.operations()});
  CHECK_FALSE((*out)->sync().ok());
  CHECK((*out)->sync().ok());
  CHECK(store.sync_directory("d").ok());
  int whole = 0;
  for (std::uint64_t seed = 0; seed < 20; ++seed) {
    FaultyStore copy = store;
    copy.set_faults({.seed = seed});
    copy.restart();
    REQUIRE(copy.content("d/a"));
    if (*copy.content("d/a") == filled(600, 1)) ++whole;
  }
  CHECK(whole < 20);
}

TEST_CASE("a full disk takes part of a write and says so") {
  FaultyStore store({.seed = 1, .fail_at = 1, .fail_count = 2});
  auto out = store.create("d/a");
  REQUIRE(out.ok());
  const auto first = (*out)->write(filled(1000, 1));
  REQUIRE_FALSE(first.ok());
  CHECK(first.error().code == ErrorCode::io);
  CHECK(first.error().message.starts_with("d/a: cannot be written: "));
  CHECK(store.content("d/a")->size() < 1000);
  CHECK_FALSE((*out)->write(filled(1, 1)).ok());
  CHECK((*out)->write(filled(1, 1)).ok());
}

TEST_CASE("without power nothing works until the restart") {
  FaultyStore store({.power_off_at = 1});
  auto out = store.create("d/a");
  REQUIRE(out.ok());
  CHECK_FALSE((*out)->write(filled(10, 1)).ok());
  CHECK_FALSE(store.open("d/a").ok());
  CHECK_FALSE(store.sync_directory("d").ok());
  store.restart();
  CHECK(store.open("d/a").ok());
}

TEST_CASE("the same seed fails the same way") {
  const auto left = [](std::uint64_t seed) {
    FaultyStore store({.seed = seed, .fail_rate = 0.3});
    std::string log;
    for (int i = 0; i < 20; ++i) {
      auto out = store.create("d/a");
      log += out.ok() ? 'c' : '-';
      if (out.ok()) log += (*out)->write(filled(2000, i)).ok() ? 'w' : '-';
      if (out.ok()) log += (*out)->sync().ok() ? 's' : '-';
    }
    store.restart();
    const auto* content = store.content("d/a");
    return std::pair(log, content ? *content : std::vector<std::byte>());
  };
  CHECK(left(5) == left(5));
  CHECK(left(5).first != left(6).first);
}
