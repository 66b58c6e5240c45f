#include "daemon/command_advise_links.h"

#include <fmt/format.h>
#include <poll.h>

#include <algorithm>
#include <chrono>
#include <map>
#include <optional>
#include <utility>

#include "daemon/command_simulate_network.h"
#include "node/config_text.h"

namespace starling::daemon {
namespace {

constexpr std::chrono::seconds kPatience{2}, kPingPatience{8};
constexpr int kLookMs = 1000;
constexpr double kBusy = 0.5;  // of the time; who sends less is not at the limit
// Of what a link carries: full segments of TCP with timestamps, in IPv4 and Ethernet.
constexpr double kMessageShare = 1448.0 / 1514;

// What has gone into a link, as the node at its beginning tells, or into all of a node.
struct Seen {
  double sent_bytes = 0, sending_seconds = 0;
};
using Ways = std::map<std::pair<std::string, std::string>, Seen>;

Ways look(const std::vector<Asked>& nodes) {
  control::Request request;
  request.mutable_peers();
  const auto answers = ask_each(nodes, request, kPatience);
  if (!answers) return {};
  Ways ways;
  for (const Answer& answer : *answers) {
    for (const control::Peer& peer : answer.reply.peers().peers()) {
      if (peer.state() != "up") continue;
      ways[{answer.node, peer.name()}] = {static_cast<double>(peer.sent_bytes()),
                                          peer.sending_seconds()};
    }
  }
  return ways;
}

// Seconds one way, of the links that answer.
std::vector<sim::SingleLink> measure_delays(const std::vector<Asked>& nodes, const Ways& ways,
                                            const node::Config& config) {
  std::vector<sim::SingleLink> links;
  for (const auto& [ends, seen] : ways) {
    const auto node = std::ranges::find(nodes, ends.first, &Asked::node);
    control::Request request;
    request.mutable_ping()->set_peer(ends.second);
    const auto answer = ask_each({*node}, request, kPingPatience);
    const auto a = node::find_node(config, ends.first), b = node::find_node(config, ends.second);
    if (!answer || !a || !b) continue;
    const std::chrono::duration<double> one_way{answer->front().reply.ping().seconds() / 2};
    links.push_back({*a, *b, std::chrono::duration_cast<Duration>(one_way)});
  }
  return links;
}

Duration median_of(std::vector<sim::SingleLink> links) {
  const auto middle = links.begin() + static_cast<std::ptrdiff_t>(links.size() / 2);
  std::ranges::nth_element(links, middle, {}, [](const sim::SingleLink& l) { return *l.delay; });
  return *middle->delay;
}

struct Rate {
  std::optional<double> bytes_per_second;  // of the slowest uplink that was busy
  double busiest = 0;                      // share of the time, of any node
};

// What the links of a node carry together while the busiest of them is busy is its uplink's rate.
Rate measure_rate(const std::vector<Asked>& nodes, const Ways& before) {
  const auto begin = std::chrono::steady_clock::now();
  ::poll(nullptr, 0, kLookMs);
  const Ways after = look(nodes);
  const double passed = seconds(std::chrono::steady_clock::now() - begin);
  std::map<std::string, Seen> uplinks;
  for (const auto& [ends, was] : before) {
    const auto is = after.find(ends);
    if (is == after.end()) continue;
    Seen& uplink = uplinks[ends.first];
    uplink.sent_bytes += is->second.sent_bytes - was.sent_bytes;
    uplink.sending_seconds =
        std::max(uplink.sending_seconds, is->second.sending_seconds - was.sending_seconds);
  }
  Rate rate;
  for (const auto& [node, uplink] : uplinks) {
    rate.busiest = std::max(rate.busiest, uplink.sending_seconds / passed);
    if (uplink.sending_seconds < kBusy * passed) continue;
    const double bytes = uplink.sent_bytes / uplink.sending_seconds;
    rate.bytes_per_second = std::min(rate.bytes_per_second.value_or(bytes), bytes);
  }
  return rate;
}

std::string missing_words(const LinkWords& words) {
  if (words.rate.empty() && words.delay.empty()) return "--rate 100mbit --delay 10ms";
  return words.rate.empty() ? "--rate 100mbit" : "--delay 10ms";
}

}  // namespace

Result<Links> links_of(const AskOptions& options, const LinkWords& words, const node::Run& run) {
  NetworkFlags flags;
  if (!words.rate.empty()) flags.rate = words.rate;
  if (!words.delay.empty()) flags.delay = words.delay;
  auto network = simulation_options(flags, run);
  if (!network) return network.error();
  Links links{.network = std::move(*network), .origin = "as given"};
  const auto nodes = asked_nodes(options);
  if (!nodes) return nodes.error();
  const Ways ways = look(*nodes);
  links.daemons = !ways.empty();
  links.bytes_per_second = links.network.link.bytes_per_second;
  links.network.link.bytes_per_second *= kMessageShare;
  if (!words.rate.empty() && !words.delay.empty()) return links;
  if (ways.empty()) {
    return config_error(fmt::format(
        "no daemon of run '{}' answers on this machine with a link that is up, so nothing is known "
        "of its links; say what they are, such as {}",
        run.config.run.name, missing_words(words)));
  }
  std::vector<std::string> measured;
  if (words.delay.empty()) {
    links.network.links = measure_delays(*nodes, ways, run.config);
    if (links.network.links.empty()) {
      return config_error(
          "no neighbor answered a ping, so the delay of the links is not known; say "
          "what it is, such as --delay 10ms");
    }
    links.network.link.delay = median_of(links.network.links);
    measured.push_back(fmt::format("the delay of {} links by ping", links.network.links.size()));
  }
  if (words.rate.empty()) {
    const Rate rate = measure_rate(*nodes, ways);
    if (!rate.bytes_per_second) {
      return config_error(
          fmt::format("the links of run '{}' were busy for {:.0f} % of a second at most, so how "
                      "fast they can be "
                      "is not known; say what it is, such as --rate 100mbit",
                      run.config.run.name, 100 * rate.busiest));
    }
    links.network.link.bytes_per_second = links.bytes_per_second = *rate.bytes_per_second;
    measured.push_back("the rate by what busy links carried");
  }
  links.origin = fmt::format("measured: {}", fmt::join(measured, ", "));
  return links;
}

}  // namespace starling::daemon
