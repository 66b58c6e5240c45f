#include "daemon/run_links.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "daemon/link_security.h"
#include "gossip/assembly.h"

namespace starling::daemon {

std::vector<peer::Neighbor> neighbors_of(const node::Run& run, NodeId self) {
  std::vector<peer::Neighbor> neighbors;
  for (const NodeId id : gossip::partners(run.config.gossip, run.topology, self)) {
    const node::NodeEntry& entry = run.config.nodes[index_of(id)];
    neighbors.push_back({id, entry.name, entry.address, entry.keys});
  }
  for (const NodeId id : run.membership.away()) {
    const node::NodeEntry& entry = run.config.nodes[index_of(id)];
    if (entry.left || id == self) continue;
    neighbors.push_back({id, entry.name, entry.address, entry.keys, 0, true});
  }
  return neighbors;
}

Engine::RunFile run_file_of(const node::Run& run, const DaemonOptions& options) {
  return {.run = run,
          .self = options.self,
          .load = [file = run.config.file, overrides = options.overrides,
                   state_dir = options.state_dir]() -> Result<node::Config> {
            auto config = node::load_config(file, overrides);
            if (!config) return config;
            if (const auto taken = take_made_keys(*config, state_dir); !taken) return taken.error();
            return config;
          },
          .check = [self = options.self,
                    pinned = pins_keys(run.config)](const node::Run& fresh) -> Result<void> {
            if (pins_keys(fresh.config) != pinned) {
              return Error{ErrorCode::config,
                           fmt::format("{}: [[node]] key: found {}, but the links of this run are "
                                       "{}; restart the daemons to change that",
                                       fresh.config.file.string(), pinned ? "none" : "one",
                                       pinned ? "inside TLS" : "plain TCP")};
            }
            return peer::check_addresses(neighbors_of(fresh, self),
                                         fresh.config.run.insecure_plaintext);
          }};
}

peer::RateLimits rates_of_all(const node::LimitOptions& limits) {
  return {.send = limits.max_send, .receive = limits.max_receive, .per_day = limits.max_per_day};
}

peer::RateLimits rates_of_each(const node::LimitOptions& limits) {
  return {.send = limits.neighbor_max_send,
          .receive = limits.neighbor_max_receive,
          .per_day = limits.neighbor_max_per_day};
}

peer::LinkOptions link_options(const node::Run& run, NodeId self, const node::Core& core,
                               std::shared_ptr<const peer::Tls> tls) {
  const node::Config& config = run.config;
  peer::LinkOptions options;
  options.self = self;
  options.self_name = config.nodes[index_of(self)].name;
  options.listen_address = config.nodes[index_of(self)].address;
  options.neighbors = neighbors_of(run, self);
  // What an edge was before a restart goes on in its next epoch; 0 of one that is new.
  for (const gossip::EdgeStatus& edge : core.algorithm().edges()) {
    const auto at = std::ranges::find(options.neighbors, edge.peer, &peer::Neighbor::id);
    if (at != options.neighbors.end()) at->last_epoch = edge.epoch;
  }
  options.fingerprint = node::fingerprint_of(run);
  options.body_bytes_max = core.body_bytes_max();
  options.piece_bytes_max = core.piece_bytes_max();
  options.tls = std::move(tls);
  options.insecure_plaintext = config.run.insecure_plaintext;
  options.seed = config.run.seed;
  options.rates = rates_of_all(config.limits);
  options.neighbor_rates = rates_of_each(config.limits);
  return options;
}

}  // namespace starling::daemon
