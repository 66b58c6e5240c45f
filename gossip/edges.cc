#include "gossip/edges.h"

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
    settled(edge, {}, out);
    return;
  }
  edge.standing = Standing::unsettled;
  const std::uint64_t state = hash(edge.peer);
  out.push_back(Send{edge.peer,
                     {.epoch = epoch,
                      .type = FrameType::settlement,
                      .body = encode(edge.ledger.settlement(state))}});
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
void Edges::settle(Edge& edge, const Settlement& theirs, Outbox& out) {
  const Settlement ours = edge.ledger.settlement(hash(edge.peer));
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

void Edges::settled(Edge& edge, std::string how, Outbox& out) {
  edge.standing = Standing::settled;
  out.push_back(EdgeSettled{edge.peer, std::move(how)});
}

// ---- frames ---------------------------------------------------------------------------------

Result<std::optional<Edges::Incoming>> Edges::receive(std::size_t index, const Parcel& parcel,
                                                      Outbox& out) {
  Edge& edge = edges_[index];
  if (parcel.type == FrameType::settlement) {
    if (edge.standing != Standing::unsettled) {
      return Error{ErrorCode::peer, "a settlement on an edge that is settled"};
    }
    Result<Settlement> theirs = decode_settlement(parcel.body.bytes());
    if (!theirs) return theirs.error();
    settle(edge, *theirs, out);
    return std::optional<Incoming>();
  }
  if (edge.standing == Standing::unsettled) {
    return Error{ErrorCode::peer, fmt::format("round {} exchange {} came before the settlement",
                                              parcel.round, parcel.exchange)};
  }
  Result<Incoming> message = unpack(edge, parcel);
  if (!message) {
    return Error{ErrorCode::peer, fmt::format("round {} exchange {}: {}", parcel.round,
                                              parcel.exchange, message.error().message)};
  }
  if (edge.standing == Standing::settled) {
    edge.ledger.acknowledge(message->base);
    return std::optional(std::move(*message));
  }
  if (Result<void> taken = take_again(edge, std::move(*message), out); !taken) {
    return taken.error();
  }
  return std::optional<Incoming>();
}

// The neighbor's message of our pending exchange.
Result<void> Edges::take_again(Edge& edge, Incoming message, Outbox& out) {
  const SentMessage& pending = *edge.ledger.pending();
  if (message.exchange != pending.exchange || message.base != pending.base) {
    return Error{ErrorCode::peer, fmt::format("{} on {:016x}, expected {} on {:016x} once more",
                                              label(message.exchange), message.base,
                                              label(pending.exchange), pending.base)};
  }
  edge.made_up = std::move(message.message);
  settled(edge, {}, out);
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

Result<Edges::Incoming> Edges::unpack(const Edge& edge, const Parcel& parcel) const {
  const Exchange exchange = exchange_of(edge, parcel);
  if (parcel.exchange >= method_.exchanges()) {
    return Error{ErrorCode::peer, fmt::format("expected one below {}", method_.exchanges())};
  }
  Message message{parcel.body};
  if (parcel.type == FrameType::opening) {
    Result<Message> opened = open_up(parcel.body);
    if (!opened) return opened.error();
    message = std::move(*opened);
  }
  if (Result<void> checked = method_.check(exchange, message); !checked) return checked.error();
  return Incoming{exchange, parcel.base, std::move(message)};
}

// What the neighbor has to know comes first, behind its length.
Result<Message> Edges::open_up(const SharedBytes& body) const {
  const std::size_t most = method_.start_bytes_max();
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

Parcel Edges::parcel_of(const Edge& edge, const SentMessage& record) const {
  INVARIANT(edge.epoch.has_value());
  const auto& [body, start] = record.message;
  Parcel parcel{.epoch = *edge.epoch,
                .round = numbering_ == Numbering::by_edge ? round_ : record.exchange.round,
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
    if (edge.ledger.history() > 0) ++edge.reopened;
    edge.ledger.open(*edge.epoch);
    method_.open_edge(index, *edge.epoch);
  } else if (edge.todo == Todo::resume) {
    if (edge.made_up) {
      const SentMessage& pending = *edge.ledger.pending();
      const Arrival arrival{index, pending.message, *edge.made_up};
      method_.mix(pending.exchange, std::span(&arrival, 1));
      edge.ledger.count(*edge.made_up);
      ++edge.counted;
      ++edge.made_up_for;
      edge.made_up.reset();
    }
    edge.ledger.drop();
    method_.resume_edge(index);
  }
  edge.todo = Todo::nothing;
}

void Edges::send(std::size_t index, Exchange exchange, Message message, Outbox& out) {
  Edge& edge = edges_[index];
  edge.ledger.sent(exchange, std::move(message));
  out.push_back(Send{edge.peer, parcel_of(edge, *edge.ledger.pending())});
}

Arrival Edges::count(std::size_t index) {
  Edge& edge = edges_[index];
  Arrival arrival{index, edge.ledger.pending()->message, std::move(edge.inbox.front().message)};
  edge.inbox.pop_front();
  edge.ledger.count(arrival.theirs);
  ++edge.counted;
  return arrival;
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
                   .reopened = edge.reopened});
  }
  return all;
}

std::uint64_t Edges::hash(NodeId peer) const {
  const std::size_t index = index_of(peer);
  return edges_[index].ledger.history() > 0 ? method_.edge_hash(index) : 0;
}

void Edges::archive(Archive& archive) {
  {
    const Archive::Scope scope(archive, "method");
    method_.archive(archive);
  }
  for (std::size_t i = 0; i < edges_.size(); ++i) {
    Edge& edge = edges_[i];
    const Archive::Scope scope(archive, "edge", i);
    archive.number("epoch", edge.last_epoch);
    edge.ledger.archive(archive, method_.body_bytes_max(), method_.start_bytes_max());
    bool in_use = edge.in_use();
    archive.number("in_use", in_use);
    if (archive.loading() && in_use) method_.suspend_edge(i, false);
  }
}

}  // namespace starling::gossip
