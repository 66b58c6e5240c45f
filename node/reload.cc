#include "node/reload.h"

#include <fmt/format.h>

#include <algorithm>

#include "compress/assembly.h"
#include "gossip/algorithms.h"
#include "gossip/assembly.h"
#include "node/limits.h"
#include "protocol/check.h"

namespace starling::node {
namespace {

constexpr const char* kAdvice =
    "a reload changes [topology], [[node]] and [limits] alone; for the rest restart all nodes of "
    "the run";

std::string shown(const std::string& value) { return value.empty() ? "nothing" : value; }

// May differ from node to node without harm to an exchange (fingerprint_of).
bool waits(const StatedKey& key) {
  if (key.section == "run") return key.key != "name" && key.key != "seed";
  return key.section == "train" || key.section == "rate" || key.section == "checkpoint" ||
         key.section == "metrics";
}

// `config`: of what goes on; keys of [limits] are told of there and in `reload`.
Result<void> compare_keys(const Config& running, const Config& fresh, Config& config,
                          Reload& reload) {
  INVARIANT(running.stated.size() == fresh.stated.size());
  for (std::size_t i = 0; i < fresh.stated.size(); ++i) {
    const StatedKey &was = running.stated[i], &is = fresh.stated[i];
    const bool follows =
        is.key == "relaxation" && running.optimal_relaxation && fresh.optimal_relaxation;
    if (was.value == is.value || follows) continue;
    if (is.section == "limits") {
      config.stated[i] = is;
      reload.changes.push_back(
          fmt::format("[limits] {}: {} in place of {}", is.key, shown(is.value), shown(was.value)));
      continue;
    }
    if (waits(is)) {
      reload.at_next_start.push_back(fmt::format("[{}] {}: {}, {} until then", is.section, is.key,
                                                 shown(is.value), shown(was.value)));
      continue;
    }
    return config_error(fmt::format("{}: [{}] {}: found {}, and the run goes on with {}; {}",
                                    is.where, is.section, is.key, shown(is.value), shown(was.value),
                                    kAdvice));
  }
  // Of tables inside [compress].
  const std::string was = compress::describe(operator_of(running)),
                    is = compress::describe(operator_of(fresh));
  if (running.rate.any() != fresh.rate.any()) {
    return config_error(fmt::format("{}: [rate]: found {}, and the run goes on with {}; {}",
                                    fresh.file.string(), fresh.rate.any() ? "a budget" : "none",
                                    running.rate.any() ? "one" : "none", kAdvice));
  }
  if (was == is) return {};
  return config_error(fmt::format("{}: [compress]: found {}, and the run goes on with {}; {}",
                                  fresh.file.string(), is, was, kAdvice));
}

Result<void> compare_nodes(const Config& running, const Config& fresh, NodeId self,
                           Reload& reload) {
  for (std::size_t i = 0; i < running.nodes.size(); ++i) {
    const std::string& name = running.nodes[i].name;
    if (i >= fresh.nodes.size() || fresh.nodes[i].name != name) {
      return config_error(fmt::format(
          "{}: [[node]] name: found {} as number {}, and the run goes on with \"{}\" there; nodes "
          "keep their places: append those that are new, and give one that goes left = true",
          i < fresh.nodes.size() ? fresh.node_places[i] : fresh.file.string(),
          i < fresh.nodes.size() ? fmt::format("\"{}\"", fresh.nodes[i].name) : "no node", i,
          name));
    }
    const NodeEntry &was = running.nodes[i], &is = fresh.nodes[i];
    if (i == index_of(self) && is.left) {
      return config_error(fmt::format(
          "{}: [[node]] left: found true for \"{}\", which is this node; end it with `starling "
          "stop --node {}`, and reload the others",
          fresh.node_places[i], name, name));
    }
    if (was.left != is.left) {
      reload.changes.push_back(fmt::format("{} {}", name, is.left ? "leaves" : "comes back"));
    }
    if (was.keys != is.keys && !is.left) {
      reload.changes.push_back(fmt::format("the keys of {} are others", name));
    }
    if (was.address == is.address || is.left) continue;
    if (i == index_of(self)) {
      reload.at_next_start.push_back(fmt::format(
          "[[node]] address: {} listens on {}, {} until then", name, is.address, was.address));
    } else {
      reload.changes.push_back(fmt::format("{} is at {}", name, is.address));
    }
  }
  for (std::size_t i = running.nodes.size(); i < fresh.nodes.size(); ++i) {
    if (!fresh.nodes[i].left) reload.changes.push_back(fresh.nodes[i].name + " joins");
  }
  return {};
}

void tell_edges(const Run& running, NodeId self, Reload& reload) {
  const gossip::GossipOptions& gossip = running.config.gossip;
  const auto before = gossip::partners(gossip, running.topology, self);
  const auto after = gossip::partners(gossip, reload.run.topology, self);
  const auto tell = [&](const auto& these, const auto& others, const char* how) {
    for (const NodeId peer : these) {
      if (std::ranges::find(others, peer) != others.end()) continue;
      const std::string& name = reload.run.config.nodes[index_of(peer)].name;
      reload.changes.push_back(fmt::format("the edge to {} is {}", name, how));
    }
  };
  tell(after, before, "new");
  tell(before, after, "gone");
}

// What a mesh cannot take along (gossip/mesh/mesh.h).
void tell_shards(const Run& running, Reload& reload) {
  const std::size_t before = running.topology.present().size(),
                    after = reload.run.topology.present().size();
  if (!gossip::traits_of(running.config.gossip.algorithm).is_mesh() || before == after) return;
  reload.changes.push_back(
      fmt::format("shards move, {} in place of {}; lost is what owners had not told yet of their "
                  "old ones, once",
                  after, before));
}

}  // namespace

Result<Reload> plan_reload(const Run& running, NodeId self, const Config& fresh) {
  Reload reload{.run = running};
  Config config = running.config;
  if (Result<void> same = compare_keys(running.config, fresh, config, reload); !same) {
    return same.error();
  }
  if (Result<void> same = compare_nodes(running.config, fresh, self, reload); !same) {
    return same.error();
  }
  config.limits = fresh.limits;
  config.topology = fresh.topology;
  config.nodes = fresh.nodes;
  config.node_places = fresh.node_places;
  if (config.optimal_relaxation) config.gossip.relaxation = fresh.gossip.relaxation;
  Result<Run> run = with_graph(running, std::move(config));
  if (!run) return run.error();
  if (const auto fits = check_means(*run, self); !fits) return fits.error();
  // One that is away may leave: the graph without it is the same, and the run is another one.
  reload.graph_changed = run->topology != running.topology ||
                         run->config.topology.left != running.config.topology.left;
  reload.run = std::move(*run);
  tell_edges(running, self, reload);
  tell_shards(running, reload);
  if (reload.graph_changed && reload.changes.empty()) {
    reload.changes.emplace_back("edges between others are others");
  }
  return reload;
}

Result<std::optional<Reload>> plan_regrouping(const Run& running, NodeId self,
                                              const Membership& told) {
  Membership joined = running.membership;
  if (!joined.join(told)) return std::optional<Reload>();
  Reload reload{.run = running, .graph_changed = true};
  // Also where it was away and has forgotten that, with all that came of it.
  reload.begins_anew = joined.number(self) != running.membership.number(self);
  if (joined.is_away(self)) joined.come_back(self);
  for (std::size_t i = 0; i < running.config.nodes.size(); ++i) {
    const NodeId node = node_id(i);
    if (node == self || joined.number(node) == running.membership.number(node)) continue;
    reload.changes.push_back(fmt::format("{} is {}", running.config.nodes[i].name,
                                         joined.is_away(node) ? "away" : "back"));
  }
  if (reload.begins_anew) {
    reload.changes.emplace_back("this node was away and begins with the model of a neighbor");
  }
  Result<Run> run = with_membership(running, std::move(joined));
  if (!run) return run.error();
  reload.run = std::move(*run);
  tell_shards(running, reload);
  return std::optional(std::move(reload));
}

std::unique_ptr<Core> succeed(Core& before, const Reload& reload, NodeId self,
                              CheckpointPlan checkpoints, Time now) {
  std::unique_ptr<Core> core = make_core(reload.run, self, checkpoints);
  if (reload.begins_anew) {
    core->replace(before);
  } else {
    core->succeed(before, now);
  }
  return core;
}

}  // namespace starling::node
