#include "gossip/settlement.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <cstring>

#include "protocol/random.h"

namespace starling::gossip {
namespace {

// Little endian, in this order, without gaps.
struct Layout {
  std::uint32_t history, flags;
  std::uint64_t count, chain, before, last_round, pending_round;
  std::uint32_t last_index, pending_index;
  std::uint64_t state, terms;
};
static_assert(sizeof(Layout) + sizeof(compress::NormSketch) == kSettlementBytes);
static_assert(std::endian::native == std::endian::little);

constexpr std::uint32_t kHasLast = 1, kHasPending = 2, kLastKept = 4;

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

std::uint64_t drift_key(NodeId a, NodeId b, Epoch epoch) {
  const auto [low, high] = std::minmax(a, b);
  return Random(0, Stream::drift, {index_of(low), index_of(high), epoch}).bits(0);
}

SharedBytes encode(const SettlementMessage& message) {
  const Settlement& s = message.edge;
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
  out.terms = s.terms;
  ByteBlock block(kSettlementBytes);
  std::memcpy(block.bytes().data(), &out, sizeof out);
  std::ranges::copy(std::as_bytes(std::span(message.model)),
                    block.bytes().subspan(sizeof out).begin());
  return block;
}

Result<SettlementMessage> decode_settlement(std::span<const std::byte> bytes) {
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
               .terms = in.terms,
               .state = in.state};
  s.last_kept = (in.flags & kLastKept) != 0;
  if ((in.flags & kHasLast) != 0) s.last = {in.last_round, in.last_index};
  if ((in.flags & kHasPending) != 0) s.pending = {in.pending_round, in.pending_index};
  const auto model = compress::read_norm_sketch(bytes.subspan(sizeof in), "a settlement's sketch");
  if (!model) return model.error();
  return SettlementMessage{s, *model};
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
    const bool same = ours.pending == theirs.pending && ours.terms == theirs.terms;
    return ours.pending && same ? Verdict::repeat : Verdict::go_on;
  }
  if (lacks_last_of(theirs, ours)) return Verdict::replay;
  if (lacks_last_of(ours, theirs)) return Verdict::await;
  return Verdict::reopen;
}

Reunion reunion(const SettlementMessage& ours, const SettlementMessage& theirs) {
  const double distance = compress::distance(ours.model, theirs.model);
  const double norm = compress::norm(ours.model);
  return {.how = describe(verdict(ours.edge, theirs.edge), ours.edge, theirs.edge),
          .distance = distance,
          .relative = norm > 0 ? distance / norm : 0};
}

}  // namespace starling::gossip
