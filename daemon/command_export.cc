// starling export: the model of a running node, or the one that it has left, as a file.
#include <fmt/format.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <string>
#include <system_error>
#include <vector>

#include "daemon/asking.h"
#include "daemon/control_client.h"
#include "daemon/state_dir.h"
#include "protocol/fresh_file.h"
#include "protocol/io_error.h"

namespace starling::daemon {
namespace {

namespace fs = std::filesystem;

struct ExportOptions : AskOptions {
  fs::path file;
};

struct Source {
  fs::path file;
  std::optional<Round> round;  // absent: it is what the node left at its end
};

constexpr std::chrono::minutes kPatience{2};
constexpr std::streamsize kChunkBytes = 1 << 20;

Result<Source> source_of(const NodePaths& paths) {
  control::Request request;
  request.mutable_export_();
  const auto reply = ask(paths.control_socket(), request, kPatience);
  if (reply) return Source{reply->export_().file(), Round{reply->export_().round()}};
  if (reply.error().code != ErrorCode::no_daemon) return reply.error();
  std::error_code failed;
  if (fs::exists(paths.model(), failed)) return Source{paths.model(), std::nullopt};
  return Error{ErrorCode::no_daemon, fmt::format("{}; and it has left no model at {}",
                                                 reply.error().message, paths.model().string())};
}

// With the mode of `from`; whoever reads `to` sees the old file or the new one. Fails naming the
// one of the two that has failed.
Result<void> copy_model(const fs::path& from, const fs::path& to) {
  std::ifstream in(from, std::ios::binary);
  if (!in) return io_error(from, std::string("cannot be read: ") + std::strerror(errno));
  FreshFile fresh(to);
  std::vector<char> chunk(kChunkBytes);
  while (fresh.out() && (in.read(chunk.data(), kChunkBytes) || in.gcount() > 0)) {
    fresh.out().write(chunk.data(), in.gcount());
  }
  if (in.bad()) return io_error(from, std::string("cannot be read: ") + std::strerror(errno));
  if (auto whole = fresh.written(); !whole) return whole;
  std::error_code ignored;  // it is readable as other new files of this user are, then
  fs::permissions(fresh.partial(), fs::status(from, ignored).permissions(), ignored);
  return fresh.replace();
}

int export_model(const ExportOptions& options) {
  const auto config = options.run_file.load();
  if (!config) return fail(config.error());
  const auto found = node::find_node(*config, options.node);
  if (!found) return fail(found.error());
  const auto source = source_of(paths_of(options.run_file.state_dir(*config), options.node));
  if (!source) return fail(source.error());
  const auto copied = copy_model(source->file, options.file);
  std::error_code ignored;
  if (source->round) fs::remove(source->file, ignored);
  if (!copied) return fail(copied.error());
  if (options.run_file.json) {
    Json json{{"node", options.node}, {"file", options.file.string()}};
    if (source->round) json["round"] = *source->round;
    print_json(options, {json});
    return 0;
  }
  const std::string when = source->round ? fmt::format("after {} rounds", *source->round)
                                         : "as it ended; no daemon answers";
  fmt::print("{}: the model of {} {}\n", options.file.string(), options.node, when);
  return 0;
}

}  // namespace

void add_export(CommandLine line, Verb& chosen) {
  auto [verb, options] = add_asking(line, chosen, "export",
                                    "Write the model of a node at the end of its round to a "
                                    "file; of one that has ended, its last",
                                    export_model);
  verb.option("--node").required().description("the node, on this machine");
  verb.add_option("file", options->file, "the file; one that is there is replaced")
      .required()
      .type_name("MODEL.safetensors");
}

}  // namespace starling::daemon
