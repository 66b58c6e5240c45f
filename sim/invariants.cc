#include "sim/invariants.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "compress/finite.h"

namespace starling::sim {
namespace {

constexpr std::size_t kEventsKept = 200;

std::string describe(const node::Start&) { return "starts"; }
std::string describe(const node::PeerUp& e) {
  return fmt::format("n{} up, epoch {}, round {}", index_of(e.peer), e.epoch, e.round);
}
std::string describe(const node::PeerDown& e) { return fmt::format("n{} down", index_of(e.peer)); }
std::string describe(const node::Received& e) {
  return fmt::format("from n{}: {} epoch {} round {} exchange {} base {:016x} {} bytes",
                     index_of(e.from), static_cast<int>(e.parcel.type), e.parcel.epoch,
                     e.parcel.round, e.parcel.exchange, e.parcel.base, e.parcel.body.size());
}
std::string describe(const node::TimerFired& e) { return fmt::format("timer {}", e.timer); }
std::string describe(const node::StepComputed&) { return "local step"; }
std::string describe(const node::Evaluated&) { return "evaluated"; }
std::string describe(const node::CheckpointSaved&) { return "checkpoint saved"; }
std::string describe(const node::CheckpointRequested&) { return "asked for a checkpoint"; }
std::string describe(const node::StopRequested&) { return "asked to stop"; }

}  // namespace

bool conserves_sum(gossip::AlgorithmKind kind) {
  using enum gossip::AlgorithmKind;
  return kind == d_psgd || kind == powergossip || kind == choco || kind == deepsqueeze ||
         kind == moniqua || kind == ad_psgd;
}

Invariants::Invariants(const node::Run& run, Simulation& simulation, bool conserved)
    : run_(run), simulation_(simulation), conserved_(conserved) {
  for (std::size_t i = 0; i < run.topology.nodes(); ++i) {
    const auto model = simulation.model(node_id(i));
    sum_.resize(model.size());
    for (std::size_t k = 0; k < sum_.size(); ++k) sum_[k] += model[k];
  }
  simulation.watch([this](NodeId node, const node::CoreEvent& event) { look(node, event); });
}

void Invariants::fail(std::string what) {
  if (!broken_) broken_ = fmt::format("{:.6f} s: {}", seconds(simulation_.now()), what);
}

void Invariants::look(NodeId node, const node::CoreEvent& event) {
  if (broken_) return;
  note(node, event);
  const node::Core& core = simulation_.core(node);
  if (std::holds_alternative<node::StepComputed>(event)) {
    const auto update = core.update();
    for (std::size_t k = 0; k < sum_.size(); ++k) sum_[k] -= update[k];
  }
  check_model(node);
  for (const gossip::EdgeStatus& edge : core.algorithm().edges()) check_edge(node, edge);
}

void Invariants::note(NodeId node, const node::CoreEvent& event) {
  const std::string what = std::visit([](const auto& e) { return describe(e); }, event);
  std::string line =
      fmt::format("{:.6f} s n{} {}", seconds(simulation_.now()), index_of(node), what);
  trace_ = trace_ * 0x9e3779b97f4a7c15ULL + hash_of(std::as_bytes(std::span(line)));
  events_.push_back(std::move(line));
  if (events_.size() > kEventsKept) events_.pop_front();
}

std::string Invariants::last_events() const {
  std::string text;
  for (const std::string& line : events_) text += line + '\n';
  return text;
}

void Invariants::check_model(NodeId node) {
  const auto model = simulation_.model(node);
  if (const auto at = compress::first_non_finite(model)) {
    return fail(fmt::format("n{} has {} at index {}", index_of(node), model[*at], *at));
  }
  for (const float x : model) largest_ = std::max(largest_, std::abs(static_cast<double>(x)));
}

void Invariants::check_edge(NodeId node, const gossip::EdgeStatus& edge) {
  const auto fail_edge = [&](const std::string& what) {
    fail(fmt::format("edge n{}-n{}: {}", index_of(node), index_of(edge.peer), what));
  };
  const std::size_t largest = simulation_.core(node).body_bytes_max();
  const std::size_t exchanges = std::max<std::size_t>(1, run_.config.gossip.iterations);
  if (edge.queued_bytes > 2 * std::max<std::size_t>(exchanges, 2) * largest) {
    fail_edge(
        fmt::format("{} bytes are queued, the largest message has {}", edge.queued_bytes, largest));
  }
  // In order, each once.
  Seen& seen = seen_[{node, edge.peer}];
  const std::uint64_t life = simulation_.life(node);
  if (seen.life == life && seen.ledger.history == edge.ledger.history) {
    if (edge.ledger.count < seen.ledger.count ||
        edge.ledger.count > seen.ledger.count + exchanges + 1) {
      fail_edge(fmt::format("the count went from {} to {}", seen.ledger.count, edge.ledger.count));
    }
    if (edge.ledger.count > seen.ledger.count) mixings_ += edge.ledger.count - seen.ledger.count;
  }
  seen = {life, edge.ledger};
  // Both ends.
  const gossip::Algorithm& far = simulation_.core(edge.peer).algorithm();
  for (const gossip::EdgeStatus& other : far.edges()) {
    if (other.peer != node || other.ledger.history != edge.ledger.history) continue;
    const gossip::Settlement &a = edge.ledger, &b = other.ledger;
    if (a.history == 0) continue;
    // One that came back with an old checkpoint knows less, until the two have settled.
    const bool remembers = life == 0 && simulation_.life(edge.peer) == 0;
    if (!remembers && !(edge.in_use && other.in_use)) continue;
    const std::uint64_t apart = a.count > b.count ? a.count - b.count : b.count - a.count;
    if (apart > 1) fail_edge(fmt::format("one end counted {}, the other {}", a.count, b.count));
    if (apart == 1 && (a.count > b.count ? a.before != b.chain : b.before != a.chain)) {
      fail_edge("one end is an exchange ahead of another history");
    }
    if (apart == 0 && a.chain != b.chain) fail_edge("both ends counted as much, not the same");
    if (apart == 0 && edge.in_use && other.in_use &&
        simulation_.core(node).algorithm().edge_hash(edge.peer) != far.edge_hash(node)) {
      fail_edge(fmt::format("what both ends hold differs after {} exchanges", a.count));
    }
  }
}

void Invariants::check_end(Time at_latest) {
  if (broken_) return;
  if (simulation_.failure()) return fail(*simulation_.failure());
  if (simulation_.now() > at_latest) {
    return fail(
        fmt::format("the run took until now, expected at most {:.6f} s", seconds(at_latest)));
  }
  for (std::size_t i = 0; i < run_.topology.nodes(); ++i) {
    const NodeId node = node_id(i);
    if (!simulation_.alive(node)) continue;
    const node::Progress progress = simulation_.progress(node);
    if (progress.phase != node::Phase::finished || progress.rounds_done != run_.config.run.rounds) {
      return fail(
          fmt::format("n{} is in round {} of {}", i, progress.rounds_done, run_.config.run.rounds));
    }
  }
  if (conserved_) check_sum();
}

// Float rounding of each local step and mixing step: 2^-24 of the largest |x| a coordinate.
void Invariants::check_sum() {
  for (const gossip::Edge& edge : run_.topology.edges()) {
    const auto ledger_of = [&](NodeId node, NodeId peer) {
      for (const gossip::EdgeStatus& e : simulation_.core(node).algorithm().edges()) {
        if (e.peer == peer) return e.ledger;
      }
      return gossip::Settlement{};
    };
    const auto low = ledger_of(edge.low, edge.high), high = ledger_of(edge.high, edge.low);
    if (low.history != high.history || low.count != high.count) {
      return fail(fmt::format("edge n{}-n{}: one end counted {} in history {}, the other {} in {}",
                              index_of(edge.low), index_of(edge.high), low.count, low.history,
                              high.count, high.history));
    }
  }
  std::vector<double> now(sum_.size(), 0.0);
  for (std::size_t i = 0; i < run_.topology.nodes(); ++i) {
    const auto model = simulation_.model(node_id(i));
    for (std::size_t k = 0; k < now.size(); ++k) now[k] += model[k];
  }
  const auto nodes = static_cast<double>(run_.topology.nodes());
  const double steps =
      static_cast<double>(mixings_) / nodes + static_cast<double>(run_.config.run.rounds);
  const double allowed = 8 * nodes * largest_ * 0x1p-24 * steps;
  for (std::size_t k = 0; k < now.size(); ++k) {
    if (std::abs(now[k] - sum_[k]) > allowed) {
      return fail(
          fmt::format("the models' sum at {} is {}, the local steps make it {}; {} is allowed", k,
                      now[k], sum_[k], allowed));
    }
  }
}

}  // namespace starling::sim
