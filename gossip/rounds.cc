#include "gossip/rounds.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>

#include "protocol/check.h"

namespace starling::gossip {
namespace {

constexpr std::size_t kStartLengthBytes = sizeof(std::uint32_t);

// What people read of a verdict.
std::string describe(Verdict verdict, const Settlement& ours, const Settlement& theirs) {
  switch (verdict) {
    case Verdict::go_on: return fmt::format("goes on after {} exchanges", ours.count);
    case Verdict::replay:
      return fmt::format("goes on after {} exchanges; it gets the last message once more",
                         ours.count);
    case Verdict::await:
      return fmt::format("goes on after {} exchanges, the last of which is made up for",
                         theirs.count);
    case Verdict::repeat:
      return fmt::format("goes on after {} exchanges; the next one is made up for", ours.count);
    case Verdict::reopen:
      return fmt::format("starts anew: {} exchanges are known here, {} there, not the same ones",
                         ours.count, theirs.count);
  }
  return {};
}

}  // namespace

Rounds::Rounds(std::unique_ptr<Method> method, const std::vector<EdgeEnd>& edges, bool overlap)
    : method_(std::move(method)), overlap_(overlap) {
  for (const EdgeEnd& end : edges) {
    INVARIANT(edges_.empty() || edges_.back().peer < end.peer);
    edges_.emplace_back(end);
  }
}

std::size_t Rounds::body_bytes_max() const {
  const std::size_t start = method_->start_bytes_max();
  const std::size_t before = start == 0 ? 0 : kStartLengthBytes + start;
  return std::max(before + method_->body_bytes_max(), kSettlementBytes);
}

void Rounds::handle(const Event& event, Time now, Outbox& out) {
  if (phase_ == Phase::diverged) return;
  std::visit([&](const auto& e) { on(e, now, out); }, event);
}

// ---- events ---------------------------------------------------------------------------------

void Rounds::on(const BeginRound& event, Time /*now*/, Outbox& out) {
  INVARIANT(phase_ == Phase::idle);
  current_ = {event.round, 0};
  for (std::size_t i = 0; i < edges_.size(); ++i) {
    Edge& edge = edges_[i];
    edge.active = edge.epoch && edge.standing == Standing::settled && event.round >= edge.from;
    if (edge.active) bring_in(i);
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
  // Whatever the old epoch still held does not count here; the ledgers know what does.
  take_down(index);
  if (edge.active) {
    edge.active = false;
    edge.inbox.clear();
    suspend(index);
  }
  edge.epoch = edge.last_epoch = event.epoch;
  edge.from = 0;
  if (event.epoch == 1) {  // neither end has ever known the other
    edge.todo = Todo::open;
    settled(edge, {}, out);
  } else {
    edge.standing = Standing::unsettled;
    const std::uint64_t state = edge_hash(edge.peer);
    out.push_back(Send{edge.peer,
                       {.epoch = event.epoch,
                        .type = FrameType::settlement,
                        .body = encode(edge.ledger.settlement(state))}});
  }
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
  if (edge.epoch != event.parcel.epoch) return;  // of a link that has been closed since
  if (Result<void> admitted = admit(edge, event.parcel, now, out); !admitted) {
    reject(index, admitted.error().message, out);
  }
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

void Rounds::reject(std::size_t index, std::string why, Outbox& out) {
  out.push_back(Reject{edges_[index].peer, std::move(why)});
  take_down(index);
}

// Takes what a neighbor sent. Fails where no correct neighbor can have sent it now.
Result<void> Rounds::admit(Edge& edge, const Parcel& parcel, Time now, Outbox& out) {
  if (parcel.type == FrameType::settlement) {
    if (edge.standing != Standing::unsettled) {
      return Error{ErrorCode::peer, "a settlement on an edge that is settled"};
    }
    Result<Settlement> theirs = decode_settlement(parcel.body.bytes());
    if (!theirs) return theirs.error();
    settle(edge, *theirs, out);
    return {};
  }
  if (parcel.type == FrameType::joining && edge.standing == Standing::settled) {
    take_joining(edge, parcel.round);
    return {};
  }
  if (edge.standing == Standing::unsettled) {
    return Error{ErrorCode::peer, fmt::format("round {} exchange {} came before the settlement",
                                              parcel.round, parcel.exchange)};
  }
  Result<Incoming> message = unpack(parcel);
  if (!message) {
    return Error{ErrorCode::peer, fmt::format("round {} exchange {}: {}", parcel.round,
                                              parcel.exchange, message.error().message)};
  }
  if (edge.standing == Standing::settled) return admit_exchange(edge, std::move(*message), now);
  const SentMessage& pending = *edge.ledger.pending();
  if (message->exchange != pending.exchange || message->base != pending.base) {
    return Error{ErrorCode::peer,
                 fmt::format("round {} exchange {} on {:016x}, expected round {} exchange {} on "
                             "{:016x} once more",
                             parcel.round, parcel.exchange, parcel.base, pending.exchange.round,
                             pending.exchange.index, pending.base)};
  }
  edge.made_up = std::move(message->message);
  settled(edge, {}, out);
  return {};
}

Result<Rounds::Incoming> Rounds::unpack(const Parcel& parcel) const {
  const Exchange exchange{parcel.round, parcel.exchange};
  if (exchange.index >= method_->exchanges()) {
    return Error{ErrorCode::peer, fmt::format("expected one below {}", method_->exchanges())};
  }
  Message message{parcel.body};
  if (parcel.type == FrameType::opening) {
    Result<Message> opened = open_up(parcel.body);
    if (!opened) return opened.error();
    message = std::move(*opened);
  }
  if (Result<void> checked = method_->check(exchange, message); !checked) return checked.error();
  return Incoming{exchange, parcel.base, std::move(message)};
}

// What the neighbor has to know comes first, behind its length.
Result<Message> Rounds::open_up(const SharedBytes& body) const {
  const std::size_t most = method_->start_bytes_max();
  std::uint32_t length = 0;
  if (body.size() >= kStartLengthBytes) {
    std::memcpy(&length, body.bytes().data(), kStartLengthBytes);
  }
  if (length == 0 || length > most || length > body.size() - kStartLengthBytes) {
    return Error{ErrorCode::peer, fmt::format("an opening of {} bytes with {} in front, expected 1 "
                                              "to {}",
                                              body.size(), length, most)};
  }
  const std::size_t begin = kStartLengthBytes + length;
  return Message{body.slice(begin, body.size() - begin), body.slice(kStartLengthBytes, length)};
}

Result<void> Rounds::admit_exchange(Edge& edge, Incoming message, Time now) {
  if (!edge.inbox.empty() && message.exchange <= edge.inbox.back().exchange) {
    return Error{ErrorCode::peer,
                 fmt::format("round {} exchange {} came after round {} exchange {}",
                             message.exchange.round, message.exchange.index,
                             edge.inbox.back().exchange.round, edge.inbox.back().exchange.index)};
  }
  // A neighbor waits for our message before it goes on, so it can be one round ahead, no more.
  const std::size_t inbox_max = std::size_t{2} * method_->exchanges();
  if (edge.inbox.size() >= inbox_max) {
    return Error{ErrorCode::peer, fmt::format("{} messages ahead of round {}, expected at most {}",
                                              edge.inbox.size() + 1, current_.round, inbox_max)};
  }
  edge.ledger.acknowledge(message.base);
  if (phase_ != Phase::idle && message.exchange < current_) return {};  // we left it out of that
  if (phase_ == Phase::exchanging && message.exchange == current_ && edge.active) {
    edge.arrivals.observe(now - waiting_since_);
  }
  edge.inbox.push_back(std::move(message));
  return {};
}

// Both ends know both ledgers and conclude the same.
void Rounds::settle(Edge& edge, const Settlement& theirs, Outbox& out) {
  const Settlement ours = edge.ledger.settlement(edge_hash(edge.peer));
  const Verdict how = verdict(ours, theirs);
  edge.todo = how == Verdict::reopen ? Todo::open : Todo::resume;
  if (how == Verdict::replay) {
    const SentMessage* last = edge.ledger.last();
    INVARIANT(last != nullptr);
    out.push_back(Send{edge.peer, parcel_of(edge, *last)});
  }
  if (how == Verdict::repeat) {
    out.push_back(Send{edge.peer, parcel_of(edge, *edge.ledger.pending())});
  }
  if (how == Verdict::await || how == Verdict::repeat) {
    edge.standing = Standing::awaiting;
  } else {
    settled(edge, describe(how, ours, theirs), out);
  }
}

// In the middle of a round it is too late for this one. The neighbor may not wait for what will not
// come: a circle of nodes that do would stand still until a deadline.
void Rounds::settled(Edge& edge, std::string how, Outbox& out) {
  edge.standing = Standing::settled;
  if (phase_ != Phase::idle) {
    out.push_back(
        Send{edge.peer,
             {.epoch = *edge.epoch, .type = FrameType::joining, .round = current_.round + 1}});
  }
  out.push_back(EdgeSettled{edge.peer, std::move(how)});
}

void Rounds::take_joining(Edge& edge, Round round) {
  edge.from = round;
  if (!edge.active || current_.round >= round) return;
  edge.active = false;
  edge.ledger.drop();
}

// Before the first round after an edge was settled.
void Rounds::bring_in(std::size_t index) {
  Edge& edge = edges_[index];
  if (edge.todo == Todo::open) {
    if (edge.ledger.history() > 0) ++edge.reopened;
    edge.ledger.open(*edge.epoch);
    method_->open_edge(index, *edge.epoch);
  } else if (edge.todo == Todo::resume) {
    if (edge.made_up) {
      const SentMessage& pending = *edge.ledger.pending();
      const Arrival arrival{index, pending.message, *edge.made_up};
      method_->mix(pending.exchange, std::span(&arrival, 1));
      edge.ledger.count(*edge.made_up);
      ++edge.counted;
      ++edge.made_up_for;
      edge.made_up.reset();
    }
    edge.ledger.drop();
    method_->resume_edge(index);
  }
  edge.todo = Todo::nothing;
}

// The link is gone. Its message of the current exchange still counts if it is here and ours is
// on its way: a neighbor that finished its last round and left has counted ours.
void Rounds::take_down(std::size_t index) {
  Edge& edge = edges_[index];
  if (!edge.epoch) return;
  const bool in_use = edge.in_use();
  edge.epoch.reset();
  edge.made_up.reset();
  edge.todo = Todo::nothing;
  if (!in_use) {
    edge.inbox.clear();
    return;
  }
  const bool sent = phase_ == Phase::exchanging || (phase_ == Phase::stepping && overlap_);
  edge.active = edge.active && sent && has_current(edge);
  edge.inbox.resize(edge.active ? 1 : 0);
  if (!edge.active) suspend(index);  // otherwise when it has been mixed
}

void Rounds::suspend(std::size_t index) {
  method_->suspend_edge(index, edges_[index].ledger.pending() != nullptr);
}

bool Rounds::has_current(const Edge& edge) const {
  return !edge.inbox.empty() && edge.inbox.front().exchange == current_;
}

void Rounds::drop_outdated(Edge& edge) {
  while (!edge.inbox.empty() && edge.inbox.front().exchange < current_) edge.inbox.pop_front();
}

// ---- exchanges ------------------------------------------------------------------------------

void Rounds::send_exchange(Outbox& out) {
  std::vector<std::size_t> active;
  for (std::size_t i = 0; i < edges_.size(); ++i) {
    if (edges_[i].active) active.push_back(i);
  }
  std::vector<Message> messages(active.size());
  if (Result<void> encoded = method_->encode(current_, active, messages); !encoded) {
    phase_ = Phase::diverged;
    out.push_back(Diverged{encoded.error().message});
    return;
  }
  for (std::size_t i = 0; i < active.size(); ++i) {
    Edge& edge = edges_[active[i]];
    edge.ledger.sent(current_, std::move(messages[i]));
    out.push_back(Send{edge.peer, parcel_of(edge, *edge.ledger.pending())});
  }
}

Parcel Rounds::parcel_of(const Edge& edge, const SentMessage& record) const {
  INVARIANT(edge.epoch.has_value());
  const auto& [body, start] = record.message;
  Parcel parcel{.epoch = *edge.epoch,
                .round = record.exchange.round,
                .exchange = record.exchange.index,
                .base = record.base,
                .body = body};
  if (start.size() > 0) {
    parcel.type = FrameType::opening;
    ByteBlock both(kStartLengthBytes + start.size() + body.size());
    const auto length = static_cast<std::uint32_t>(start.size());
    std::memcpy(both.bytes().data(), &length, kStartLengthBytes);
    std::ranges::copy(start.bytes(), both.bytes().subspan(kStartLengthBytes).begin());
    std::ranges::copy(body.bytes(), both.bytes().last(body.size()).begin());
    parcel.body = std::move(both);
  }
  return parcel;
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
    for (std::size_t i = 0; i < edges_.size(); ++i) leave_out_if_refused(i, out);
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

// A message beyond the current exchange: the neighbor left this edge out of it. One that builds on
// another history would be applied to something else than it was made from.
void Rounds::leave_out_if_refused(std::size_t index, Outbox& out) {
  Edge& edge = edges_[index];
  if (!edge.active || edge.inbox.empty()) return;
  const Incoming& first = edge.inbox.front();
  if (first.exchange != current_) {
    edge.active = false;
    edge.ledger.drop();
  } else if (first.base != edge.ledger.chain()) {
    std::string why =
        fmt::format("round {} exchange {} is a difference to {:016x}, expected {:016x}",
                    current_.round, current_.index, first.base, edge.ledger.chain());
    edge.inbox.clear();
    reject(index, std::move(why), out);
  }
}

void Rounds::mix_exchange() {
  std::vector<Arrival> arrivals;
  for (std::size_t i = 0; i < edges_.size(); ++i) {
    Edge& edge = edges_[i];
    if (!edge.active) continue;
    arrivals.push_back({i, edge.ledger.pending()->message, std::move(edge.inbox.front().message)});
    edge.ledger.count(arrivals.back().theirs);
    ++edge.counted;
    edge.inbox.pop_front();
  }
  method_->mix(current_, arrivals);
  for (std::size_t i = 0; i < edges_.size(); ++i) {
    if (!edges_[i].active || edges_[i].epoch) continue;
    edges_[i].active = false;
    suspend(i);
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

std::vector<EdgeStatus> Rounds::edges() const {
  std::vector<EdgeStatus> all;
  for (const Edge& edge : edges_) {
    std::size_t queued = 0;
    for (const Incoming& message : edge.inbox) {
      queued += message.message.body.size() + message.message.start.size();
    }
    all.push_back({.peer = edge.peer,
                   .epoch = edge.last_epoch,
                   .up = edge.epoch && edge.standing == Standing::settled,
                   .ledger = edge.ledger.settlement(0),
                   .queued_bytes = queued,
                   .in_use = edge.in_use(),
                   .counted = edge.counted,
                   .made_up = edge.made_up_for,
                   .reopened = edge.reopened});
  }
  return all;
}

std::uint64_t Rounds::edge_hash(NodeId peer) const {
  const std::size_t index = index_of_peer(peer);
  return edges_[index].ledger.history() > 0 ? method_->edge_hash(index) : 0;
}

void Rounds::archive(Archive& archive) {
  INVARIANT(phase_ == Phase::idle);
  {
    const Archive::Scope scope(archive, "method");
    method_->archive(archive);
  }
  for (std::size_t i = 0; i < edges_.size(); ++i) {
    Edge& edge = edges_[i];
    const Archive::Scope scope(archive, "edge", i);
    archive.number("epoch", edge.last_epoch);
    edge.ledger.archive(archive, method_->body_bytes_max(), method_->start_bytes_max());
    bool in_use = edge.in_use();
    archive.number("in_use", in_use);
    if (archive.loading() && in_use) method_->suspend_edge(i, false);
  }
}

}  // namespace starling::gossip
