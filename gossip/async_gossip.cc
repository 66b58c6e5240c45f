#include "gossip/async_gossip.h"

#include <fmt/format.h>

#include <algorithm>

#include "protocol/check.h"
#include "protocol/random.h"

namespace starling::gossip {

AsyncGossip::AsyncGossip(std::unique_ptr<Method> method, const std::vector<EdgeEnd>& edges,
                         AsyncOptions options)
    : method_(std::move(method)),
      options_(options),
      edges_(*method_, edges, Numbering::by_edge),
      parts_(edges.size()),
      patience_(edges.size()) {
  INVARIANT(method_->exchanges() == 1 && options.staleness >= 1);
}

void AsyncGossip::handle(Event event, Time now, Outbox& out) {
  if (phase_ == Phase::diverged) return;
  std::visit([&](auto& e) { on(std::move(e), now, out); }, event);
}

// ---- events ---------------------------------------------------------------------------------

void AsyncGossip::on(const BeginRound& event, Time now, Outbox& out) {
  INVARIANT(phase_ == Phase::idle);
  round_ = event.round;
  encodes_ = 0;
  edges_.begin(round_of_flock());
  for (std::size_t i = 0; i < edges_.size(); ++i) {
    if (edges_.is_settled(i)) edges_.bring_in(i);
  }
  take_in(out);
  ask(now, out);
  if (phase_ == Phase::diverged) return;
  phase_ = Phase::stepping;
  out.push_back(RunLocalStep{event.round});
}

void AsyncGossip::on(const PeerUp& event, Time now, Outbox& out) {
  const std::size_t index = edges_.index_of(event.peer);
  // Whatever the old epoch still held does not count here; the ledgers know what does.
  take_down(index);
  parts_[index].open = false;
  edges_.inbox(index).clear();
  edges_.link_up(index, event.epoch, out);
  conclude(now, out);
}

void AsyncGossip::on(const PeerDown& event, Time now, Outbox& out) {
  take_down(edges_.index_of(event.peer));
  conclude(now, out);
}

void AsyncGossip::on(const LocalStepDone& event, Time now, Outbox& out) {
  INVARIANT(phase_ == Phase::stepping);
  method_->adapt({event.update, event.learning_rate, round_});
  for (Part& part : parts_) ++part.age;
  phase_ = Phase::waiting;
  patience_.start(now);
  patience_.arm(overdue(), now, out);
  conclude(now, out);
}

void AsyncGossip::on(Received&& event, Time now, Outbox& out) {
  const std::size_t index = edges_.index_of(event.from);
  Parcel& parcel = event.parcel;
  if (!edges_.is_of(index, parcel.epoch)) return;  // of a link that has been closed since
  if (parcel.type == FrameType::joining) {
    reject(index, "a joining, which asynchronous gossip has not", out);
  } else if (auto got = edges_.receive(index, std::move(parcel), out); !got) {
    reject(index, got.error().message, out);
  } else if (*got) {
    auto admitted = admit(index, std::move(**got), now);
    if (!admitted) reject(index, admitted.error().message, out);
  }
  conclude(now, out);
}

void AsyncGossip::on(const TimerFired& event, Time now, Outbox& out) {
  if (!patience_.is_armed(event) || phase_ != Phase::waiting) return;
  const Duration waited = patience_.waited(now);
  for (const std::size_t i : overdue()) {
    if (!patience_.is_over(i, now)) continue;
    ArrivalEstimate& answers = patience_.estimate(i);
    out.push_back(
        LeaveOut{edges_.peer(i),
                 fmt::format("nothing came for exchange {} within {:.1f} s (usual answer {:.3f} s)",
                             edges_.current(i).round, seconds(waited), seconds(answers.mean()))});
    answers.gave_up(waited);
    take_down(i);
  }
  patience_.arm(overdue(), now, out);
  conclude(now, out);
}

// ---- edges ----------------------------------------------------------------------------------

void AsyncGossip::reject(std::size_t index, std::string why, Outbox& out) {
  edges_.inbox(index).clear();
  out.push_back(Reject{edges_.peer(index), std::move(why)});
  take_down(index);
}

// The neighbor sends its next message when ours of the one before is there.
Result<void> AsyncGossip::admit(std::size_t index, Edges::Incoming message, Time now) {
  const Part& part = parts_[index];
  auto& inbox = edges_.inbox(index);
  const std::size_t inbox_max = part.open ? 2 : 1;
  if (inbox.size() >= inbox_max) {
    return Error{ErrorCode::peer, fmt::format("{} messages without ours, expected at most {}",
                                              inbox.size() + 1, inbox_max)};
  }
  if (part.open && inbox.empty()) patience_.estimate(index).observe(now - part.sent);
  inbox.push_back(std::move(message));
  return {};
}

// The link is gone. Where both messages of an exchange are known here it counts: a neighbor that
// finished its last round and left has counted it.
void AsyncGossip::take_down(std::size_t index) {
  if (!edges_.is_up(index)) return;
  auto& inbox = edges_.inbox(index);
  if (!edges_.link_down(index)) {
    inbox.clear();
    return;
  }
  Part& part = parts_[index];
  if (!part.open) method_->suspend_edge(index, false);
  part.open = part.open && !inbox.empty();
  inbox.resize(part.open ? 1 : 0);
}

// Whether the edge can have an exchange now. Between two steps.
bool AsyncGossip::is_free(std::size_t index, Outbox& out) {
  if (!edges_.is_settled(index) || parts_[index].open) return false;
  edges_.bring_in(index);
  if (edges_.inbox(index).empty()) return true;
  auto why = edges_.mismatch(index);
  if (why) reject(index, std::move(*why), out);
  return !why;
}

// ---- exchanges ------------------------------------------------------------------------------

// Mixes what has come for the exchanges that are under way. Between two steps.
void AsyncGossip::take_in(Outbox& out) {
  for (std::size_t i = 0; i < edges_.size(); ++i) {
    if (!parts_[i].open || edges_.inbox(i).empty()) continue;
    if (auto why = edges_.mismatch(i)) {
      reject(i, std::move(*why), out);
      parts_[i].open = false;
    } else {
      mix_late(i);
    }
  }
}

void AsyncGossip::mix_late(std::size_t index) {
  parts_[index].open = false;
  mix(std::span(&index, 1));
  if (edges_.is_up(index)) method_->resume_edge(index);
}

void AsyncGossip::ask(Time now, Outbox& out) {
  if (options_.asks == AsyncOptions::Asks::one) answer(now, out);
  std::vector<std::size_t> free;
  for (std::size_t i = 0; i < edges_.size(); ++i) {
    if (is_free(i, out)) free.push_back(i);
  }
  if (options_.asks == AsyncOptions::Asks::everyone) return exchange(free, now, out);
  const bool asked = std::ranges::any_of(parts_, &Part::open);
  if (asked || free.empty()) return;
  const Random random(options_.seed, Stream::partner, {index_of(options_.self), round_});
  exchange(std::span(&free[random.below(0, free.size())], 1), now, out);
}

// One after the other, each with the model that the one before has left: of pairs that average, the
// second takes half of what the first has made.
void AsyncGossip::answer(Time now, Outbox& out) {
  for (std::size_t i = 0; i < edges_.size(); ++i) {
    if (edges_.inbox(i).empty() || !is_free(i, out)) continue;
    exchange(std::span(&i, 1), now, out);
  }
}

// On edges that are free.
void AsyncGossip::exchange(std::span<const std::size_t> edges, Time now, Outbox& out) {
  if (edges.empty() || phase_ == Phase::diverged) return;
  std::vector<Message> messages(edges.size());
  if (Result<void> encoded = encode(edges, messages); !encoded) {
    phase_ = Phase::diverged;
    out.push_back(Diverged{encoded.error().message});
    return;
  }
  edges_.send(edges, {}, std::move(messages), out);
  std::vector<std::size_t> here;
  for (const std::size_t edge : edges) {
    if (!edges_.inbox(edge).empty()) {
      here.push_back(edge);
    } else {
      method_->suspend_edge(edge, true);
      parts_[edge] = {.open = true, .sent = now};
    }
  }
  mix(here);
}

// What is the same for all is made once, and has randomness of its own in every encode.
Result<void> AsyncGossip::encode(std::span<const std::size_t> edges, std::span<Message> messages) {
  if (method_->broadcasts()) return method_->encode({round_, encodes_++}, edges, messages);
  for (std::size_t i = 0; i < edges.size(); ++i) {
    auto encoded =
        method_->encode(edges_.current(edges[i]), edges.subspan(i, 1), messages.subspan(i, 1));
    if (!encoded) return encoded;
  }
  return {};
}

// The exchanges of which both messages are here, and where what is the same for all was encoded
// for others too, that.
void AsyncGossip::mix(std::span<const std::size_t> edges) {
  if (method_->broadcasts()) {
    std::vector<Arrival> arrivals;
    for (const std::size_t edge : edges) arrivals.push_back(edges_.count(edge));
    method_->mix({round_, 0}, arrivals);
    return;
  }
  for (const std::size_t edge : edges) {
    const Exchange exchange = edges_.current(edge);
    const Arrival arrival = edges_.count(edge);
    method_->mix(exchange, std::span(&arrival, 1));
  }
}

// Node::Core leaves rounds out to get where its neighbors are. A few behind is no reason to: where
// many nodes share a machine, each is in turn.
Round AsyncGossip::round_of_flock() const {
  return is_last() ? round_ : round_ - std::min(round_, options_.staleness);
}

// ---- waiting --------------------------------------------------------------------------------

bool AsyncGossip::is_overdue(std::size_t index) const {
  const Part& part = parts_[index];
  return part.open && edges_.is_up(index) && edges_.inbox(index).empty() &&
         (winding_up_ || (is_last() || part.age > options_.staleness));
}

std::vector<std::size_t> AsyncGossip::overdue() const {
  std::vector<std::size_t> all;
  for (std::size_t i = 0; i < edges_.size(); ++i) {
    if (is_overdue(i)) all.push_back(i);
  }
  return all;
}

std::vector<NodeId> AsyncGossip::waiting_for() const {
  if (phase_ != Phase::waiting) return {};
  return edges_.peers(overdue());
}

// Ends the round when nobody has to be waited for.
void AsyncGossip::conclude(Time now, Outbox& out) {
  if (phase_ != Phase::waiting) return;
  take_in(out);
  if (!overdue().empty()) return answer(now, out);
  phase_ = Phase::idle;
  patience_.end();
  out.push_back(RoundFinished{round_});
}

void AsyncGossip::archive(Archive& archive) {
  INVARIANT(phase_ == Phase::idle);
  edges_.archive(archive);
}

}  // namespace starling::gossip
