// The file operations of a checkpoint on a real file system.
#include "node/store.h"

#include <doctest/doctest.h>
#include <sys/stat.h>

#include "tests/train/files.h"

using namespace starling;
using node::PosixStore;
using starling::train::test::TempFolder;

namespace {

std::span<const std::byte> bytes(std::string_view text) { return std::as_bytes(std::span(text)); }

void write(PosixStore& store, const std::string& file, std::string_view text) {
  auto out = store.create(file);
  REQUIRE(out.ok());
  REQUIRE((*out)->write(bytes(text)).ok());
  REQUIRE((*out)->sync().ok());
}

}  // namespace

TEST_CASE("store: what is written is read, from any offset") {
  const TempFolder folder;
  PosixStore store;
  write(store, folder.file("a"), "hello");
  REQUIRE(store.sync_directory(folder.path()).ok());
  const auto in = store.open(folder.file("a"));
  REQUIRE(in.ok());
  REQUIRE(*in);
  CHECK((*in)->size() == 5);
  std::string text(3, ' ');
  REQUIRE((*in)->read(2, std::as_writable_bytes(std::span(text))).ok());
  CHECK(text == "llo");
  const auto beyond = (*in)->read(3, std::as_writable_bytes(std::span(text)));
  REQUIRE_FALSE(beyond.ok());
  CHECK(beyond.error().message == "cannot be read at byte 5: it ends there");
}

TEST_CASE("store: a new file is for its owner alone, and takes the name from the old one") {
  const TempFolder folder;
  PosixStore store;
  write(store, folder.file("a"), "old");
  std::filesystem::create_hard_link(folder.file("a"), folder.file("b"));
  write(store, folder.file("a"), "new");
  CHECK(folder.read("a") == "new");
  CHECK(folder.read("b") == "old");
  struct stat about {};
  REQUIRE(::stat(folder.file("a").c_str(), &about) == 0);
  CHECK((about.st_mode & 0777) == 0600);
}

TEST_CASE("store: names move and go; no file is no error where one is looked for or removed") {
  const TempFolder folder;
  PosixStore store;
  write(store, folder.file("a"), "a");
  write(store, folder.file("b"), "b");
  REQUIRE(store.rename(folder.file("a"), folder.file("b")).ok());
  CHECK(folder.read("b") == "a");
  REQUIRE(store.open(folder.file("a")).ok());
  CHECK(*store.open(folder.file("a")) == nullptr);
  CHECK(store.remove(folder.file("a")).ok());
  CHECK(store.remove(folder.file("b")).ok());
  CHECK_FALSE(std::filesystem::exists(folder.file("b")));
}

TEST_CASE("store: what cannot be done is told with the file and the reason") {
  const TempFolder folder;
  PosixStore store;
  const std::string none = folder.file("none/a");
  const auto said = [](const auto& result) { return result.ok() ? "" : result.error().message; };
  CHECK(said(store.create(none)) == none + ": cannot be made: No such file or directory");
  CHECK(said(store.rename(none, folder.file("a"))) ==
        folder.file("a") + ": cannot be replaced: No such file or directory");
  CHECK(said(store.sync_directory(folder.file("none"))) ==
        folder.file("none") + ": cannot be synced: No such file or directory");
  CHECK(said(store.remove(folder.path())) ==
        folder.path().string() + ": cannot be removed: Is a directory");
  CHECK(said(store.open(folder.path())) ==
        folder.path().string() + ": cannot be read: it is no file");
  REQUIRE(::mkfifo(folder.file("fifo").c_str(), 0600) == 0);
  CHECK(said(store.open(folder.file("fifo"))) ==
        folder.file("fifo") + ": cannot be read: it is no file");
}
