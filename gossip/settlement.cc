#include "gossip/settlement.h"

#include <fmt/format.h>

#include <bit>
#include <cstring>

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

constexpr std::uint32_t kHasLast = 1, kHasPending = 2, kLastKept = 4;

}  // namespace

SharedBytes encode(const Settlement& s) {
  Layout out{};
  out.history = s.history;
  out.flags =
      (s.last ? kHasLast : 0) | (s.pending ? kHasPending : 0) | (s.last_kept ? kLastKept : 0);
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
  if ((in.flags & ~(kHasLast | kHasPending | kLastKept)) != 0) {
    return Error{ErrorCode::peer,
                 fmt::format("settlement flags are {:#x}, expected at most 0x7", in.flags)};
  }
  Settlement s{.history = in.history,
               .count = in.count,
               .chain = in.chain,
               .before = in.before,
               .state = in.state};
  s.last_kept = (in.flags & kLastKept) != 0;
  if ((in.flags & kHasLast) != 0) s.last = {in.last_round, in.last_index};
  if ((in.flags & kHasPending) != 0) s.pending = {in.pending_round, in.pending_index};
  return s;
}

// Each end counts an exchange when it has both messages, and sends the next one only then: so the
// counts differ by one at most.
Verdict verdict(const Settlement& ours, const Settlement& theirs) {
  const auto lacks_last_of = [](const Settlement& behind, const Settlement& ahead) {
    return ahead.count == behind.count + 1 && ahead.last_kept && ahead.before == behind.chain &&
           behind.pending && behind.pending == ahead.last;
  };
  if (ours.history == 0 || ours.history != theirs.history) return Verdict::reopen;
  if (ours.count == theirs.count) {
    const bool alike = ours.chain == theirs.chain && ours.state == theirs.state;
    if (!alike) return Verdict::reopen;
    return ours.pending && ours.pending == theirs.pending ? Verdict::repeat : Verdict::go_on;
  }
  if (lacks_last_of(theirs, ours)) return Verdict::replay;
  if (lacks_last_of(ours, theirs)) return Verdict::await;
  return Verdict::reopen;
}

}  // namespace starling::gossip
