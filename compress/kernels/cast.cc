// Compiled once for each instruction set; each function computes what its twin in cast_ref.cc
// defines, bit for bit.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "compress/kernels/cast.cc"
#include <hwy/cache_control.h>
#include <hwy/foreach_target.h>  // IWYU pragma: keep
#include <hwy/highway.h>

#include <cstdint>

#include "compress/kernels/ahead.h"
#include "compress/kernels/cast.h"
#include "protocol/check.h"

HWY_BEFORE_NAMESPACE();
namespace starling::compress::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

using D = hn::CappedTag<float, 16>;
using DI = hn::RebindToSigned<D>;
using DU = hn::RebindToUnsigned<D>;
using D16 = hn::Rebind<std::uint16_t, D>;
using V = hn::Vec<D>;
using VI = hn::Vec<DI>;
using VU = hn::Vec<DU>;
constexpr std::size_t kWidth = hn::MaxLanes(D());

template <int kShift>
HWY_INLINE VU round_off(VU size) {
  const VU odd = hn::And(hn::ShiftRight<kShift>(size), hn::Set(DU(), 1));
  const VU half = hn::Set(DU(), (1U << (kShift - 1)) - 1);
  return hn::ShiftRight<kShift>(hn::Add(size, hn::Add(half, odd)));
}

template <Half kFormat>
HWY_INLINE VU round_sizes(VU size) {
  if constexpr (kFormat == Half::bfloat16) {
    const VI most = hn::Set(DI(), 0x7f7f);
    return hn::BitCast(DU(), hn::Min(hn::BitCast(DI(), round_off<16>(size)), most));
  } else {
    const VU normal = hn::Sub(round_off<13>(size), hn::Set(DU(), 112U << 10));
    // A float of [½, 1) has steps of 2^-24: the sum is rounded as a subnormal of float16 is.
    const VU half = hn::BitCast(DU(), hn::Set(D(), 0.5f));
    const V shifted = hn::Add(hn::BitCast(D(), size), hn::Set(D(), 0.5f));
    const VU tiny = hn::Sub(hn::BitCast(DU(), shifted), half);
    const auto is_tiny = hn::Lt(hn::BitCast(DI(), size), hn::Set(DI(), 0x38800000));
    return hn::IfThenElse(hn::RebindMask(DU(), is_tiny), tiny, normal);
  }
}

template <Half kFormat>
HWY_INLINE V widen(VU half) {
  if constexpr (kFormat == Half::bfloat16) {
    return hn::BitCast(D(), hn::ShiftLeft<16>(half));
  } else {
    const VU sign = hn::ShiftLeft<16>(hn::And(half, hn::Set(DU(), 0x8000)));
    const VU size = hn::And(half, hn::Set(DU(), 0x7fff));
    const VU normal = hn::Add(hn::ShiftLeft<13>(size), hn::Set(DU(), 112U << 23));
    const VI whole = hn::BitCast(DI(), size);
    const V tiny = hn::Mul(hn::ConvertTo(D(), whole), hn::Set(D(), 0x1p-24f));
    const auto is_tiny = hn::Lt(whole, hn::Set(DI(), 0x400));
    const VU value = hn::IfThenElse(hn::RebindMask(DU(), is_tiny), hn::BitCast(DU(), tiny), normal);
    return hn::BitCast(D(), hn::Or(value, sign));
  }
}

// What one vector becomes, and the largest |x| bits so far in `most`.
template <Half kFormat>
HWY_INLINE VU round_lanes(V v, VI& most) {
  const VU bits = hn::BitCast(DU(), v);
  const VU size = hn::And(bits, hn::Set(DU(), 0x7fffffff));
  most = hn::Max(most, hn::BitCast(DI(), size));
  const VU sign = hn::And(hn::ShiftRight<16>(bits), hn::Set(DU(), 0x8000));
  return hn::Or(sign, round_sizes<kFormat>(size));
}

template <Half kFormat>
HWY_INLINE bool all_within(VI most) {
  const VI first = hn::Set(DI(), static_cast<std::int32_t>(first_outside(kFormat)));
  return hn::AllTrue(DI(), hn::Lt(most, first));
}

HWY_INLINE void store_halves(VU halves, std::byte* to) {
  hn::StoreU(hn::TruncateTo(D16(), halves), D16(), reinterpret_cast<std::uint16_t*>(to));
}

HWY_INLINE VU load_halves(const std::byte* from) {
  return hn::PromoteTo(DU(), hn::LoadU(D16(), reinterpret_cast<const std::uint16_t*>(from)));
}

template <Half kFormat>
bool RoundAs(const float* HWY_RESTRICT x, std::size_t size, std::byte* HWY_RESTRICT halves) {
  VI most = hn::Zero(DI());
  std::size_t i = 0;
  for (; i + kWidth <= size; i += kWidth) {
    ask_ahead<false, kAheadOfOne>(x + i, kWidth);
    store_halves(round_lanes<kFormat>(hn::LoadU(D(), x + i), most), halves + 2 * i);
  }
  const bool rest = ref::round_to_halves({x + i, size - i}, kFormat, halves + 2 * i);
  return all_within<kFormat>(most) && rest;
}

#if HWY_TARGET == HWY_SCALAR
bool RoundToBfloat16(const float* x, std::size_t size, std::byte* halves) {
  return RoundAs<Half::bfloat16>(x, size, halves);
}
#else
// The upper half of what this returns is the bfloat16, if that is finite.
HWY_INLINE VU round_upper_half(V v, VI& most) {
  most = hn::Max(most, hn::BitCast(DI(), hn::Abs(v)));
  const VU bits = hn::BitCast(DU(), v);
  const VU odd = hn::And(hn::ShiftRight<16>(bits), hn::Set(DU(), 1));
  return hn::Add(hn::Add(bits, hn::Set(DU(), 0x7fff)), odd);
}

// As if nothing rounded up to infinity; size in steps of 2 kWidth. Returns whether that was so. To
// stream spares memory the reading of what is overwritten, and needs aligned halves.
template <bool kStream>
bool RoundUpperHalves(const float* HWY_RESTRICT x, std::size_t size,
                      std::uint16_t* HWY_RESTRICT halves) {
  const hn::Repartition<std::uint16_t, DU> d;
  VI most = hn::Zero(DI());
  for (std::size_t i = 0; i < size; i += 2 * kWidth) {
    if constexpr (kStream) {
      ask_ahead<false, 4096, kSecondCache>(x + i, 2 * kWidth);  // the first has the stores to wait
    } else {
      ask_ahead<false, kAheadOfOne>(x + i, 2 * kWidth);
      __builtin_prefetch(halves + i + 1536, 1);
    }
    const VU low = round_upper_half(hn::LoadU(D(), x + i), most);
    const VU high = round_upper_half(hn::LoadU(D(), x + i + kWidth), most);
    const auto both = hn::ConcatOdd(d, hn::BitCast(d, high), hn::BitCast(d, low));
    if constexpr (kStream) hn::Stream(both, d, halves + i);
    if constexpr (!kStream) hn::StoreU(both, d, halves + i);
  }
  if constexpr (kStream) hwy::FlushStream();
  return hn::AllTrue(DI(), hn::Lt(most, hn::Set(DI(), 0x7f7f8000)));
}

bool RoundToBfloat16(const float* HWY_RESTRICT x, std::size_t size,
                     std::byte* HWY_RESTRICT halves) {
  constexpr std::size_t kLine = 64, kStep = 2 * kWidth;
  const auto address = reinterpret_cast<std::uintptr_t>(halves);
  const bool past = size >= kStreamedFrom && address % 2 == 0;
  const std::size_t head = past ? (kLine - address % kLine) % kLine / 2 : 0;
  const std::size_t whole = (size - head) / kStep * kStep, tail = head + whole;
  auto* to = reinterpret_cast<std::uint16_t*>(halves + 2 * head);
  const bool rounded =
      past ? RoundUpperHalves<true>(x + head, whole, to) : RoundUpperHalves<false>(x, whole, to);
  if (!rounded) return RoundAs<Half::bfloat16>(x, size, halves);
  const bool first = RoundAs<Half::bfloat16>(x, head, halves);
  return RoundAs<Half::bfloat16>(x + tail, size - tail, halves + 2 * tail) && first;
}
#endif

bool Round(const float* x, std::size_t size, Half format, std::byte* halves) {
  return format == Half::bfloat16 ? RoundToBfloat16(x, size, halves)
                                  : RoundAs<Half::float16>(x, size, halves);
}

bool AddAndRound(float* HWY_RESTRICT e, const float* HWY_RESTRICT g, std::size_t size,
                 std::byte* HWY_RESTRICT halves) {
  VI most = hn::Zero(DI());
  std::size_t i = 0;
  for (; i + kWidth <= size; i += kWidth) {
    ask_ahead<true>(e + i, kWidth);
    ask_ahead(g + i, kWidth);
    const V p = hn::Add(hn::LoadU(D(), e + i), hn::LoadU(D(), g + i));
    const VU half = round_lanes<Half::bfloat16>(p, most);
    store_halves(half, halves + 2 * i);
    hn::StoreU(hn::Sub(p, widen<Half::bfloat16>(half)), D(), e + i);
  }
  const bool rest = ref::add_and_round({e + i, size - i}, {g + i, size - i}, halves + 2 * i);
  return all_within<Half::bfloat16>(most) && rest;
}

bool AllFinite(const std::byte* halves, std::size_t count, Half format) {
  const VI sizes = hn::Set(DI(), 0x7fff);
  const VI infinity = hn::Set(DI(), format == Half::bfloat16 ? 0x7f80 : 0x7c00);
  VI most = hn::Zero(DI());
  std::size_t i = 0;
  for (; i + kWidth <= count; i += kWidth) {
    most = hn::Max(most, hn::And(hn::BitCast(DI(), load_halves(halves + 2 * i)), sizes));
  }
  return hn::AllTrue(DI(), hn::Lt(most, infinity)) &&
         ref::all_finite(halves + 2 * i, count - i, format);
}

template <Half kFormat>
void AddHalvesAs(const std::byte* HWY_RESTRICT halves, float scale, float* HWY_RESTRICT y,
                 std::size_t size) {
  const V times = hn::Set(D(), scale);
  std::size_t i = 0;
  for (; i + kWidth <= size; i += kWidth) {
    ask_ahead<true, kAheadOfOne>(y + i, kWidth);
    const V value = hn::Mul(times, widen<kFormat>(load_halves(halves + 2 * i)));
    hn::StoreU(hn::Add(hn::LoadU(D(), y + i), value), D(), y + i);
  }
  ref::add_halves(halves + 2 * i, kFormat, scale, {y + i, size - i});
}

void AddHalves(const std::byte* halves, Half format, float scale, float* y, std::size_t size) {
  return format == Half::bfloat16 ? AddHalvesAs<Half::bfloat16>(halves, scale, y, size)
                                  : AddHalvesAs<Half::float16>(halves, scale, y, size);
}

}  // namespace starling::compress::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace starling::compress {

HWY_EXPORT(Round);
HWY_EXPORT(AddAndRound);
HWY_EXPORT(AllFinite);
HWY_EXPORT(AddHalves);

bool round_to_halves(std::span<const float> x, Half format, std::byte* halves) {
  return HWY_DYNAMIC_DISPATCH(Round)(x.data(), x.size(), format, halves);
}

bool add_and_round(std::span<float> e, std::span<const float> g, std::byte* halves) {
  INVARIANT(e.size() == g.size());
  return HWY_DYNAMIC_DISPATCH(AddAndRound)(e.data(), g.data(), e.size(), halves);
}

bool all_finite(const std::byte* halves, std::size_t count, Half format) {
  return HWY_DYNAMIC_DISPATCH(AllFinite)(halves, count, format);
}

void add_halves(const std::byte* halves, Half format, float scale, std::span<float> y) {
  HWY_DYNAMIC_DISPATCH(AddHalves)(halves, format, scale, y.data(), y.size());
}

}  // namespace starling::compress
#endif  // HWY_ONCE
