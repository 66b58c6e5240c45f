#include "gossip/edges.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "gossip/delta.h"
#include "gossip/opening.h"
#include "protocol/check.h"

namespace starling::gossip {
namespace {

// The same bytes in the same place.
bool is_same(const Message& a, const Message& b) {
  const auto place = [](const SharedBytes& s) { return std::pair(s.bytes().data(), s.size()); };
  return place(a.start) == place(b.start) && place(a.body) == place(b.body);
}

}  // namespace

Edges::Edges(Method& method, const std::vector<EdgeEnd>& ends, Numbering numbering)
    : method_(method), numbering_(numbering) {
  for (const EdgeEnd& end : ends) {
    INVARIANT(edges_.empty() || edges_.back().peer < end.peer);
    edges_.emplace_back(end);
  }
}

std::size_t Edges::index_of(NodeId peer) const {
  const auto it = std::find_if(edges_.begin(), edges_.end(),
                               [peer](const Edge& edge) { return edge.peer == peer; });
  INVARIANT(it != edges_.end());
  return static_cast<std::size_t>(it - edges_.begin());
}

std::vector<NodeId> Edges::peers(std::span<const std::size_t> edges) const {
  std::vector<NodeId> all;
  for (const std::size_t edge : edges) all.push_back(peer(edge));
  return all;
}

// For people.
std::string Edges::label(Exchange exchange) const {
  if (numbering_ == Numbering::by_edge) return fmt::format("exchange {}", exchange.round);
  return fmt::format("round {} exchange {}", exchange.round, exchange.index);
}

// ---- links ----------------------------------------------------------------------------------

void Edges::link_up(std::size_t index, Epoch epoch, Outbox& out) {
  Edge& edge = edges_[index];
  INVARIANT(!edge.epoch && edge.inbox.empty());
  edge.epoch = edge.last_epoch = epoch;
  if (epoch == 1) {  // neither end has ever known the other
    edge.todo = Todo::open;
    settled(edge, out);
    return;
  }
  edge.standing = Standing::unsettled;
  edge.drift = compress::sketch_norm(method_.model(), drift_key(edge.self, edge.peer, epoch));
  const SettlementMessage ours{edge.ledger.settlement(hash(edge.peer)), *edge.drift};
  out.push_back(
      Send{edge.peer, {.epoch = epoch, .type = FrameType::settlement, .body = encode(ours)}});
}

bool Edges::link_down(std::size_t index) {
  Edge& edge = edges_[index];
  const bool in_use = edge.in_use();
  edge.epoch.reset();
  edge.made_up.reset();
  edge.todo = Todo::nothing;
  return in_use;
}

// Both ends know both ledgers and conclude the same.
void Edges::settle(Edge& edge, const SettlementMessage& theirs, Outbox& out) {
  const SettlementMessage ours{edge.ledger.settlement(hash(edge.peer)), *edge.drift};
  const Verdict how = verdict(ours.edge, theirs.edge);
  edge.reunion = reunion(ours, theirs);
  edge.drift.reset();
  edge.todo = how == Verdict::reopen ? Todo::open : Todo::resume;
  if (how == Verdict::reopen) {
    forget(edge);
  } else {
    edge.ledger.acknowledge(how == Verdict::await ? theirs.edge.before : theirs.edge.chain);
  }
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
    edge.awaited.reset();
    if (how == Verdict::await) edge.awaited = theirs.edge.chain;
  } else {
    settled(edge, out);
  }
}

// The edge will begin anew: room for what its ends tell each other then.
void Edges::forget(Edge& edge) {
  edge.forgotten = edge.forgotten || edge.ledger.history() > 0;
  edge.ledger.forget();
  method_.forget_edge(index_of(edge.peer));
}

void Edges::settled(Edge& edge, Outbox& out) {
  edge.standing = Standing::settled;
  out.push_back(EdgeSettled{edge.peer, std::move(edge.reunion)});
  edge.reunion.reset();
}

// ---- frames ---------------------------------------------------------------------------------

Result<std::optional<Edges::Incoming>> Edges::receive(std::size_t index, Parcel parcel,
                                                      Outbox& out) {
  Edge& edge = edges_[index];
  if (edge.standing == Standing::leaving) return std::optional<Incoming>();
  if (parcel.type == FrameType::settlement) {
    if (edge.standing != Standing::unsettled) {
      return Error{ErrorCode::peer, "a settlement on an edge that is settled"};
    }
    Result<SettlementMessage> theirs = decode_settlement(parcel.body.bytes());
    if (!theirs) return theirs.error();
    settle(edge, *theirs, out);
    return std::optional<Incoming>();
  }
  if (edge.standing == Standing::unsettled) {
    return Error{ErrorCode::peer, fmt::format("round {} exchange {} came before the settlement",
                                              parcel.round, parcel.exchange)};
  }
  // First of all, for a message that is let go of makes room for the new one.
  if (edge.standing == Standing::settled) edge.ledger.acknowledge(parcel.base);
  Result<Incoming> message = unpack(index, parcel);
  if (!message) {
    return Error{ErrorCode::peer, fmt::format("round {} exchange {}: {}", parcel.round,
                                              parcel.exchange, message.error().message)};
  }
  if (edge.standing == Standing::settled) return std::optional(std::move(*message));
  if (Result<void> taken = take_again(edge, std::move(*message), out); !taken) {
    return taken.error();
  }
  return std::optional<Incoming>();
}

// The neighbor's message of our pending exchange.
//
// by_edge an exchange that came to nothing is made anew under the same name. One that goes on from
// an older checkpoint may hold the first message of it, where the neighbor has counted a later one:
// nothing of that can be made up for, and on the next link the edge begins anew.
Result<void> Edges::take_again(Edge& edge, Incoming message, Outbox& out) {
  const SentMessage& pending = *edge.ledger.pending();
  if (message.exchange != pending.exchange || message.base != pending.base) {
    return Error{ErrorCode::peer, fmt::format("{} on {:016x}, expected {} on {:016x} once more",
                                              label(message.exchange), message.base,
                                              label(pending.exchange), pending.base)};
  }
  if (edge.awaited && edge.ledger.chain_with(message.message) != *edge.awaited) {
    out.push_back(LeaveOut{edge.peer, fmt::format("it has counted another message of {} than this "
                                                  "node remembers",
                                                  label(pending.exchange))});
    edge.ledger.drop();
    edge.standing = Standing::leaving;
    return {};
  }
  edge.made_up = std::move(message.message);
  settled(edge, out);
  return {};
}

// by_edge a message that is of another one builds on another history: see mismatch(). A neighbor
// that has brought in the edge before this end did has counted what is made up for.
Exchange Edges::exchange_of(const Edge& edge, const Parcel& parcel) const {
  if (numbering_ == Numbering::by_round) return {parcel.round, parcel.exchange};
  std::uint64_t counted = edge.todo == Todo::open ? 0 : edge.ledger.counted();
  if (edge.made_up) ++counted;
  return {counted + edge.inbox.size(), 0};
}

Result<Edges::Incoming> Edges::unpack(std::size_t index, Parcel& parcel) {
  Edge& edge = edges_[index];
  const Exchange exchange = exchange_of(edge, parcel);
  if (parcel.exchange >= method_.exchanges()) {
    return Error{ErrorCode::peer, fmt::format("expected one below {}", method_.exchanges())};
  }
  Result<Message> message = Message{std::move(parcel.body)};
  if (parcel.type == FrameType::opening) message = opened(message->body, method_.start_bytes_max());
  if (Result<void> let = let_in(index, exchange, message); !let) {
    edge.ledger.refuse(exchange);
    return let.error();
  }
  return Incoming{exchange, parcel.base, std::move(*message)};
}

Result<void> Edges::let_in(std::size_t index, Exchange exchange, const Result<Message>& message) {
  Edge& edge = edges_[index];
  const Result<double> norm =
      message ? method_.check(exchange, index, *message) : Result<double>(message.error());
  if (!norm) {
    ++edge.malformed;
    return norm.error();
  }
  const std::span<const float> model = method_.model();
  const auto why = edge.gate.judge(*norm, model.size(), [&] { return norm_of(model); });
  if (!why) return {};
  ++edge.too_long;
  return Error{ErrorCode::peer, *why};
}

Parcel Edges::parcel_of(const Edge& edge, const SentMessage& record) const {
  INVARIANT(edge.epoch.has_value());
  Parcel parcel{.epoch = *edge.epoch,
                .round = numbering_ == Numbering::by_edge ? round_ : record.exchange.round,
                .exchange = record.exchange.index,
                .base = record.base,
                .body = record.message.body};
  if (record.message.start.size() > 0) {
    parcel.type = FrameType::opening;
    parcel.body = record.opening.size() > 0 ? record.opening : packed(record.message);
  }
  return parcel;
}

// A message that builds on another history would be applied to something else than it was made
// from.
std::optional<std::string> Edges::mismatch(std::size_t index) const {
  const Edge& edge = edges_[index];
  const Incoming& first = edge.inbox.front();
  if (first.base == edge.ledger.chain()) return std::nullopt;
  return fmt::format("{} is a difference to {:016x}, expected {:016x}", label(first.exchange),
                     first.base, edge.ledger.chain());
}

// ---- exchanges ------------------------------------------------------------------------------

void Edges::bring_in(std::size_t index) {
  Edge& edge = edges_[index];
  if (edge.todo == Todo::open) {
    if (std::exchange(edge.forgotten, false)) ++edge.reopened;
    edge.ledger.open(*edge.epoch);
    method_.open_edge(index, *edge.epoch);
  } else if (edge.todo == Todo::resume) {
    if (edge.made_up) {
      const Exchange exchange = edge.ledger.pending()->exchange;
      const Arrival arrival = arrival_of(index, std::move(*edge.made_up));
      edge.made_up.reset();
      method_.mix(exchange, std::span(&arrival, 1));
      ++edge.made_up_for;
    }
    edge.ledger.drop();
    method_.resume_edge(index);
  }
  edge.todo = Todo::nothing;
}

void Edges::send(std::span<const std::size_t> edges, Exchange exchange,
                 std::vector<Message> messages, Outbox& out) {
  const bool by_edge = numbering_ == Numbering::by_edge;
  std::vector<SharedBytes> openings(edges.size());
  for (std::size_t i = 0; i < edges.size(); ++i) {
    Edge& edge = edges_[edges[i]];
    const Message& message = messages[i];
    // A start may be as large as the model: it is kept where it goes out from, and nowhere else.
    if (message.start.size() > 0) {
      const auto same =
          std::ranges::find_if(messages, [&](const Message& m) { return is_same(m, message); });
      const auto first = static_cast<std::size_t>(same - messages.begin());
      openings[i] = first < i ? openings[first] : packed(message);
    }
    Message kept{message.body};
    if (openings[i].size() > 0) kept.start = unpacked(openings[i], message.start.size()).start;
    edge.ledger.sent(by_edge ? current(edges[i]) : exchange, std::move(kept), openings[i]);
    out.push_back(Send{edge.peer, parcel_of(edge, *edge.ledger.pending())});
  }
}

Arrival Edges::count(std::size_t index) {
  std::deque<Incoming>& inbox = edges_[index].inbox;
  Message first = std::move(inbox.front().message);
  inbox.pop_front();
  return arrival_of(index, std::move(first));
}

// The exchange under way, as the method mixes it next; it counts from here on.
Arrival Edges::arrival_of(std::size_t index, Message&& theirs) {
  Edge& edge = edges_[index];
  const SentMessage& pending = *edge.ledger.pending();
  Arrival arrival{index, {pending.message.body}, std::move(theirs), pending.terms};
  const Exchange exchange = pending.exchange;
  edge.ledger.count(arrival.theirs);
  // One that is ahead says so already.
  if (!edge.inbox.empty()) edge.ledger.acknowledge(edge.inbox.front().base);
  ++edge.counted;
  if (const SharedBytes start = std::exchange(arrival.theirs.start, {}); start.size() > 0) {
    method_.take_start(exchange, index, start);
  }
  return arrival;
}

void Edges::relieve() {
  std::vector<std::size_t> down;
  for (std::size_t i = 0; i < edges_.size(); ++i) {
    if (!is_up(i)) down.push_back(i);
  }
  if (down.empty()) return;
  for (const std::size_t i : method_.relieve(down)) forget(edges_[i]);
}

// ---- of the whole ---------------------------------------------------------------------------

std::size_t Edges::body_bytes_max() const {
  const std::size_t start = method_.start_bytes_max();
  const std::size_t before = start == 0 ? 0 : kStartLengthBytes + start;
  return std::max(before + method_.body_bytes_max(), kSettlementBytes);
}

std::vector<EdgeStatus> Edges::status() const {
  std::vector<EdgeStatus> all;
  for (std::size_t i = 0; i < edges_.size(); ++i) {
    const Edge& edge = edges_[i];
    std::size_t queued = 0;
    for (const Incoming& message : edge.inbox) {
      queued += message.message.body.size() + message.message.start.size();
    }
    all.push_back({.peer = edge.peer,
                   .epoch = edge.last_epoch,
                   .up = is_settled(i),
                   .ledger = edge.ledger.settlement(0),
                   .queued_bytes = queued,
                   .in_use = edge.in_use(),
                   .counted = edge.counted,
                   .made_up = edge.made_up_for,
                   .reopened = edge.reopened,
                   .malformed = edge.malformed,
                   .too_long = edge.too_long});
  }
  return all;
}

std::uint64_t Edges::hash(NodeId peer) const {
  const std::size_t index = index_of(peer);
  return edges_[index].ledger.history() > 0 ? method_.edge_hash(index) : 0;
}

void Edges::rewired() {
  if (method_.rewired()) return;
  for (Edge& edge : edges_) {
    INVARIANT(!edge.epoch);
    edge.ledger.forget();
  }
}

void Edges::archive(Archive& archive) {
  std::vector<std::uint64_t> peers;
  for (const Edge& edge : edges_) peers.push_back(starling::index_of(edge.peer));
  archive.roster("edge", peers);
  {
    const Archive::Scope scope(archive, "method");
    method_.archive(archive);
  }
  for (std::size_t i = 0; i < edges_.size(); ++i) {
    Edge& edge = edges_[i];
    const Archive::Member member(archive, "edge", i);
    if (!member) continue;
    archive.number("epoch", edge.last_epoch);
    const auto [body, start] = method_.saved_limits();
    edge.ledger.archive(archive, body, start);
    bool in_use = edge.in_use();
    archive.number("in_use", in_use);
    if (archive.loading() && in_use) method_.suspend_edge(i, false);
  }
}

}  // namespace starling::gossip
