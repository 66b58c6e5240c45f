#include "sim/invariants.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "compress/finite.h"
#include "gossip/algorithms.h"

namespace starling::sim {
namespace {

constexpr std::size_t kEventsKept = 200;

std::string describe(const node::Start&) { return "starts"; }
std::string describe(const node::PeerUp& e) {
  return fmt::format("n{} up, epoch {}, round {}", index_of(e.peer), e.epoch, e.round);
}
std::string describe(const node::PeerDown& e) { return fmt::format("n{} down", index_of(e.peer)); }
std::string describe(const node::PeerLeft& e) { return fmt::format("n{} left", index_of(e.peer)); }
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
std::string describe(const node::PauseRequested& e) { return e.on ? "rests" : "goes on"; }
std::string describe(const node::LinkMeasured& e) {
  return fmt::format("n{} takes {:.0f} bytes a second", index_of(e.peer), e.bytes_per_second);
}
std::string describe(const node::HandOverRequested&) { return "reads its run file again"; }
std::string describe(const node::StopRequested&) { return "asked to stop"; }

}  // namespace

Conserved conserved_by(const gossip::GossipOptions& options) {
  using enum gossip::AlgorithmKind;
  switch (options.algorithm) {
    case none:
    case d_psgd:
    case powergossip:
    case choco:
    case deepsqueeze:
    case moniqua:
    case sgp:
    case ad_psgd: return Conserved::by_mixing;
    case powergossip_exact:
    case cold:
    case dyna_cold:
    case lead:
    case lessbit:
    case nids:
    case d2: return Conserved::with_duals;
    case def_atc:
    case actc:
    case gradient_tracking:
    case beer: return Conserved::nothing;
    default: break;  // in a mesh owners tell, and nothing moves by opposites
  }
  return Conserved::nothing;
}

Invariants::Invariants(const node::Run& run, Simulation& simulation, Expectations expected)
    : run_(run),
      simulation_(simulation),
      expected_(expected),
      conserved_(conserved_by(run.config.gossip)),
      overlaps_(gossip::overlaps(run.config.gossip)) {
  for (std::size_t i = 0; i < run.topology.nodes(); ++i) {
    const auto x = simulation.core(node_id(i)).algorithm().conserved();
    sum_.resize(x.size());
    for (std::size_t k = 0; k < sum_.size(); ++k) sum_[k] += x[k];
  }
  simulation.watch([this](NodeId host, const node::CoreEvent& event) { look(host, event); });
}

void Invariants::fail(std::string what) {
  if (!broken_) broken_ = fmt::format("{:.6f} s: {}", seconds(simulation_.now()), what);
}

void Invariants::fail_edge(NodeId host, NodeId peer, const std::string& what) {
  fail(fmt::format("edge n{}-n{}: {}", index_of(host), index_of(peer), what));
}

void Invariants::look(NodeId host, const node::CoreEvent& event) {
  if (broken_) return;
  note(host, event);
  // Here everybody sends what a correct node sends, whatever got lost.
  if (simulation_.rejection()) return fail("rejected: " + *simulation_.rejection());
  Host& seen = seen_[host];
  const bool is_new = seen.life != simulation_.life(host);
  if (is_new) {
    seen = {.life = simulation_.life(host)};
    if (const auto& field = simulation_.wrong_field(host)) wrong_.insert({host, *field});
  }
  if (const auto* up = std::get_if<node::PeerUp>(&event)) {
    seen.edges[up->peer].with = simulation_.partner(host, up->peer);
  }
  check_model(host);
  const Edges edges = simulation_.core(host).algorithm().edges();
  if (!is_new) {
    for (const gossip::EdgeStatus& edge : edges) {
      check_order(host, seen.edges[edge.peer].status, edge);
    }
  }
  check_move(host, event, edges);
  remember(host, edges);
  for (const gossip::EdgeStatus& edge : edges) check_both_ends(host, edge);
}

void Invariants::note(NodeId host, const node::CoreEvent& event) {
  const std::string what = std::visit([](const auto& e) { return describe(e); }, event);
  std::string line =
      fmt::format("{:.6f} s n{} {}", seconds(simulation_.now()), index_of(host), what);
  trace_ = trace_ * 0x9e3779b97f4a7c15ULL + hash_of(std::as_bytes(std::span(line)));
  events_.push_back(std::move(line));
  if (events_.size() > kEventsKept) events_.pop_front();
}

std::string Invariants::last_events(std::size_t most) const {
  std::string text;
  const std::size_t left_out = events_.size() - std::min(most, events_.size());
  for (std::size_t i = left_out; i < events_.size(); ++i) text += events_[i] + '\n';
  return text;
}

void Invariants::check_model(NodeId host) {
  const auto model = simulation_.model(host);
  if (const auto at = compress::first_non_finite(model)) {
    return fail(fmt::format("n{} has {} at index {}", index_of(host), model[*at], *at));
  }
  for (const float x : model) largest_ = std::max(largest_, std::abs(static_cast<double>(x)));
}

void Invariants::check_order(NodeId host, const gossip::EdgeStatus& before,
                             const gossip::EdgeStatus& now) {
  const std::size_t largest = simulation_.core(host).body_bytes_max();
  const std::size_t exchanges = std::max<std::size_t>(1, run_.config.gossip.iterations);
  if (now.queued_bytes > 2 * std::max<std::size_t>(exchanges, 2) * largest) {
    fail_edge(
        host, now.peer,
        fmt::format("{} bytes are queued, the largest message has {}", now.queued_bytes, largest));
  }
  if (simulation_.wrong_field(host) && (now.up || now.ledger.history != 0)) {
    fail_edge(host, now.peer,
              fmt::format("it is up though n{} has another {}", index_of(host),
                          *simulation_.wrong_field(host)));
  }
  if (before.ledger.history != now.ledger.history) return;
  if (now.ledger.count < before.ledger.count ||
      now.ledger.count > before.ledger.count + exchanges + 1) {
    fail_edge(host, now.peer,
              fmt::format("the count went from {} to {}", before.ledger.count, now.ledger.count));
  }
}

void Invariants::check_both_ends(NodeId host, const gossip::EdgeStatus& edge) {
  const Seen& here = seen_[host].edges[edge.peer];
  if (!here.counted || edge.ledger.history == 0) return;
  const NodeId name = simulation_.name_of(host);
  const auto far = seen_.find(*here.counted);
  if (far == seen_.end() || far->second.life != simulation_.life(far->first)) return;
  const Seen& there = far->second.edges[name];
  if (there.counted != host || there.status.ledger.history != edge.ledger.history) return;
  // One that came back with an old checkpoint knows less, until the two have settled.
  const bool remembers = simulation_.life(host) == 0 && simulation_.life(far->first) == 0;
  const bool in_use = edge.in_use && there.status.in_use;
  if (!remembers && !in_use) return;
  const gossip::Settlement &a = edge.ledger, &b = there.status.ledger;
  const std::uint64_t apart = a.count > b.count ? a.count - b.count : b.count - a.count;
  if (apart > 1) {
    fail_edge(host, edge.peer, fmt::format("one end counted {}, the other {}", a.count, b.count));
  }
  if (apart == 1 && (a.count > b.count ? a.before != b.chain : b.before != a.chain)) {
    fail_edge(host, edge.peer, "one end is an exchange ahead of another history");
  }
  if (apart == 0 && a.chain != b.chain) {
    fail_edge(host, edge.peer, "both ends counted as much, not the same");
  }
  const auto hash_at = [&](NodeId end, NodeId peer) {
    return simulation_.core(end).algorithm().edge_hash(peer);
  };
  if (apart == 0 && in_use && hash_at(host, edge.peer) != hash_at(far->first, name)) {
    fail_edge(host, edge.peer,
              fmt::format("what both ends hold differs after {} exchanges", a.count));
  }
}

// ---- conservation ---------------------------------------------------------------------------

// Where exchanges run behind the local step it is taken at once, otherwise when the round ends.
bool Invariants::takes_update(Host& seen, const node::CoreEvent& event, Round round) const {
  if (std::holds_alternative<node::StepComputed>(event)) seen.holds_update = true;
  if (!seen.holds_update || (overlaps_ && round == seen.round)) return false;
  seen.holds_update = false;
  return true;
}

std::vector<Term> Invariants::terms_of(NodeId host, const node::CoreEvent& event,
                                       const Edges& edges) {
  std::vector<Term> terms;
  Host& seen = seen_[host];
  const bool steps = std::holds_alternative<node::StepComputed>(event);
  for (const gossip::EdgeStatus& edge : edges) {
    const Seen& before = seen.edges[edge.peer];
    if (!before.with) continue;
    const gossip::Settlement &was = before.status.ledger, &is = edge.ledger;
    Term term{.self = host,
              .peer = *before.with,
              .history = is.history,
              .lives = simulation_.life(host) + simulation_.life(*before.with),
              .exchange = was.history == is.history ? was.count : 0};
    if (conserved_ == Conserved::with_duals && steps && before.status.in_use && was.count > 0) {
      terms.push_back(term);
      terms.back().dual_in = seen.round;
    }
    while (term.exchange++ < is.count) terms.push_back(term);
  }
  return terms;
}

void Invariants::check_move(NodeId host, const node::CoreEvent& event, const Edges& edges) {
  if (conserved_ == Conserved::nothing) return;
  const node::Core& core = simulation_.core(host);
  Host& seen = seen_[host];
  std::vector<double> now = core.algorithm().conserved();
  if (seen.fetches && !seen.conserved.empty()) {
    for (std::size_t k = 0; k < now.size(); ++k) sum_[k] += now[k] - seen.conserved[k];
  } else if (!seen.conserved.empty()) {
    Move move{.by = now};
    for (std::size_t k = 0; k < now.size(); ++k) {
      move.largest = std::max({move.largest, std::abs(now[k]), std::abs(seen.conserved[k])});
      move.by[k] -= seen.conserved[k];
    }
    const auto update = core.update();
    if (takes_update(seen, event, core.progress(simulation_.now()).rounds_done)) {
      for (std::size_t k = 0; k < update.size(); ++k) move.by[k] += update[k];
      for (std::size_t k = 0; k < update.size(); ++k) sum_[k] -= update[k];
    }
    move.terms = terms_of(host, event, edges);
    mixings_ += move.terms.size();
    if (const auto wrong = conservation_.note(std::move(move))) fail(*wrong);
  }
  seen.conserved = std::move(now);
  seen.fetches = core.progress(simulation_.now()).phase == node::Phase::fetching;
}

void Invariants::remember(NodeId host, const Edges& edges) {
  Host& seen = seen_[host];
  seen.round = simulation_.progress(host).rounds_done;
  std::erase_if(seen.edges, [&](const auto& known) {  // the graph has changed
    return std::ranges::find(edges, known.first, &gossip::EdgeStatus::peer) == edges.end();
  });
  for (const gossip::EdgeStatus& edge : edges) {
    Seen& known = seen.edges[edge.peer];
    const gossip::EdgeStatus& before = known.status;
    if (edge.counted > before.counted) {
      counts_.exchanges += edge.counted - before.counted;
      const NodeId self = simulation_.name_of(host);
      const auto [low, high] = std::minmax(self, edge.peer);
      if (simulation_.now() >= expected_.calm) again_.insert({{low, high}, simulation_.now()});
    }
    // A life that goes on from a checkpoint begins with what that had counted.
    if (edge.made_up > before.made_up) counts_.made_up += edge.made_up - before.made_up;
    if (edge.reopened > before.reopened) counts_.reopened += edge.reopened - before.reopened;
    if (known.status.ledger != edge.ledger) known.counted = known.with;
    known.status = edge;
  }
}

Duration Invariants::recovery() const {
  Duration longest{0};
  for (const auto& [edge, at] : again_) longest = std::max(longest, at - expected_.calm);
  return longest;
}

// ---- the end --------------------------------------------------------------------------------

void Invariants::check_refusals() {
  for (const Refusal& refusal : simulation_.refusals()) {
    if (!refusal.mismatch) continue;
    const std::string& field = refusal.mismatch->field;
    if (wrong_.contains({refusal.by, field}) || wrong_.contains({refusal.whom, field})) continue;
    return fail(fmt::format("n{} refused n{} for its {}, which is the same", index_of(refusal.by),
                            index_of(refusal.whom), field));
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
  check_refusals();
  if (conserved_ == Conserved::by_mixing && expected_.keeps_memory) check_sum();
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
    const auto x = simulation_.core(node_id(i)).algorithm().conserved();
    for (std::size_t k = 0; k < now.size(); ++k) now[k] += x[k];
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
