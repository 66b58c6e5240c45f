// Compiled once for each instruction set; each function computes what its twin in select_ref.cc
// defines.
//
// 64 elements become 64 bits, and every group writes the same number of indices whether it has
// them or not: the count alone moves on, so the processor has no branch to guess wrong. Values
// follow a block later, while the block is still in the first cache. (Compressing both to memory
// vector by vector is 2-3 times slower where x lies in a cache: most of its stores cross lines.)
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "compress/kernels/select.cc"
#include <hwy/foreach_target.h>  // IWYU pragma: keep
#include <hwy/highway.h>

#include <algorithm>
#include <bit>

#include "compress/kernels/ahead.h"
#include "compress/kernels/select.h"
#include "protocol/check.h"

#ifndef STARLING_COMPRESS_KERNELS_SELECT_CC_ONCE_
#define STARLING_COMPRESS_KERNELS_SELECT_CC_ONCE_
namespace starling::compress {
namespace {

constexpr std::size_t kGroup = Slots::kSlack;  // a group is written before it is counted
constexpr std::size_t kBlock = 4096;
constexpr std::uint32_t kNone = 0x80000000;  // a threshold above every magnitude
static_assert(kBlock % kGroup == 0);

enum class Mode { look, add, take };  // collect_at_least, add_and_collect, add_and_take

// g is not read, and may be x, in a sweep that only looks.
struct Sweep {
  float* x;
  const float* g;
  std::size_t size;
  std::uint32_t threshold;
};

}  // namespace
}  // namespace starling::compress
#endif

HWY_BEFORE_NAMESPACE();
namespace starling::compress::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

using D = hn::CappedTag<std::int32_t, 16>;
using DF = hn::RebindToFloat<D>;
using V = hn::Vec<D>;
constexpr std::size_t kWidth = hn::MaxLanes(D());
constexpr std::size_t kParts = kGroup / kWidth;

template <Mode kMode>
HWY_INLINE void ask(const Sweep& s, std::size_t i, std::size_t floats) {
  if constexpr (kMode == Mode::look) {
    ask_ahead<false, kAheadOfOne>(s.x + i, floats);
  } else {
    ask_ahead<true>(s.x + i, floats);
    ask_ahead(s.g + i, floats);
  }
}

// x, or the new x + g.
template <Mode kMode>
HWY_INLINE hn::Vec<DF> read(float* x, const float* g) {
  auto v = hn::LoadU(DF(), x);
  if constexpr (kMode != Mode::look) {
    v = hn::Add(v, hn::LoadU(DF(), g));
    hn::StoreU(v, DF(), x);
  }
  return v;
}

// Lane l: whether element l reaches the threshold, which is `below` + 1.
template <Mode kMode>
HWY_INLINE hn::Mask<D> reaching(float* x, const float* g, V below) {
  return hn::Gt(hn::BitCast(D(), hn::Abs(read<kMode>(x, g))), below);
}

// The same of a group, a bit an element. Masks are joined before they leave the vector unit.
#if HWY_TARGET <= HWY_AVX3
template <Mode kMode>
HWY_INLINE std::uint64_t group_reaching(float* x, const float* g, V below) {
  __mmask16 parts[kParts];
  for (std::size_t part = 0; part < kParts; ++part) {
    parts[part] = reaching<kMode>(x + part * kWidth, g + part * kWidth, below).raw;
  }
  const __mmask32 low = _mm512_kunpackw(parts[1], parts[0]);
  const __mmask32 high = _mm512_kunpackw(parts[3], parts[2]);
  return _cvtmask64_u64(_mm512_kunpackd(high, low));
}
#elif HWY_TARGET == HWY_AVX2
template <Mode kMode>
HWY_INLINE std::uint64_t group_reaching(float* x, const float* g, V below) {
  const __m256i in_order = _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7);  // packs goes by halves
  std::uint32_t halves[2];
  for (std::uint32_t& half : halves) {
    __m256i parts[4];
    for (__m256i& part : parts) {
      part = hn::VecFromMask(D(), reaching<kMode>(x, g, below)).raw;
      x += kWidth;
      g += kWidth;
    }
    const __m256i bytes = _mm256_packs_epi16(_mm256_packs_epi32(parts[0], parts[1]),
                                             _mm256_packs_epi32(parts[2], parts[3]));
    half = static_cast<std::uint32_t>(
        _mm256_movemask_epi8(_mm256_permutevar8x32_epi32(bytes, in_order)));
  }
  return halves[0] | std::uint64_t{halves[1]} << 32;
}
#else
template <Mode kMode>
HWY_INLINE std::uint64_t group_reaching(float* x, const float* g, V below) {
  std::uint64_t bits = 0;
  for (std::size_t part = 0; part < kParts; ++part) {
    std::uint8_t stored[8];  // as many bytes as StoreMaskBits asks for; one is written
    hn::StoreMaskBits(D(), reaching<kMode>(x + part * kWidth, g + part * kWidth, below), stored);
    bits |= std::uint64_t{stored[0]} << (part * kWidth);
  }
  return bits;
}
#endif

// Writes the positions of the ones, at least kAlways of them whether they are there or not.
template <unsigned kAlways>
HWY_INLINE void put_positions(std::uint64_t bits, std::uint32_t first, std::uint32_t* to) {
  const auto next = [&]() HWY_ATTR {
    constexpr std::uint64_t kLast = std::uint64_t{1} << 63;  // never below another one
    auto position = static_cast<std::uint32_t>(std::countr_zero(bits | kLast));
    bits &= bits - 1;
    asm("" : "+r"(position));  // one by one: a compiler that gathers them in a vector loses by it
    return first + position;
  };
  unsigned k = 0;
  while (k < kAlways) to[k++] = next();
  while (bits != 0) to[k++] = next();
}

// Where few are below, their places are far apart: all of a chunk are asked for before the first is
// written to.
void PutBackBelow(Slots entries, std::size_t count, std::uint32_t bound, float* HWY_RESTRICT e) {
  constexpr std::size_t kChunk = 512;
  HWY_ALIGN std::uint32_t indices[kChunk + kWidth];
  HWY_ALIGN float values[kChunk + kWidth];
  for (std::size_t begin = 0; begin < count; begin += kChunk) {
    const std::size_t end = std::min(count, begin + kChunk);
    std::size_t n = 0, j = begin;
#if HWY_TARGET <= HWY_AVX3
    const V most = hn::Set(D(), static_cast<std::int32_t>(bound - 1));
    for (; j + kWidth <= end; j += kWidth) {
      const auto* at = reinterpret_cast<const std::int32_t*>(entries.indices.data() + j);
      const auto v = hn::LoadU(DF(), entries.values.data() + j);
      const auto mask = hn::Not(hn::Gt(hn::BitCast(D(), hn::Abs(v)), most));
      hn::StoreU(hn::Compress(hn::LoadU(D(), at), mask), D(),
                 reinterpret_cast<std::int32_t*>(indices + n));
      hn::StoreU(hn::BitCast(DF(), hn::Compress(hn::BitCast(D(), v), mask)), DF(), values + n);
      n += hn::CountTrue(D(), mask);
    }
#endif
    for (; j < end; ++j) {
      indices[n] = entries.indices[j];
      values[n] = entries.values[j];
      n += magnitude(values[n]) < bound;
    }
    for (std::size_t k = 0; k < n; ++k) __builtin_prefetch(e + indices[k], 1);
    for (std::size_t k = 0; k < n; ++k) e[indices[k]] = values[k];
  }
}

// What a block returns where it finds too many; `taken` entries are in their slots already.
template <Mode kMode>
Collected too_many(const Sweep& s, Slots to, std::size_t taken) {
  if constexpr (kMode == Mode::take) PutBackBelow(to, taken, kNone, s.x);
  return {to.capacity() + 1, 0};
}

// Appends the entries of the s.size elements from `begin`. Where that is too many, only adds.
template <Mode kMode, unsigned kAlways>
Collected PutBlock(const Sweep& s, std::size_t begin, Slots to, Collected kept) {
  const V below = hn::Set(D(), static_cast<std::int32_t>(s.threshold - 1));
  const std::size_t capacity = to.capacity();
  std::size_t count = kept.count;
  for (std::size_t i = begin; i < begin + s.size; i += kGroup) {
    ask<kMode>(s, i, kGroup);
    const std::uint64_t bits = group_reaching<kMode>(s.x + i, s.g + i, below);
    if (count > capacity) continue;
    put_positions<kAlways>(bits, static_cast<std::uint32_t>(i), to.indices.data() + count);
    count += static_cast<std::size_t>(std::popcount(bits));
  }
  if (count > capacity) return too_many<kMode>(s, to, kept.count > capacity ? 0 : kept.count);
  for (std::size_t k = kept.count; k < count; ++k) {
    const float value = s.x[to.indices[k]];
    to.values[k] = value;
    if constexpr (kMode == Mode::take) s.x[to.indices[k]] = 0;
    kept.largest = std::max(kept.largest, magnitude(value));
  }
  return {count, kept.largest};
}

// The same for blocks of which much is kept.
#if HWY_TARGET <= HWY_AVX3
template <Mode kMode>
Collected PutDense(const Sweep& s, std::size_t begin, Slots to, Collected kept) {
  const V below = hn::Set(D(), static_cast<std::int32_t>(s.threshold - 1));
  V largest = hn::Zero(D()), index = hn::Iota(D(), static_cast<std::int32_t>(begin));
  const std::size_t capacity = to.capacity();
  std::size_t count = kept.count;
  for (std::size_t i = begin; i < begin + s.size; i += kWidth) {
    ask<kMode>(s, i, kWidth);
    const auto v = hn::BitCast(D(), read<kMode>(s.x + i, s.g + i));
    const V bits = hn::And(v, hn::Set(D(), 0x7fffffff));
    const auto mask = hn::Gt(bits, below);
    if (count <= capacity) {
      hn::StoreU(hn::Compress(index, mask), D(),
                 reinterpret_cast<std::int32_t*>(to.indices.data() + count));
      hn::StoreU(hn::BitCast(DF(), hn::Compress(v, mask)), DF(), to.values.data() + count);
      count += hn::CountTrue(D(), mask);
      if constexpr (kMode == Mode::take) {
        hn::StoreU(hn::BitCast(DF(), hn::IfThenZeroElse(mask, v)), DF(), s.x + i);
      }
    }
    largest = hn::Max(largest, hn::IfThenElseZero(mask, bits));
    index = hn::Add(index, hn::Set(D(), kWidth));
  }
  if (count > capacity) return too_many<kMode>(s, to, kept.count > capacity ? 0 : count);
  const auto of_block = static_cast<std::uint32_t>(hn::GetLane(hn::MaxOfLanes(D(), largest)));
  return {count, std::max(kept.largest, of_block)};
}
#else  // Highway's Compress copies its table to the stack here
template <Mode kMode>
Collected PutDense(const Sweep& s, std::size_t begin, Slots to, Collected kept) {
  return PutBlock<kMode, 12>(s, begin, to, kept);
}
#endif

// `density`: entries of the block before.
template <Mode kMode>
Collected PutNext(const Sweep& s, std::size_t begin, Slots to, Collected kept,
                  std::size_t density) {
  constexpr std::size_t kGroups = kBlock / kGroup;
  if (density < kGroups) return PutBlock<kMode, 2>(s, begin, to, kept);
  if (density < 3 * kGroups) return PutBlock<kMode, 5>(s, begin, to, kept);
  return PutDense<kMode>(s, begin, to, kept);
}

template <Mode kMode>
Collected Collect(Sweep s, Slots to) {
  Collected kept{0, 0};
  const std::size_t size = s.size, whole = size - size % kGroup, capacity = to.capacity();
  std::size_t density = 0;
  for (std::size_t begin = 0; begin < whole; begin += kBlock) {
    const std::size_t before = kept.count;
    s.size = std::min(kBlock, whole - begin);
    kept = PutNext<kMode>(s, begin, to, kept, density);
    density = kept.count - before;
    if (kMode == Mode::look && kept.count > capacity) return kept;
  }
  for (std::size_t i = whole; i < size; ++i) {
    if constexpr (kMode != Mode::look) s.x[i] += s.g[i];
    const float value = s.x[i];
    if (magnitude(value) < s.threshold || kept.count > capacity) continue;
    to.indices[kept.count] = static_cast<std::uint32_t>(i);
    to.values[kept.count++] = value;
    if constexpr (kMode == Mode::take) s.x[i] = 0;
    kept.largest = std::max(kept.largest, magnitude(value));
    if (kept.count > capacity) kept = too_many<kMode>(s, to, kept.count);
  }
  return kept;
}

// Each vector is read before anything is written behind its begin.
std::size_t KeepAtLeast(Slots entries, std::size_t count, std::uint32_t threshold) {
  std::uint32_t* indices = entries.indices.data();
  float* values = entries.values.data();
  std::size_t n = 0, j = 0;
#if HWY_TARGET <= HWY_AVX3
  const V below = hn::Set(D(), static_cast<std::int32_t>(threshold - 1));
  for (; j + kWidth <= count; j += kWidth) {
    const hn::RebindToUnsigned<D> du;
    const auto v = hn::LoadU(DF(), values + j);
    const auto mask = hn::Gt(hn::BitCast(D(), hn::Abs(v)), below);
    const auto index = hn::BitCast(D(), hn::LoadU(du, indices + j));
    hn::StoreU(hn::BitCast(du, hn::Compress(index, mask)), du, indices + n);
    hn::StoreU(hn::BitCast(DF(), hn::Compress(hn::BitCast(D(), v), mask)), DF(), values + n);
    n += hn::CountTrue(D(), mask);
  }
#endif
  for (; j < count; ++j) {
    const float value = values[j];
    indices[n] = indices[j];
    values[n] = value;
    n += magnitude(value) >= threshold;
  }
  return n;
}

std::size_t ValuesBelow(const float* HWY_RESTRICT values, std::size_t count, std::uint32_t bound,
                        float* HWY_RESTRICT to) {
  std::size_t n = 0, j = 0;
#if HWY_TARGET <= HWY_AVX3
  const V above = hn::Set(D(), static_cast<std::int32_t>(bound));
  for (; j + kWidth <= count; j += kWidth) {
    const auto v = hn::LoadU(DF(), values + j);
    const auto mask = hn::Lt(hn::BitCast(D(), hn::Abs(v)), above);
    hn::StoreU(hn::BitCast(DF(), hn::Compress(hn::BitCast(D(), v), mask)), DF(), to + n);
    n += hn::CountTrue(D(), mask);
  }
#endif
  for (; j < count; ++j) {
    to[n] = values[j];
    n += magnitude(values[j]) < bound;
  }
  return n;
}

Collected CollectAtLeast(const Sweep& s, Slots to) { return Collect<Mode::look>(s, to); }
Collected AddAndCollect(const Sweep& s, Slots to) { return Collect<Mode::add>(s, to); }
Collected AddAndTake(const Sweep& s, Slots to) { return Collect<Mode::take>(s, to); }

}  // namespace starling::compress::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace starling::compress {

HWY_EXPORT(CollectAtLeast);
HWY_EXPORT(AddAndCollect);
HWY_EXPORT(AddAndTake);
HWY_EXPORT(PutBackBelow);
HWY_EXPORT(KeepAtLeast);
HWY_EXPORT(ValuesBelow);

Collected collect_at_least(std::span<const float> x, std::uint32_t threshold, Slots to) {
  INVARIANT(to.indices.size() == to.values.size() && to.indices.size() >= Slots::kSlack);
  auto* unwritten = const_cast<float*>(x.data());
  return HWY_DYNAMIC_DISPATCH(CollectAtLeast)(
      {unwritten, unwritten, x.size(), std::min(threshold, kNone)}, to);
}

Collected add_and_collect(std::span<float> e, std::span<const float> g, std::uint32_t threshold,
                          Slots to) {
  INVARIANT(e.size() == g.size());
  INVARIANT(to.indices.size() == to.values.size() && to.indices.size() >= Slots::kSlack);
  return HWY_DYNAMIC_DISPATCH(AddAndCollect)(
      {e.data(), g.data(), e.size(), std::min(threshold, kNone)}, to);
}

Collected add_and_take(std::span<float> e, std::span<const float> g, std::uint32_t threshold,
                       Slots to) {
  INVARIANT(e.size() == g.size());
  INVARIANT(to.indices.size() == to.values.size() && to.indices.size() >= Slots::kSlack);
  return HWY_DYNAMIC_DISPATCH(AddAndTake)(
      {e.data(), g.data(), e.size(), std::min(threshold, kNone)}, to);
}

void put_back_below(Slots entries, std::size_t count, std::uint32_t bound, std::span<float> e) {
  INVARIANT(count <= entries.capacity());
  HWY_DYNAMIC_DISPATCH(PutBackBelow)(entries, count, std::min(bound, kNone), e.data());
}

void clear_at(std::span<const std::uint32_t> indices, std::span<float> e) {
  constexpr std::size_t kAhead = 32;  // entries; further apart than a line, mostly
  const std::size_t size = indices.size();
  for (std::size_t j = 0; j < size; ++j) {
    if (j + kAhead < size) __builtin_prefetch(&e[indices[j + kAhead]], 1);
    e[indices[j]] = 0;
  }
}

std::size_t keep_at_least(Slots entries, std::size_t count, std::uint32_t threshold) {
  INVARIANT(count <= entries.capacity());
  return HWY_DYNAMIC_DISPATCH(KeepAtLeast)(entries, count, std::min(threshold, kNone));
}

std::size_t values_below(std::span<const float> values, std::uint32_t bound, std::span<float> to) {
  INVARIANT(to.size() >= values.size() + Slots::kSlack);
  return HWY_DYNAMIC_DISPATCH(ValuesBelow)(values.data(), values.size(), std::min(bound, kNone - 1),
                                           to.data());
}

}  // namespace starling::compress
#endif  // HWY_ONCE
