#include <fmt/format.h>

#include <map>

#include "node/config_keys.h"

namespace starling::node {
namespace {

constexpr std::size_t kPortMax = 65535;

std::string host_of(const std::string& address) { return address.substr(0, address.rfind(':')); }

std::size_t port_of(const std::string& address) {
  return std::stoul(address.substr(address.rfind(':') + 1));  // address_problem() has seen it
}

// The port of each node: the first for the first one of a machine, then the next ones.
std::vector<std::size_t> ports_of(const Config& config) {
  std::map<std::string, std::size_t> on_host;
  std::vector<std::size_t> ports;
  const std::size_t first = port_of(config.metrics.listen);
  for (const NodeEntry& node : config.nodes) {
    ports.push_back(first + on_host[host_of(node.address)]++);
  }
  return ports;
}

}  // namespace

std::string metrics_address(const Config& config, NodeId self) {
  const std::string& listen = config.metrics.listen;
  if (listen.empty()) return {};
  return fmt::format("{}:{}", host_of(listen), ports_of(config)[index_of(self)]);
}

Result<void> check_metrics(const Draft& draft) {
  const Config& config = draft.config;
  if (config.metrics.listen.empty()) return {};
  const std::size_t first = port_of(config.metrics.listen);
  const std::vector<std::size_t> ports = ports_of(config);
  for (std::size_t i = 0; i < ports.size(); ++i) {
    if (ports[i] <= kPortMax) continue;
    return Error{
        ErrorCode::config,
        fmt::format("{}: [metrics] listen: found port {}, which puts that of {} on {}; "
                    "expected a smaller one, for each node of a host has the next port",
                    draft.where("metrics", "listen"), first, config.nodes[i].name, ports[i])};
  }
  return {};
}

}  // namespace starling::node
