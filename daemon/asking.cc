#include "daemon/asking.h"

#include <cstdio>
#include <system_error>

#include "daemon/control_client.h"
#include "daemon/state_dir.h"
#include "daemon/table.h"

namespace starling::daemon {

Result<std::vector<Asked>> asked_nodes(const AskOptions& options) {
  const auto config = options.run_file.load();
  if (!config) return config.error();
  std::vector<node::NodeEntry> entries = config->nodes;
  if (!options.node.empty()) {
    const auto found = node::find_node(*config, options.node);
    if (!found) return found.error();
    entries = {config->nodes[index_of(*found)]};
  }
  const auto state_dir = options.run_file.state_dir(*config);
  std::vector<Asked> nodes;
  for (const node::NodeEntry& entry : entries) {
    nodes.push_back({entry.name, paths_of(state_dir, entry.name).control_socket(), entry.left});
  }
  return nodes;
}

bool Asked::lives_here() const {
  std::error_code ignored;
  return std::filesystem::is_directory(socket.parent_path(), ignored);
}

Result<std::vector<Answer>> ask_each(const std::vector<Asked>& nodes,
                                     const control::Request& request, Duration patience,
                                     std::optional<Error>* failed) {
  std::vector<Answer> answers;
  std::optional<Error> first;
  for (const Asked& node : nodes) {
    auto reply = ask(node.socket, request, patience);
    if (reply) {
      answers.push_back({node.node, std::move(*reply)});
    } else {
      if (failed && !*failed && reply.error().code != ErrorCode::no_daemon) *failed = reply.error();
      if (!first) first = reply.error();
    }
  }
  if (answers.empty()) return *first;
  return answers;
}

Result<std::vector<Answer>> ask_all(const AskOptions& options, const control::Request& request,
                                    Duration patience, std::optional<Error>* failed) {
  const auto nodes = asked_nodes(options);
  if (!nodes) return nodes.error();
  return ask_each(*nodes, request, patience, failed);
}

std::string apart_of(const control::StatusReply& reply) {
  return reply.has_consensus_distance() ? apart_text(reply.consensus_distance()) : "-";
}

std::string apart_of(const control::Peer& peer) {
  return peer.has_distance() ? apart_text(peer.distance()) : "-";
}

void print_json(const AskOptions& options, std::vector<Json> objects) {
  const Json json = options.node.empty() ? Json{{"nodes", std::move(objects)}} : objects.front();
  std::printf("%s\n", json.dump().c_str());
}

}  // namespace starling::daemon
