#include "daemon/text_file.h"

#include <doctest/doctest.h>

#include <fstream>
#include <iterator>

#include "tests/daemon/scratch.h"

using namespace starling;
using namespace starling::daemon;

namespace {

std::string text_of(const std::filesystem::path& file) {
  std::ifstream in(file, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

}  // namespace

TEST_CASE("text file: replaces what was there, and leaves nothing beside it") {
  const Scratch scratch;
  const auto file = scratch.path / "a.csv";
  CHECK(write_text(file, "one\n").ok());
  CHECK(write_text(file, "two\n").ok());
  CHECK(text_of(file) == "two\n");
  CHECK_FALSE(std::filesystem::exists(scratch.path / "a.csv.new"));
}

TEST_CASE("text file: a look whether it can be written changes nothing") {
  const Scratch scratch;
  const auto file = scratch.path / "a.csv";
  CHECK(write_text(file, "one\n").ok());
  CHECK(check_writable(file).ok());
  CHECK(text_of(file) == "one\n");
  CHECK_FALSE(std::filesystem::exists(scratch.path / "a.csv.new"));
}

TEST_CASE("text file: a place that cannot be written is said in one sentence") {
  for (const auto& refused : {write_text("/nowhere/a.csv", ""), check_writable("/nowhere/a.csv")}) {
    REQUIRE_FALSE(refused.ok());
    CHECK(refused.error().code == ErrorCode::io);
    CHECK(refused.error().message ==
          "/nowhere/a.csv.new: cannot be written: No such file or directory");
  }
  const Scratch scratch;
  CHECK_FALSE(write_text(scratch.path, "").ok());
  CHECK_FALSE(std::filesystem::exists(scratch.path.string() + ".new"));
  CHECK(check_writable(scratch.path).error().message ==
        scratch.path.string() + ": cannot be replaced: it is a directory");
}
