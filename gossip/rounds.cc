#include "gossip/rounds.h"

#include <fmt/format.h>

#include <algorithm>

#include "protocol/check.h"

namespace starling::gossip {
namespace {

Exchange exchange_of(const Received& message) { return {message.round, message.exchange}; }

}  // namespace

Rounds::Rounds(std::unique_ptr<Method> method, const std::vector<EdgeEnd>& edges, bool overlap)
    : method_(std::move(method)), overlap_(overlap) {
  for (const EdgeEnd& end : edges) {
    INVARIANT(edges_.empty() || edges_.back().peer < end.peer);
    edges_.push_back({end.peer, std::nullopt, false, {}, {}});
  }
}

void Rounds::handle(const Event& event, Time now, Outbox& out) {
  if (phase_ == Phase::diverged) return;
  std::visit([&](const auto& e) { on(e, now, out); }, event);
}

// ---- events ---------------------------------------------------------------------------------

void Rounds::on(const BeginRound& event, Time /*now*/, Outbox& out) {
  INVARIANT(phase_ == Phase::idle);
  current_ = {event.round, 0};
  for (Edge& edge : edges_) {
    edge.active = edge.epoch.has_value();
    drop_outdated(edge);
  }
  phase_ = Phase::stepping;
  if (overlap_) send_exchange(out);
  if (phase_ == Phase::diverged) return;
  out.push_back(RunLocalStep{event.round});
}

void Rounds::on(const PeerUp& event, Time now, Outbox& out) {
  const std::size_t index = index_of_peer(event.peer);
  Edge& edge = edges_[index];
  // Whatever the old epoch still held is void; the method starts this edge anew. The neighbor may
  // say again in the new epoch what it said in the old one.
  edge.active = false;
  edge.inbox.clear();
  edge.epoch = event.epoch;
  method_->open_edge(index, event.epoch);
  advance(now, out);
}

void Rounds::on(const PeerDown& event, Time now, Outbox& out) {
  take_down(index_of_peer(event.peer));
  advance(now, out);
}

void Rounds::on(const LocalStepDone& event, Time now, Outbox& out) {
  INVARIANT(phase_ == Phase::stepping);
  if (overlap_) {
    update_.assign(event.update.begin(), event.update.end());
    learning_rate_ = event.learning_rate;
  } else {
    method_->adapt({event.update, event.learning_rate});
    send_exchange(out);
    if (phase_ == Phase::diverged) return;
  }
  phase_ = Phase::exchanging;
  start_waiting(now, out);
  advance(now, out);
}

void Rounds::on(const Received& event, Time now, Outbox& out) {
  const std::size_t index = index_of_peer(event.from);
  Edge& edge = edges_[index];
  if (edge.epoch != event.epoch) return;  // of an edge that has been closed since
  if (auto why = objection(edge, event)) {
    out.push_back(Reject{edge.peer, std::move(*why)});
    take_down(index);
    advance(now, out);
    return;
  }
  if (phase_ != Phase::idle && exchange_of(event) < current_) return;  // we left it out of that
  if (phase_ == Phase::exchanging && exchange_of(event) == current_ && edge.active) {
    edge.arrivals.observe(now - waiting_since_);
  }
  edge.inbox.push_back(event);
  advance(now, out);
}

void Rounds::on(const TimerFired& event, Time now, Outbox& out) {
  if (event.timer != timer_ || phase_ != Phase::exchanging) return;
  const Duration waited = now - waiting_since_;
  for (std::size_t i = 0; i < edges_.size(); ++i) {
    Edge& edge = edges_[i];
    if (!is_missing(edge) || waited < edge.arrivals.deadline()) continue;
    out.push_back(LeaveOut{
        edge.peer, fmt::format("nothing came for round {} exchange {} within {:.1f} s (usual wait "
                               "{:.3f} s)",
                               current_.round, current_.index, seconds(waited),
                               seconds(edge.arrivals.mean()))});
    edge.arrivals.gave_up(waited);
    take_down(i);
  }
  arm_deadline(now, out);
  advance(now, out);
}

// ---- edges ----------------------------------------------------------------------------------

std::size_t Rounds::index_of_peer(NodeId peer) const {
  const auto it = std::find_if(edges_.begin(), edges_.end(),
                               [peer](const Edge& edge) { return edge.peer == peer; });
  INVARIANT(it != edges_.end());
  return static_cast<std::size_t>(it - edges_.begin());
}

// Why a correct neighbor cannot have sent this message now, if so.
std::optional<std::string> Rounds::objection(const Edge& edge, const Received& message) const {
  if (message.exchange >= method_->exchanges()) {
    return fmt::format("exchange {} of round {}, expected one below {}", message.exchange,
                       message.round, method_->exchanges());
  }
  if (!edge.inbox.empty() && exchange_of(message) <= exchange_of(edge.inbox.back())) {
    return fmt::format("round {} exchange {} came after round {} exchange {}", message.round,
                       message.exchange, edge.inbox.back().round, edge.inbox.back().exchange);
  }
  // A neighbor waits for our message before it goes on, so it can be one round ahead, no more.
  const std::size_t inbox_max = std::size_t{2} * method_->exchanges();
  if (edge.inbox.size() >= inbox_max) {
    return fmt::format("{} messages ahead of round {}, expected at most {}", edge.inbox.size() + 1,
                       current_.round, inbox_max);
  }
  const Result<void> checked = method_->check(exchange_of(message), message.body);
  if (!checked) {
    return fmt::format("round {} exchange {}: {}", message.round, message.exchange,
                       checked.error().message);
  }
  return std::nullopt;
}

// The neighbor is gone. Its message of the current exchange still counts if it is here and ours is
// on its way: a neighbor that finished its last round and left has counted ours.
void Rounds::take_down(std::size_t index) {
  Edge& edge = edges_[index];
  if (!edge.epoch) return;
  edge.epoch.reset();
  const bool sent = phase_ == Phase::exchanging || (phase_ == Phase::stepping && overlap_);
  edge.active = edge.active && sent && has_current(edge);
  edge.inbox.resize(edge.active ? 1 : 0);
  if (!edge.active) method_->close_edge(index);  // otherwise when it has been mixed
}

bool Rounds::has_current(const Edge& edge) const {
  return !edge.inbox.empty() && exchange_of(edge.inbox.front()) == current_;
}

void Rounds::drop_outdated(Edge& edge) {
  while (!edge.inbox.empty() && exchange_of(edge.inbox.front()) < current_) edge.inbox.pop_front();
}

// ---- exchanges ------------------------------------------------------------------------------

void Rounds::send_exchange(Outbox& out) {
  std::vector<std::size_t> active;
  for (std::size_t i = 0; i < edges_.size(); ++i) {
    if (edges_[i].active) active.push_back(i);
  }
  std::vector<SharedBytes> bodies(active.size());
  if (Result<void> encoded = method_->encode(current_, active, bodies); !encoded) {
    phase_ = Phase::diverged;
    out.push_back(Diverged{encoded.error().message});
    return;
  }
  for (std::size_t i = 0; i < active.size(); ++i) {
    const Edge& edge = edges_[active[i]];
    INVARIANT(edge.epoch.has_value());
    out.push_back(
        Send{edge.peer, *edge.epoch, current_.round, current_.index, std::move(bodies[i])});
  }
}

void Rounds::start_waiting(Time now, Outbox& out) {
  waiting_since_ = now;
  for (Edge& edge : edges_) {
    if (edge.active && has_current(edge)) edge.arrivals.observe(Duration{0});
  }
  arm_deadline(now, out);
}

void Rounds::arm_deadline(Time now, Outbox& out) {
  std::optional<Duration> earliest;
  for (const Edge& edge : edges_) {
    if (!is_missing(edge)) continue;
    earliest = std::min(earliest.value_or(Duration::max()), edge.arrivals.deadline());
  }
  if (!earliest) return;
  const Duration rest = std::max(Duration{0}, waiting_since_ + *earliest - now);
  out.push_back(ArmTimer{++timer_, rest});
}

// Goes through as many exchanges as the messages that are here allow.
void Rounds::advance(Time now, Outbox& out) {
  while (phase_ == Phase::exchanging) {
    for (Edge& edge : edges_) {
      // A message beyond the current exchange: the neighbor left this edge out of it.
      if (edge.active && !edge.inbox.empty() && !has_current(edge)) edge.active = false;
    }
    if (std::any_of(edges_.begin(), edges_.end(),
                    [this](const Edge& edge) { return is_missing(edge); })) {
      return;
    }
    mix_exchange();
    if (++current_.index == method_->exchanges()) {
      finish_round(out);
    } else {
      send_exchange(out);
      if (phase_ != Phase::diverged) start_waiting(now, out);
    }
  }
}

void Rounds::mix_exchange() {
  std::vector<Arrival> arrivals;
  for (std::size_t i = 0; i < edges_.size(); ++i) {
    Edge& edge = edges_[i];
    if (!edge.active) continue;
    arrivals.push_back({i, std::move(edge.inbox.front().body)});
    edge.inbox.pop_front();
  }
  method_->mix(current_, arrivals);
  for (std::size_t i = 0; i < edges_.size(); ++i) {
    if (!edges_[i].active || edges_[i].epoch) continue;
    edges_[i].active = false;
    method_->close_edge(i);
  }
}

void Rounds::finish_round(Outbox& out) {
  if (overlap_) method_->adapt({update_, learning_rate_});
  phase_ = Phase::idle;
  current_.index = 0;
  ++timer_;  // whatever is armed is outdated
  out.push_back(RoundFinished{current_.round});
}

std::vector<NodeId> Rounds::waiting_for() const {
  std::vector<NodeId> missing;
  if (phase_ != Phase::exchanging) return missing;
  for (const Edge& edge : edges_) {
    if (is_missing(edge)) missing.push_back(edge.peer);
  }
  return missing;
}

}  // namespace starling::gossip
