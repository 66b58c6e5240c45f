#include "gossip/ledger.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstring>

#include "protocol/check.h"

namespace starling::gossip {
namespace {

// Little endian, in this order, without gaps.
struct Layout {
  std::uint32_t history, flags;
  std::uint64_t count, chain, before, last_round, pending_round;
  std::uint32_t last_index, pending_index;
  std::uint64_t state;
};
static_assert(sizeof(Layout) == kSettlementBytes);
static_assert(std::endian::native == std::endian::little);

constexpr std::uint32_t kHasLast = 1, kHasPending = 2;

std::uint64_t hash_of(const Message& message) {
  const std::uint64_t body = starling::hash_of(message.body.bytes());
  return message.start.size() == 0 ? body : body ^ starling::hash_of(message.start.bytes());
}

std::uint64_t hash_of(std::span<const std::uint64_t> words) {
  return starling::hash_of(std::as_bytes(words));
}

}  // namespace

SharedBytes encode(const Settlement& s) {
  Layout out{};
  out.history = s.history;
  out.flags = (s.last ? kHasLast : 0) | (s.pending ? kHasPending : 0);
  out.count = s.count;
  out.chain = s.chain;
  out.before = s.before;
  out.last_round = s.last.value_or(Exchange{}).round;
  out.last_index = s.last.value_or(Exchange{}).index;
  out.pending_round = s.pending.value_or(Exchange{}).round;
  out.pending_index = s.pending.value_or(Exchange{}).index;
  out.state = s.state;
  ByteBlock block(kSettlementBytes);
  std::memcpy(block.bytes().data(), &out, sizeof out);
  return block;
}

Result<Settlement> decode_settlement(std::span<const std::byte> bytes) {
  if (bytes.size() != kSettlementBytes) {
    return Error{ErrorCode::peer, fmt::format("a settlement of {} bytes, expected {}", bytes.size(),
                                              kSettlementBytes)};
  }
  Layout in;
  std::memcpy(&in, bytes.data(), sizeof in);
  if ((in.flags & ~(kHasLast | kHasPending)) != 0) {
    return Error{ErrorCode::peer,
                 fmt::format("settlement flags are {:#x}, expected at most 0x3", in.flags)};
  }
  Settlement s{.history = in.history,
               .count = in.count,
               .chain = in.chain,
               .before = in.before,
               .state = in.state};
  if ((in.flags & kHasLast) != 0) s.last = {in.last_round, in.last_index};
  if ((in.flags & kHasPending) != 0) s.pending = {in.pending_round, in.pending_index};
  return s;
}

// Each end counts an exchange when it has both messages, and sends the next one only then: so the
// counts differ by one at most.
Verdict verdict(const Settlement& ours, const Settlement& theirs) {
  const auto lacks_last_of = [](const Settlement& behind, const Settlement& ahead) {
    return ahead.count == behind.count + 1 && ahead.before == behind.chain && behind.pending &&
           behind.pending == ahead.last;
  };
  if (ours.history == 0 || ours.history != theirs.history) return Verdict::reopen;
  if (ours.count == theirs.count) {
    const bool alike = ours.chain == theirs.chain && ours.state == theirs.state;
    return alike ? Verdict::go_on : Verdict::reopen;
  }
  if (lacks_last_of(theirs, ours)) return Verdict::replay;
  if (lacks_last_of(ours, theirs)) return Verdict::await;
  return Verdict::reopen;
}

void EdgeLedger::open(Epoch history) {
  INVARIANT(history > 0);
  const auto [low, high] = std::minmax(end_.self, end_.peer);
  const std::array<std::uint64_t, 3> begin{index_of(low), index_of(high), history};
  now_ = {.history = history, .chain = hash_of(begin)};
  last_.reset();
  pending_.reset();
}

void EdgeLedger::sent(Exchange exchange, Message message) {
  INVARIANT(!pending_ && now_.history > 0);
  pending_ = {exchange, now_.chain, std::move(message)};
}

void EdgeLedger::count(const Message& theirs) {
  INVARIANT(pending_.has_value());
  std::uint64_t low = hash_of(pending_->message), high = hash_of(theirs);
  if (end_.peer < end_.self) std::swap(low, high);
  const std::array<std::uint64_t, 5> words{now_.chain, pending_->exchange.round,
                                           pending_->exchange.index, low, high};
  now_.before = now_.chain;
  now_.chain = hash_of(words);
  ++now_.count;
  now_.last = pending_->exchange;
  last_ = std::move(pending_);
  pending_.reset();
}

void EdgeLedger::acknowledge(std::uint64_t base) {
  if (base == now_.chain) last_.reset();
}

Settlement EdgeLedger::settlement(std::uint64_t state) const {
  Settlement s = now_;
  s.state = state;
  if (pending_) s.pending = pending_->exchange;
  return s;
}

}  // namespace starling::gossip
