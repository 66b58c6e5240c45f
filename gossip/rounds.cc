#include "gossip/rounds.h"

#include <fmt/format.h>

#include <algorithm>

#include "protocol/check.h"

namespace starling::gossip {

Rounds::Rounds(std::unique_ptr<Method> method, const std::vector<EdgeEnd>& edges, bool overlap)
    : method_(std::move(method)),
      overlap_(overlap),
      edges_(*method_, edges, Numbering::by_round),
      parts_(edges.size()),
      patience_(edges.size()) {}

void Rounds::handle(Event event, Time now, Outbox& out) {
  if (phase_ == Phase::diverged) return;
  std::visit([&](auto& e) { on(std::move(e), now, out); }, event);
}

// ---- events ---------------------------------------------------------------------------------

void Rounds::on(const BeginRound& event, Time /*now*/, Outbox& out) {
  INVARIANT(phase_ == Phase::idle);
  current_ = {event.round, 0};
  for (std::size_t i = 0; i < edges_.size(); ++i) {
    parts_[i].active = edges_.is_settled(i) && event.round >= parts_[i].from;
    if (parts_[i].active) edges_.bring_in(i);
    drop_outdated(i);
  }
  phase_ = Phase::stepping;
  if (overlap_ && !method_->is_silent(event.round)) send_exchange(out);
  if (phase_ == Phase::diverged) return;
  out.push_back(RunLocalStep{event.round});
}

void Rounds::on(const PeerUp& event, Time now, Outbox& out) {
  const std::size_t index = edges_.index_of(event.peer);
  Part& part = parts_[index];
  // Whatever the old epoch still held does not count here; the ledgers know what does.
  take_down(index);
  if (part.active) {
    part.active = false;
    edges_.inbox(index).clear();
    suspend(index);
  }
  part.from = 0;
  edges_.link_up(index, event.epoch, out);
  join_if_settled(index, false, out);
  advance(now, out);
}

void Rounds::on(const PeerDown& event, Time now, Outbox& out) {
  take_down(edges_.index_of(event.peer));
  advance(now, out);
}

void Rounds::on(const LocalStepDone& event, Time now, Outbox& out) {
  INVARIANT(phase_ == Phase::stepping);
  if (overlap_) {
    step_ = {event.update, event.learning_rate, current_.round, event.buffer};
  } else {
    method_->adapt({event.update, event.learning_rate, current_.round, event.buffer});
  }
  if (method_->is_silent(current_.round)) return finish_round(out);
  if (!overlap_) send_exchange(out);
  if (phase_ == Phase::diverged) return;
  phase_ = Phase::exchanging;
  start_waiting(now, out);
  advance(now, out);
}

void Rounds::on(Received&& event, Time now, Outbox& out) {
  const std::size_t index = edges_.index_of(event.from);
  Parcel& parcel = event.parcel;
  if (!edges_.is_of(index, parcel.epoch)) return;  // of a link that has been closed since
  const bool settled = edges_.is_settled(index);
  if (parcel.type == FrameType::joining && settled) {
    take_joining(index, parcel.round);
  } else if (auto got = edges_.receive(index, std::move(parcel), out); !got) {
    reject(index, got.error().message, out);
  } else if (*got) {
    auto admitted = admit(index, std::move(**got), now);
    if (!admitted) reject(index, admitted.error().message, out);
  } else {
    join_if_settled(index, settled, out);
  }
  advance(now, out);
}

void Rounds::on(const TimerFired& event, Time now, Outbox& out) {
  if (!patience_.is_armed(event) || phase_ != Phase::exchanging) return;
  const Duration waited = patience_.waited(now);
  for (const std::size_t i : missing()) {
    if (!patience_.is_over(i, now)) continue;
    ArrivalEstimate& arrivals = patience_.estimate(i);
    out.push_back(LeaveOut{
        edges_.peer(i),
        fmt::format("nothing came for round {} exchange {} within {:.1f} s (usual "
                    "wait {:.3f} s)",
                    current_.round, current_.index, seconds(waited), seconds(arrivals.mean()))});
    arrivals.gave_up(waited);
    take_down(i);
  }
  patience_.arm(missing(), now, out);
  advance(now, out);
}

// ---- edges ----------------------------------------------------------------------------------

void Rounds::reject(std::size_t index, std::string why, Outbox& out) {
  out.push_back(Reject{edges_.peer(index), std::move(why)});
  take_down(index);
}

Result<void> Rounds::admit(std::size_t index, Edges::Incoming message, Time now) {
  auto& inbox = edges_.inbox(index);
  if (!inbox.empty() && message.exchange <= inbox.back().exchange) {
    return Error{ErrorCode::peer,
                 fmt::format("round {} exchange {} came after round {} exchange {}",
                             message.exchange.round, message.exchange.index,
                             inbox.back().exchange.round, inbox.back().exchange.index)};
  }
  // A neighbor waits for our message before it goes on, so it can be one round ahead, no more.
  const std::size_t inbox_max = std::size_t{2} * method_->exchanges();
  if (inbox.size() >= inbox_max) {
    return Error{ErrorCode::peer, fmt::format("{} messages ahead of round {}, expected at most {}",
                                              inbox.size() + 1, current_.round, inbox_max)};
  }
  if (phase_ != Phase::idle && message.exchange < current_) return {};  // we left it out of that
  if (phase_ == Phase::exchanging && message.exchange == current_ && parts_[index].active) {
    patience_.estimate(index).observe(patience_.waited(now));
  }
  inbox.push_back(std::move(message));
  return {};
}

// In the middle of a round it is too late for this one. The neighbor may not wait for what will not
// come: a circle of nodes that do would stand still until a deadline.
void Rounds::join_if_settled(std::size_t index, bool before, Outbox& out) {
  if (before || !edges_.is_settled(index) || phase_ == Phase::idle) return;
  out.push_back(Send{edges_.peer(index), edges_.joining(index, current_.round + 1)});
}

void Rounds::take_joining(std::size_t index, Round round) {
  Part& part = parts_[index];
  part.from = round;
  if (!part.active || current_.round >= round) return;
  part.active = false;
  edges_.drop(index);
}

// The link is gone. Its message of the current exchange still counts if it is here and ours is
// on its way: a neighbor that finished its last round and left has counted ours.
void Rounds::take_down(std::size_t index) {
  if (!edges_.is_up(index)) return;
  auto& inbox = edges_.inbox(index);
  if (!edges_.link_down(index)) {
    inbox.clear();
    return;
  }
  Part& part = parts_[index];
  const bool sent = phase_ == Phase::exchanging || (phase_ == Phase::stepping && overlap_);
  part.active = part.active && sent && has_current(index);
  inbox.resize(part.active ? 1 : 0);
  if (!part.active) suspend(index);  // otherwise when it has been mixed
}

bool Rounds::has_current(std::size_t index) const {
  const auto& inbox = edges_.inbox(index);
  return !inbox.empty() && inbox.front().exchange == current_;
}

void Rounds::drop_outdated(std::size_t index) {
  auto& inbox = edges_.inbox(index);
  while (!inbox.empty() && inbox.front().exchange < current_) inbox.pop_front();
}

// ---- exchanges ------------------------------------------------------------------------------

void Rounds::send_exchange(Outbox& out) {
  std::vector<std::size_t> active;
  for (std::size_t i = 0; i < edges_.size(); ++i) {
    if (parts_[i].active) active.push_back(i);
  }
  std::vector<Message> messages(active.size());
  if (Result<void> encoded = method_->encode(current_, active, messages); !encoded) {
    phase_ = Phase::diverged;
    out.push_back(Diverged{encoded.error().message});
    return;
  }
  edges_.send(active, current_, std::move(messages), out);
}

void Rounds::start_waiting(Time now, Outbox& out) {
  patience_.start(now);
  for (std::size_t i = 0; i < edges_.size(); ++i) {
    if (parts_[i].active && has_current(i)) patience_.estimate(i).observe(Duration{0});
  }
  patience_.arm(missing(), now, out);
}

// Goes through as many exchanges as the messages that are here allow.
void Rounds::advance(Time now, Outbox& out) {
  while (phase_ == Phase::exchanging) {
    for (std::size_t i = 0; i < edges_.size(); ++i) leave_out_if_refused(i, out);
    if (!missing().empty()) return;
    mix_exchange();
    if (++current_.index == method_->exchanges()) {
      finish_round(out);
    } else {
      send_exchange(out);
      if (phase_ != Phase::diverged) start_waiting(now, out);
    }
  }
}

// A message beyond the current exchange: the neighbor left this edge out of it.
void Rounds::leave_out_if_refused(std::size_t index, Outbox& out) {
  Part& part = parts_[index];
  auto& inbox = edges_.inbox(index);
  if (!part.active || inbox.empty()) return;
  if (inbox.front().exchange != current_) {
    part.active = false;
    edges_.drop(index);
  } else if (auto why = edges_.mismatch(index)) {
    inbox.clear();
    reject(index, std::move(*why), out);
  }
}

void Rounds::mix_exchange() {
  edges_.relieve();
  std::vector<Arrival> arrivals;
  for (std::size_t i = 0; i < edges_.size(); ++i) {
    if (parts_[i].active) arrivals.push_back(edges_.count(i));
  }
  method_->mix(current_, arrivals);
  for (std::size_t i = 0; i < edges_.size(); ++i) {
    if (!parts_[i].active || edges_.is_up(i)) continue;
    parts_[i].active = false;
    suspend(i);
  }
}

void Rounds::finish_round(Outbox& out) {
  if (overlap_) method_->adapt(step_);
  phase_ = Phase::idle;
  current_.index = 0;
  patience_.end();
  out.push_back(RoundFinished{current_.round});
}

std::vector<std::size_t> Rounds::missing() const {
  std::vector<std::size_t> all;
  for (std::size_t i = 0; i < edges_.size(); ++i) {
    if (is_missing(i)) all.push_back(i);
  }
  return all;
}

Round Rounds::alone_from(Round round) const {
  while (round > 0 && method_->is_silent(round - 1)) --round;
  return round;
}

std::vector<NodeId> Rounds::waiting_for() const {
  if (phase_ != Phase::exchanging) return {};
  return edges_.peers(missing());
}

void Rounds::archive(Archive& archive) {
  INVARIANT(phase_ == Phase::idle);
  edges_.archive(archive);
}

}  // namespace starling::gossip
