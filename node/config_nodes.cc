#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <map>
#include <set>

#include "gossip/graphs.h"
#include "gossip/topology.h"
#include "node/config_keys.h"
#include "node/config_names.h"

namespace starling::node {
namespace {

using gossip::Topology;
using gossip::TopologyKind;

// Eigenvalues take n³ steps; past this a run would seem to hang at its start.
constexpr std::size_t kSpectrumNodesMax = 1024;

std::vector<std::string> names_of(const std::vector<NodeEntry>& nodes) {
  std::vector<std::string> names;
  for (const NodeEntry& node : nodes) names.push_back(node.name);
  return names;
}

// ---- the nodes ----

Result<void> generate_nodes(Draft& draft) {
  const std::size_t count = draft.config.topology.nodes;
  const std::size_t last_port = draft.base_port + count - 1;
  if (last_port > 65535) {
    return config_error(fmt::format(
        "{}: [topology] base_port: found {}, which puts node {} of {} on port {}; expected at most "
        "{}",
        draft.where("topology", "base_port"), draft.base_port, count, count, last_port,
        65535 - (count - 1)));
  }
  for (std::size_t i = 0; i < count; ++i) {
    draft.config.nodes.push_back(
        {fmt::format("n{}", i), fmt::format("127.0.0.1:{}", draft.base_port + i)});
    draft.config.node_places.push_back(draft.where("topology", "nodes"));
  }
  return {};
}

std::string folded(std::string text) {
  for (char& c : text) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return text;
}

// Keys of every node or of none, and no key of two nodes.
Result<void> check_node_keys(const std::vector<PlacedNode>& nodes) {
  const auto has_keys = [](const PlacedNode& node) { return !node.entry.keys.empty(); };
  const auto with = std::find_if(nodes.begin(), nodes.end(), has_keys);
  const auto without = std::find_if_not(nodes.begin(), nodes.end(), has_keys);
  if (with == nodes.end()) return {};
  if (without != nodes.end()) {
    return config_error(fmt::format(
        "{}: [[node]] key: missing for {}, expected one for every node, since {} has one ({}); "
        "`starling keygen` makes one",
        without->name_where, without->entry.name, with->entry.name, with->keys_where));
  }
  std::map<KeyPin, const PlacedNode*> owners;
  for (const PlacedNode& node : nodes) {
    for (const KeyPin& key : node.entry.keys) {
      const auto [owner, fresh] = owners.emplace(key, &node);
      if (fresh) continue;
      return config_error(fmt::format(
          "{}: [[node]] key: found \"{}\" for {}, which is a key of {} ({}); expected a different "
          "one for each node",
          node.keys_where, text_of(key), node.entry.name, owner->second->entry.name,
          owner->second->keys_where));
    }
  }
  return {};
}

Result<void> take_listed_nodes(Draft& draft) {
  for (const char* key : {"nodes", "base_port"}) {
    if (!draft.given(std::string("topology.") + key)) continue;
    return config_error(fmt::format(
        "{}: [topology] {}: found beside [[node]] ({}), which names the nodes; remove one of them",
        draft.where("topology", key), key, draft.where("node", "")));
  }
  std::map<std::string, const PlacedNode*> by_name, by_address;
  std::vector<double> shares;
  for (const PlacedNode& node : draft.nodes) {
    const auto [named, fresh_name] = by_name.emplace(node.entry.name, &node);
    if (!fresh_name) {
      return config_error(fmt::format(
          "{}: [[node]] name: found \"{}\" again, which {} has; expected a different name for "
          "each node",
          node.name_where, node.entry.name, named->second->name_where));
    }
    const std::size_t number = draft.config.nodes.size();
    draft.config.nodes.push_back(node.entry);
    shares.push_back(node.entry.participation);
    draft.config.node_places.push_back(node.name_where);
    if (node.entry.left) {
      draft.config.topology.left.push_back(number);
      continue;
    }
    // Host names do not tell upper case from lower.
    const auto [addressed, fresh] = by_address.emplace(folded(node.entry.address), &node);
    if (!fresh) {
      return config_error(fmt::format(
          "{}: [[node]] address: found \"{}\" for {}, which is the address of {}; expected a "
          "different one for each node",
          node.address_where, node.entry.address, node.entry.name, addressed->second->entry.name));
    }
  }
  draft.config.topology.nodes = draft.nodes.size();
  if (std::ranges::any_of(shares, [](double share) { return share < 1; })) {
    draft.config.gossip.participation = std::move(shares);
  }
  return check_node_keys(draft.nodes);
}

Result<void> make_nodes(Draft& draft) {
  if (!draft.nodes.empty()) return take_listed_nodes(draft);
  if (draft.given("topology.nodes")) return generate_nodes(draft);
  return config_error(fmt::format(
      "{}: [topology] nodes: missing, expected their number, or a section [[node]] with name and "
      "address for each",
      draft.where("topology", "nodes")));
}

// ---- the edges ----

struct NodeIndex {
  std::vector<std::string> names;
  std::map<std::string, std::size_t> index;
};

Result<std::size_t> find_end(const NodeIndex& nodes, const EdgeEnd& end, const std::string& where) {
  if (const auto* index = std::get_if<std::int64_t>(&end)) {
    if (*index >= 0 && static_cast<std::size_t>(*index) < nodes.names.size()) {
      return static_cast<std::size_t>(*index);
    }
    return config_error(
        fmt::format("{}: [topology] edges: found node {}, expected an index from 0 to {} or a name",
                    where, *index, nodes.names.size() - 1));
  }
  const std::string& name = std::get<std::string>(end);
  if (const auto at = nodes.index.find(name); at != nodes.index.end()) return at->second;
  const std::string near = nearest(name, nodes.names);
  return config_error(fmt::format(
      "{}: [topology] edges: found an edge to \"{}\", who is no node; {}", where, shown(name),
      near.empty() ? fmt::format("expected one of {}", listed(nodes.names))
                   : fmt::format("did you mean \"{}\"?", near)));
}

// Topology::make knows indices alone; a person who named the nodes is answered in names.
Result<void> check_connected(const Draft& draft, const std::vector<std::string>& names) {
  const bool directed = gossip::is_directed(draft.config.topology.kind);
  const std::vector<std::size_t> present = gossip::present_nodes(draft.config.topology);
  if (present.size() < 2) return {};  // Topology::make has the sentence
  const auto unreached = [&](gossip::Along along) {
    return gossip::first_unreached(present, draft.config.topology.edges, along);
  };
  const auto refuse = [&](std::size_t from, std::size_t to) {
    return config_error(fmt::format(
        "{}: [topology] edges: the {}, no way leads from {} to {}; add an edge {}",
        draft.where("topology", "edges"),
        directed ? "directed graph is not strongly connected" : "graph is not connected",
        names[from], names[to], directed ? "there" : "between the parts"));
  };
  const auto lost = unreached(directed ? gossip::Along::forward : gossip::Along::both);
  if (lost) return refuse(present.front(), *lost);
  const auto cut_off = directed ? unreached(gossip::Along::backward) : std::nullopt;
  return cut_off ? Result<void>(refuse(*cut_off, present.front())) : Result<void>();
}

Result<void> resolve_edges(Draft& draft) {
  NodeIndex nodes{names_of(draft.config.nodes), {}};
  for (std::size_t i = 0; i < nodes.names.size(); ++i) nodes.index[nodes.names[i]] = i;
  const bool directed = gossip::is_directed(draft.config.topology.kind);
  std::set<std::pair<std::size_t, std::size_t>> seen;
  for (const ListedEdge& edge : draft.edges) {
    const Result<std::size_t> a = find_end(nodes, edge.a, edge.where);
    if (!a) return a.error();
    const Result<std::size_t> b = find_end(nodes, edge.b, edge.where);
    if (!b) return b.error();
    if (*a == *b) {
      return config_error(fmt::format(
          "{}: [topology] edges: found an edge from {} to itself, expected two different nodes",
          edge.where, nodes.names[*a]));
    }
    for (const std::size_t end : {*a, *b}) {
      if (!draft.config.nodes[end].left) continue;
      return config_error(fmt::format(
          "{}: [topology] edges: found the edge {}-{}, but {} has left; remove the edge, "
          "or left = true",
          edge.where, nodes.names[*a], nodes.names[*b], nodes.names[end]));
    }
    const std::pair<std::size_t, std::size_t> pair = {*a, *b}, either = std::minmax(*a, *b);
    if (!seen.insert(directed ? pair : either).second) {
      return config_error(fmt::format(
          "{}: [topology] edges: found the edge {}-{} again, expected each pair once in {}",
          edge.where, nodes.names[*a], nodes.names[*b], directed ? "this order" : "either order"));
    }
    draft.config.topology.edges.emplace_back(*a, *b);
  }
  return check_connected(draft, nodes.names);
}

Result<void> make_edges(Draft& draft) {
  const TopologyKind kind = draft.config.topology.kind;
  const bool wanted = kind == TopologyKind::edges || kind == TopologyKind::directed_edges;
  const std::string where = draft.where("topology", "edges");
  if (wanted && draft.edges.empty()) {
    return config_error(fmt::format(
        "{}: [topology] edges: {}, expected the pairs of nodes that kind = \"{}\" is about", where,
        draft.given("topology.edges") ? "found an empty array" : "missing", gossip::name_of(kind)));
  }
  if (wanted) return resolve_edges(draft);
  if (draft.edges.empty()) return {};
  return config_error(fmt::format(
      "{}: [topology] edges: found edges beside kind = \"{}\", which makes its own; set kind = "
      "\"edges\", or remove them (--set topology.edges=[])",
      where, gossip::name_of(kind)));
}

// Topology::make says "[topology] degree: …"; the place of that key goes before it. The number of
// nodes may come from [[node]].
Error placed(const Draft& draft, const Error& error) {
  if (!draft.nodes.empty() && error.message.starts_with("[topology] nodes:")) {
    return config_error(fmt::format("{}: {}", draft.where("node", ""), error.message));
  }
  for (const std::string& key : key_names("topology")) {
    if (!error.message.starts_with(fmt::format("[topology] {}:", key))) continue;
    return config_error(fmt::format("{}: {}", draft.where("topology", key), error.message));
  }
  return config_error(fmt::format("{}: {}", draft.where("topology", "kind"), error.message));
}

}  // namespace

Result<void> build_topology(Draft& draft) {
  if (Result<void> made = make_nodes(draft); !made) return made;
  if (Result<void> made = make_edges(draft); !made) return made;
  Config& config = draft.config;
  const Result<Topology> topology = Topology::make(config.topology, config.run.seed);
  if (!topology) return placed(draft, topology.error());
  if (!draft.config.optimal_relaxation) return {};
  if (topology->is_directed()) {
    return config_error(fmt::format(
        "{}: [gossip] relaxation: found \"optimal\", but the directed graph \"{}\" has no such; "
        "give a number",
        draft.where("gossip", "relaxation"), gossip::name_of(config.topology.kind)));
  }
  if (topology->nodes() > kSpectrumNodesMax) {
    return config_error(fmt::format(
        "{}: [gossip] relaxation: found \"optimal\" for {} nodes, expected at most {} nodes for "
        "it; give a number",
        draft.where("gossip", "relaxation"), topology->nodes(), kSpectrumNodesMax));
  }
  config.gossip.relaxation = topology->spectrum().optimal_relaxation();
  return {};
}

}  // namespace starling::node
