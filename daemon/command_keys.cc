// starling keygen, starling id: the key of a node, and the fingerprint that a run file pins.
#include <cstdio>
#include <filesystem>
#include <memory>

#include "daemon/commands.h"
#include "daemon/options.h"
#include "daemon/state_dir.h"
#include "peer/private_key.h"

namespace starling::daemon {
namespace {

namespace fs = std::filesystem;

int keygen(const fs::path& file) {
  const fs::path around = file.parent_path();
  std::error_code failed;
  if (!around.empty() && !fs::exists(around, failed)) {
    if (const auto made = make_private_directory(around); !made) return fail(made.error());
  }
  const auto key = peer::create_key_file(file);
  if (!key) return fail(key.error());
  const std::string pin = text_of(key.value().pin());
  std::printf(
      "%s holds a new key; it never leaves this machine. Its fingerprint:\n%s\n\n"
      "For the run file of every node:\n\n"
      "[[node]]\nname = \"NAME\"\naddress = \"HOST:7700\"\nkey = \"%s\"\n",
      file.c_str(), pin.c_str(), pin.c_str());
  return 0;
}

int id(const fs::path& file) {
  const auto read = peer::read_key_file(file);
  if (!read) return fail(read.error());
  if (!read.value().warning.empty()) std::fprintf(stderr, "%s\n", read.value().warning.c_str());
  std::printf("%s\n", text_of(read.value().key.pin()).c_str());
  return 0;
}

}  // namespace

void add_keygen(CommandLine line, Verb& chosen) {
  CommandLine verb = line.add_verb("keygen", "Make the key with which a node proves itself");
  auto file = std::make_shared<fs::path>("node.key");
  verb.add_option("--out", *file, "the new file, never one that exists (default node.key)")
      .type_name("FILE");
  verb.when_chosen([file, &chosen] { chosen = [file] { return keygen(*file); }; });
}

void add_id(CommandLine line, Verb& chosen) {
  CommandLine verb = line.add_verb("id", "Show the fingerprint of a node's key");
  auto file = std::make_shared<fs::path>("node.key");
  verb.add_option("file", *file, "the key file (default node.key)").type_name("FILE");
  verb.when_chosen([file, &chosen] { chosen = [file] { return id(*file); }; });
}

}  // namespace starling::daemon
