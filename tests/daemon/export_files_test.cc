// Names for models that somebody has asked for, and what becomes of those that nobody fetches.
#include "daemon/export_files.h"

#include <doctest/doctest.h>

#include <fstream>

#include "scratch.h"

using namespace starling;
using namespace starling::daemon;

namespace {

using namespace std::chrono_literals;
namespace fs = std::filesystem;

const peer::Clock::time_point kNow{1h};

void write(const fs::path& file) { std::ofstream(file) << "a model"; }

}  // namespace

TEST_CASE("export files: two who ask at a time have a file each") {
  const Scratch scratch;
  ExportFiles files(scratch.path);
  const fs::path one = files.next(kNow), other = files.next(kNow);
  CHECK(one != other);
  CHECK(one.parent_path() == scratch.path);
  CHECK(one.extension() == ".safetensors");
}

TEST_CASE("export files: what nobody has fetched is removed, and not what was told of just now") {
  const Scratch scratch;
  ExportFiles files(scratch.path);
  const fs::path one = files.next(kNow), other = files.next(kNow);
  for (const fs::path& file : {one, other}) write(file);
  files.told(one, kNow);
  files.told(other, kNow + 1s);
  files.next(kNow + ExportFiles::kKept - 1ms);
  CHECK(fs::exists(one));
  files.next(kNow + ExportFiles::kKept);
  CHECK_FALSE(fs::exists(one));
  CHECK(fs::exists(other));
}

TEST_CASE("export files: what an earlier process has left is removed, and nothing else") {
  const Scratch scratch;
  const fs::path whole = scratch.path / "export-1.safetensors",
                 part = scratch.path / "export-2.safetensors.new",
                 model = scratch.path / "model.safetensors", own = scratch.path / "exported";
  for (const fs::path& file : {whole, part, model, own}) write(file);
  const ExportFiles files(scratch.path);
  CHECK_FALSE(fs::exists(whole));
  CHECK_FALSE(fs::exists(part));
  CHECK(fs::exists(model));
  CHECK(fs::exists(own));
}
