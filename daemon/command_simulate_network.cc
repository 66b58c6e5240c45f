#include "daemon/command_simulate_network.h"

#include <fmt/format.h>

#include <charconv>
#include <cmath>
#include <map>

#include "daemon/options.h"
#include "node/config_names.h"
#include "node/config_text.h"

namespace starling::daemon {
namespace {

constexpr double kFactorMax = 1e6;

using Names = std::map<std::string, NodeId>;

Error within(const std::string& flag, const Error& error) {
  return {error.code, fmt::format("{}: {}", flag, error.message)};
}

Error unknown_node(const std::string& flag, const std::string& name, const node::Config& config) {
  std::vector<std::string> names;
  for (const node::NodeEntry& node : config.nodes) names.push_back(node.name);
  const std::string near = node::nearest(name, names);
  return config_error(fmt::format(
      "{}: no node is called '{}'; {}the nodes are {}", flag, node::shown(name),
      near.empty() ? "" : fmt::format("did you mean '{}'? ", near), node::listed(names)));
}

std::optional<double> number(const std::string& text) {
  double value = 0;
  const char* const end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, value);
  if (error != std::errc{} || stop != end || !std::isfinite(value)) return std::nullopt;
  return value;
}

// "n3=4"
Result<std::pair<NodeId, double>> parse_slow(const std::string& text, const Names& names,
                                             const node::Config& config) {
  const std::string flag = fmt::format("--slow {}", node::shown(text));
  const auto equals = text.rfind('=');
  if (equals == text.npos || equals == 0) {
    return config_error(fmt::format("{}: expected node=factor, such as n3=4", flag));
  }
  const std::string name = text.substr(0, equals), factor = text.substr(equals + 1);
  const auto node = names.find(name);
  if (node == names.end()) return unknown_node(flag, name, config);
  const auto value = number(factor);
  if (!value || *value <= 0 || *value > kFactorMax) {
    return config_error(
        fmt::format("{}: found the factor '{}', expected a number above 0 and at "
                    "most {:.0f}",
                    flag, node::shown(factor), kFactorMax));
  }
  return std::pair{node->second, *value};
}

// "n0-n1". A name may hold a '-' itself, so each is tried.
Result<std::pair<NodeId, NodeId>> parse_ends(const std::string& text, const std::string& flag,
                                             const Names& names) {
  std::optional<std::pair<NodeId, NodeId>> ends;
  for (auto dash = text.find('-'); dash != text.npos; dash = text.find('-', dash + 1)) {
    const auto a = names.find(text.substr(0, dash)), b = names.find(text.substr(dash + 1));
    if (a == names.end() || b == names.end()) continue;
    if (ends) {
      return config_error(
          fmt::format("{}: found the link '{}', which can be read in two ways; "
                      "name its other end first",
                      flag, node::shown(text)));
    }
    ends = std::pair{a->second, b->second};
  }
  if (ends) return *ends;
  return config_error(fmt::format(
      "{}: found the link '{}', expected the names of two nodes with '-' between, such as n0-n1",
      flag, node::shown(text)));
}

// "delay=80ms" or "rate=2mbit"
Result<void> read_property(const std::string& text, const std::string& flag,
                           sim::SingleLink& link) {
  const auto equals = text.find('=');
  const std::string key = text.substr(0, equals);
  const std::string value = equals == text.npos ? "" : text.substr(equals + 1);
  if (key == "delay" && equals != text.npos) {
    const auto delay = parse_duration(value);
    if (!delay) return within(flag, delay.error());
    link.delay = *delay;
  } else if (key == "rate" && equals != text.npos) {
    const auto rate = parse_rate(value);
    if (!rate) return within(flag, rate.error());
    link.bytes_per_second = *rate;
  } else {
    return config_error(
        fmt::format("{}: found '{}', expected delay=TIME or rate=RATE", flag, node::shown(text)));
  }
  return {};
}

// "n0-n1:delay=80ms,rate=2mbit"
Result<sim::SingleLink> parse_link(const std::string& text, const Names& names,
                                   const gossip::Topology& topology) {
  const std::string flag = fmt::format("--link {}", node::shown(text));
  const auto colon = text.find(':');
  if (colon == text.npos) {
    return config_error(
        fmt::format("{}: expected A-B:delay=TIME,rate=RATE, such as n0-n1:delay=80ms", flag));
  }
  const auto ends = parse_ends(text.substr(0, colon), flag, names);
  if (!ends) return ends.error();
  if (!topology.has_edge(ends->first, ends->second)) {
    return config_error(
        fmt::format("{}: the graph has no edge {}; `starling topology` lists those that it has",
                    flag, node::shown(text.substr(0, colon))));
  }
  sim::SingleLink link{ends->first, ends->second};
  std::string rest = text.substr(colon + 1);
  for (bool more = true; more;) {
    const auto comma = rest.find(',');
    more = comma != rest.npos;
    auto read = read_property(rest.substr(0, comma), flag, link);
    if (!read) return read.error();
    rest.erase(0, more ? comma + 1 : rest.size());
  }
  return link;
}

Result<void> read_times(const NetworkFlags& flags, sim::SimulationOptions& options) {
  for (const auto& [name, text, place] :
       {std::tuple{"--delay", &flags.delay, &options.link.delay},
        std::tuple{"--jitter", &flags.jitter, &options.link.jitter},
        std::tuple{"--step", &flags.step, &options.step}}) {
    const auto time = parse_duration(*text);
    if (!time) return within(name, time.error());
    *place = *time;
  }
  if (flags.rate.empty()) return {};
  const auto rate = parse_rate(flags.rate);
  if (!rate) return within("--rate", rate.error());
  options.link.bytes_per_second = *rate;
  return {};
}

}  // namespace

void NetworkFlags::add_to(CommandLine line) {
  line.add_option("--delay", delay, "one-way delay of every link").type_name("TIME");
  line.add_option("--jitter", jitter, "a message takes up to that much longer, uniformly")
      .type_name("TIME");
  line.add_option("--rate", rate, "rate of every node's uplink and downlink").type_name("RATE");
  line.add_option("--step", step, "what a local step takes").type_name("TIME");
  line.add_option("--slow", slow, "a node whose step takes so many times as long; repeatable")
      .type_name("NODE=FACTOR")
      .one_value();
  line.add_option("--link", links, "a link that differs from the others; repeatable")
      .type_name("A-B:delay=TIME,rate=RATE")
      .one_value();
}

std::vector<std::string> NetworkFlags::given() const {
  std::vector<std::string> out;
  const NetworkFlags fallback;
  for (const auto& [name, text, usual] :
       {std::tuple{"--delay", &delay, &fallback.delay},
        std::tuple{"--jitter", &jitter, &fallback.jitter},
        std::tuple{"--rate", &rate, &fallback.rate}, std::tuple{"--step", &step, &fallback.step}}) {
    if (*text != *usual) out.push_back(fmt::format("{} {}", name, *text));
  }
  for (const std::string& one : slow) out.push_back("--slow " + one);
  for (const std::string& one : links) out.push_back("--link " + one);
  return out;
}

Result<sim::SimulationOptions> simulation_options(const NetworkFlags& flags, const node::Run& run) {
  sim::SimulationOptions options;
  if (auto read = read_times(flags, options); !read) return read.error();
  Names names;
  for (std::size_t i = 0; i < run.config.nodes.size(); ++i) {
    names[run.config.nodes[i].name] = node_id(i);
  }
  for (const std::string& text : flags.slow) {
    const auto slow = parse_slow(text, names, run.config);
    if (!slow) return slow.error();
    options.slow.insert_or_assign(slow->first, slow->second);
  }
  if (!flags.slow.empty() && options.step == Duration{0}) {
    return config_error(
        "--slow: a local step takes no time, however many times; add --step, such as --step 4ms");
  }
  for (const std::string& text : flags.links) {
    auto link = parse_link(text, names, run.topology);
    if (!link) return link.error();
    options.links.push_back(*link);
  }
  return options;
}

}  // namespace starling::daemon
