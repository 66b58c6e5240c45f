#include "peer/private_key.h"

#include <doctest/doctest.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fstream>
#include <iterator>
#include <string>

using namespace starling;
using namespace starling::peer;
namespace fs = std::filesystem;

namespace {

struct Folder {
  Folder() {
    std::string name = (fs::temp_directory_path() / "starling-key-XXXXXX").string();
    REQUIRE(::mkdtemp(name.data()) != nullptr);
    path = name;
  }
  ~Folder() { fs::remove_all(path); }
  fs::path path;
};

std::string text_in(const fs::path& file) {
  std::ifstream in(file);
  return {std::istreambuf_iterator<char>(in), {}};
}

Error refusal_of(const fs::path& file) {
  const auto read = read_key_file(file);
  REQUIRE_FALSE(read.ok());
  return read.error();
}

// Of RFC 8410, section 10.3, and what `openssl pkey -pubout -outform DER | sha256sum` says of it.
const char* const kExample =
    "-----BEGIN PRIVATE KEY-----\n"
    "MC4CAQAwBQYDK2VwBCIEINTuctv5E1hK1bbY8fdp+K06/nwoy/HU++CXqI9EdVhC\n"
    "-----END PRIVATE KEY-----\n";

}  // namespace

TEST_CASE("a new key file holds PKCS#8 for its owner alone, and is read back") {
  const Folder folder;
  const fs::path file = folder.path / "node.key";
  const auto made = create_key_file(file);
  REQUIRE(made.ok());
  struct stat status {};
  REQUIRE(::stat(file.c_str(), &status) == 0);
  CHECK((status.st_mode & 07777) == 0600);
  CHECK(text_in(file).starts_with("-----BEGIN PRIVATE KEY-----\n"));
  const auto read = read_key_file(file);
  REQUIRE(read.ok());
  CHECK(read.value().key.pin() == made.value().pin());
  CHECK(read.value().warning.empty());
  CHECK(PrivateKey::make().pin() != made.value().pin());
}

TEST_CASE("a key file is never overwritten, nor a link followed to write one") {
  const Folder folder;
  const fs::path file = folder.path / "node.key", link = folder.path / "link.key";
  REQUIRE(create_key_file(file).ok());
  const std::string before = text_in(file);
  const auto again = create_key_file(file);
  REQUIRE_FALSE(again.ok());
  CHECK(again.error().code == ErrorCode::io);
  CHECK(again.error().message == file.string() +
                                     ": exists already and is never overwritten; name another "
                                     "file, or move it away first");
  CHECK(text_in(file) == before);
  fs::create_symlink(folder.path / "elsewhere", link);
  CHECK_FALSE(create_key_file(link).ok());
  CHECK_FALSE(fs::exists(folder.path / "elsewhere"));
}

TEST_CASE("a key file that others could have read is refused, with what to do") {
  const Folder folder;
  const fs::path file = folder.path / "node.key";
  REQUIRE(create_key_file(file).ok());
  for (const mode_t mode : {0640u, 0604u, 0660u, 0601u, 0610u}) {
    CAPTURE(mode);
    REQUIRE(::chmod(file.c_str(), mode) == 0);
    const Error error = refusal_of(file);
    CHECK(error.code == ErrorCode::config);
    CHECK(error.message == fmt::format("{}: the key file has mode {:04o}, expected no right for "
                                       "group or others; `chmod 600 {}`",
                                       file.string(), mode, file.string()));
  }
  REQUIRE(::chmod(file.c_str(), 0400) == 0);
  CHECK(read_key_file(file).ok());
}

TEST_CASE("a key file of another user is refused") {
  if (::geteuid() != 0) return;  // only root can make one
  const Folder folder;
  const fs::path file = folder.path / "node.key";
  REQUIRE(create_key_file(file).ok());
  REQUIRE(::chown(file.c_str(), 4711, static_cast<gid_t>(-1)) == 0);
  CHECK(refusal_of(file).message.find("belongs to user 4711, expected 0 or root") !=
        std::string::npos);
}

TEST_CASE("a key file that is a link, a folder or missing is refused, each in its own words") {
  const Folder folder;
  const fs::path file = folder.path / "node.key", link = folder.path / "link.key";
  CHECK(refusal_of(file).code == ErrorCode::io);
  CHECK(refusal_of(file).message == fmt::format("{}: no such key file; `starling keygen --out {}` "
                                                "makes one",
                                                file.string(), file.string()));
  REQUIRE(create_key_file(file).ok());
  fs::create_symlink(file, link);
  CHECK(refusal_of(link).message ==
        link.string() + ": the key file is a symbolic link; name the file that it leads to");
  CHECK(refusal_of(folder.path).message.find("found no regular file") != std::string::npos);
}

TEST_CASE("the fingerprint is that of the public key in DER") {
  const Folder folder;
  const fs::path file = folder.path / "node.key";
  std::ofstream(file) << kExample;
  REQUIRE(::chmod(file.c_str(), 0600) == 0);
  const auto read = read_key_file(file);
  REQUIRE(read.ok());
  CHECK(text_of(read.value().key.pin()) == "sha256:oekVYFTgT6yJmunydRMs3Ael28TqLCrTof_G4NJTaB8");
}

TEST_CASE("what is no Ed25519 key without a password is refused") {
  const Folder folder;
  const fs::path file = folder.path / "node.key";
  std::ofstream(file) << "no key\n";
  REQUIRE(::chmod(file.c_str(), 0600) == 0);
  CHECK(refusal_of(file).message.find("found no private key in PEM") != std::string::npos);
  std::ofstream(file) << "-----BEGIN PRIVATE KEY-----\n"
                         "MC4CAQAwBQYDK2VuBCIEINTuctv5E1hK1bbY8fdp+K06/nwoy/HU++CXqI9EdVhC\n"
                         "-----END PRIVATE KEY-----\n";
  CHECK(refusal_of(file).message.find("found a key of type X25519, expected ED25519") !=
        std::string::npos);
}
