#include "daemon/state_dir.h"

#include <doctest/doctest.h>
#include <fmt/format.h>
#include <unistd.h>

#include "tests/daemon/scratch.h"

using namespace starling;
using namespace starling::daemon;

TEST_CASE("state directory: one holder at a time, named to the second, free when it is gone") {
  const Scratch scratch;
  const NodePaths paths = paths_of(scratch.path / "run", "n0");
  {
    const auto first = StateLock::acquire(paths);
    REQUIRE(first.ok());
    const auto second = StateLock::acquire(paths);
    REQUIRE_FALSE(second.ok());
    CHECK(second.error().code == ErrorCode::state_locked);
    CHECK(second.error().message ==
          fmt::format("{}: another daemon (process {}) works on this state directory; stop it, or "
                      "name another one with --state",
                      paths.dir.string(), ::getpid()));
  }
  CHECK(StateLock::acquire(paths).ok());
}

TEST_CASE("state directory: only its owner may look into it") {
  const Scratch scratch;
  const NodePaths paths = paths_of(scratch.path, "n0");
  const auto lock = StateLock::acquire(paths);
  REQUIRE(lock.ok());
  CHECK(std::filesystem::status(paths.dir).permissions() == std::filesystem::perms::owner_all);
}

TEST_CASE("state directory: a place that cannot be made is said in one sentence") {
  const auto refused = StateLock::acquire(paths_of("/dev/null", "n0"));
  REQUIRE_FALSE(refused.ok());
  CHECK(refused.error().code == ErrorCode::io);
  CHECK(refused.error().message.find("/dev/null/n0: cannot be made") == 0);
}
