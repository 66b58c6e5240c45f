// Compiled once for each instruction set; each function computes what its twin in sign_ref.cc
// defines, bit for bit.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "compress/kernels/sign.cc"
#include <hwy/foreach_target.h>  // IWYU pragma: keep
#include <hwy/highway.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <cstring>

#include "compress/kernels/ahead.h"
#include "compress/kernels/norm_sums.h"
#include "compress/kernels/sign.h"
#include "compress/kernels/square_sums-inl.h"
#include "protocol/check.h"

HWY_BEFORE_NAMESPACE();
namespace starling::compress::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

using D = hn::CappedTag<float, kSumLanes>;
using V = hn::Vec<D>;
constexpr std::size_t kWidth = hn::MaxLanes(D());
constexpr std::size_t kStep = kAbsLanes, kParts = kStep / kWidth;

// Σ|x_i| over 32 lanes or Σ x_i² over 16.
template <Norm kNorm>
class Lanes;

template <>
class Lanes<Norm::l1> {
 public:
  static constexpr std::size_t kSegment = kSumSegment;

  Lanes() {
    for (V& sum : sums_) sum = hn::Zero(D());
  }
  // The part-th vector of kStep elements, and where it is in memory.
  void add(std::size_t part, V v, const float* /*at*/) {
    sums_[part] = hn::Add(sums_[part], hn::Abs(v));
  }
  double flush(const float* tail, std::size_t count) {
    std::array<float, kAbsLanes> lanes;
    for (std::size_t part = 0; part < kParts; ++part) {
      hn::StoreU(sums_[part], D(), lanes.data() + part * kWidth);
    }
    for (std::size_t i = 0; i < count; ++i) lanes[i] += std::fabs(tail[i]);
    return static_cast<double>(add_lanes(lanes));
  }

 private:
  V sums_[kParts];
};

template <>
class Lanes<Norm::l2> {
 public:
  static constexpr std::size_t kSegment = SIZE_MAX;

  void add(std::size_t part, V /*v*/, const float* at) {
    sums_.add(part % (kSumLanes / kWidth), at);
  }
  double flush(const float* tail, std::size_t count) {
    if (count < kSumLanes) return sums_.finish(tail, count);
    for (std::size_t i = 0; i < kSumLanes; i += kWidth) sums_.add(i / kWidth, tail + i);
    return sums_.finish(tail + kSumLanes, count - kSumLanes);
  }

 private:
  SquareSums sums_;
};

// A load once: compilers fold it into each use, and a processor loads one such vector a cycle.
HWY_INLINE V load_once(const float* from) {
  V v = hn::LoadU(D(), from);
#if HWY_TARGET <= HWY_AVX3
  asm("" : "+v"(v.raw));
#endif
  return v;
}

HWY_INLINE std::uint32_t sign_bits(V v) {
#if HWY_TARGET <= HWY_AVX3
  return _mm512_movepi32_mask(_mm512_castps_si512(v.raw));
#else
  const hn::RebindToSigned<D> d;
  std::uint64_t bits = 0;  // StoreMaskBits writes whole bytes, at most kWidth bits of them set
  hn::StoreMaskBits(d, hn::Lt(hn::BitCast(d, v), hn::Zero(d)),
                    reinterpret_cast<std::uint8_t*>(&bits));
  return static_cast<std::uint32_t>(bits);
#endif
}

// Calls full(i) for every kStep elements and then flush(i, count) for the rest, a segment at a
// time, and adds up what flush returns.
template <std::size_t kSegment, class Full, class Flush>
HWY_INLINE double sweep(std::size_t size, Full&& full, Flush&& flush) {
  double sum = 0;
  std::size_t i = 0;
  do {
    const std::size_t end = size - i > kSegment ? i + kSegment : size;
    for (; i + kStep <= end; i += kStep) full(i);
    sum += flush(i, end - i);
    i = end;
  } while (i < size);
  return sum;
}

void pack_tail(const float* x, std::size_t count, std::byte* bits) {
  if (count > 0) ref::pack_signs({x, count}, Norm::l1, bits);
}

template <Norm kNorm>
double PackSignsAs(const float* HWY_RESTRICT x, std::size_t size, std::byte* HWY_RESTRICT bits) {
  Lanes<kNorm> lanes;
  return sweep<Lanes<kNorm>::kSegment>(
      size,
      [&](std::size_t i) HWY_ATTR {
        ask_ahead<false, kAheadOfOne>(x + i, kStep);
        std::uint32_t word = 0;
        for (std::size_t part = 0; part < kParts; ++part) {
          const float* at = x + i + part * kWidth;
          const V v = load_once(at);
          lanes.add(part, v, at);
          word |= sign_bits(v) << (part * kWidth);
        }
        std::memcpy(bits + i / 8, &word, sizeof word);
      },
      [&](std::size_t i, std::size_t count) HWY_ATTR {
        pack_tail(x + i, count, bits + i / 8);
        const double sum = lanes.flush(x + i, count);
        lanes = {};
        return sum;
      });
}

template <Norm kNorm>
double AddAndSumAs(float* HWY_RESTRICT e, const float* HWY_RESTRICT g, std::size_t size) {
  Lanes<kNorm> lanes;
  return sweep<Lanes<kNorm>::kSegment>(
      size,
      [&](std::size_t i) HWY_ATTR {
        ask_ahead<true>(e + i, kStep);
        ask_ahead(g + i, kStep);
        for (std::size_t part = 0; part < kParts; ++part) {
          float* at = e + i + part * kWidth;
          const V v = hn::Add(hn::LoadU(D(), at), hn::LoadU(D(), g + i + part * kWidth));
          hn::StoreU(v, D(), at);
          lanes.add(part, v, at);
        }
      },
      [&](std::size_t i, std::size_t count) HWY_ATTR {
        for (std::size_t k = i; k < i + count; ++k) e[k] += g[k];
        const double sum = lanes.flush(e + i, count);
        lanes = {};
        return sum;
      });
}

double PackSigns(const float* x, std::size_t size, Norm norm, std::byte* bits) {
  return norm == Norm::l1 ? PackSignsAs<Norm::l1>(x, size, bits)
                          : PackSignsAs<Norm::l2>(x, size, bits);
}

double AddAndSum(float* e, const float* g, std::size_t size, Norm norm) {
  return norm == Norm::l1 ? AddAndSumAs<Norm::l1>(e, g, size) : AddAndSumAs<Norm::l2>(e, g, size);
}

void PackSignsAndSubtract(std::span<float> p, float s, std::byte* HWY_RESTRICT bits,
                          const float* ahead) {
  float* HWY_RESTRICT e = p.data();
  const std::size_t size = p.size();
  if (ahead == nullptr) ahead = e;
  const V step = hn::Set(D(), s);
  std::size_t i = 0;
  for (; i + kStep <= size; i += kStep) {
    for (std::size_t line = 0; line < kStep; line += 16) {
      __builtin_prefetch(ahead + i + line, 0, 2);  // for the second cache: the first one is full
    }
    std::uint32_t word = 0;  // one store of signs for several of floats
    for (std::size_t part = 0; part < kParts; ++part) {
      float* at = e + i + part * kWidth;
      const V v = load_once(at);
      word |= sign_bits(v) << (part * kWidth);
      hn::StoreU(hn::Sub(v, hn::CopySignToAbs(step, v)), D(), at);
    }
    std::memcpy(bits + i / 8, &word, sizeof word);
  }
  if (i < size) ref::pack_signs_and_subtract({e + i, size - i}, s, bits + i / 8);
}

void AddSigns(const std::byte* HWY_RESTRICT bits, float s, float* HWY_RESTRICT y,
              std::size_t size) {
  const V plus = hn::Set(D(), s), minus = hn::Set(D(), -s);
  std::size_t i = 0;
  for (; i + kStep <= size; i += kStep) {
    ask_ahead<true>(y + i, kStep);
    std::uint32_t word;
    std::memcpy(&word, bits + i / 8, sizeof word);
    for (std::size_t part = 0; part < kParts; ++part) {
      // LoadMaskBits reads 8 bytes.
      const std::uint64_t part_bits = word >> (part * kWidth);
      const auto mask = hn::LoadMaskBits(D(), reinterpret_cast<const std::uint8_t*>(&part_bits));
      float* at = y + i + part * kWidth;
      hn::StoreU(hn::Add(hn::LoadU(D(), at), hn::IfThenElse(mask, minus, plus)), D(), at);
    }
  }
  if (i < size) ref::add_signs(bits + i / 8, s, {y + i, size - i});
}

}  // namespace starling::compress::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace starling::compress {

HWY_EXPORT(PackSigns);
HWY_EXPORT(AddAndSum);
HWY_EXPORT(PackSignsAndSubtract);
HWY_EXPORT(AddSigns);

NormSum pack_signs(std::span<const float> x, Norm norm, std::byte* bits) {
  const double sum = HWY_DYNAMIC_DISPATCH(PackSigns)(x.data(), x.size(), norm, bits);
  return std::isfinite(sum) ? sum : wide_abs_sum(x);
}

NormSum add_and_sum(std::span<float> e, std::span<const float> g, Norm norm) {
  INVARIANT(e.size() == g.size());
  const double sum = HWY_DYNAMIC_DISPATCH(AddAndSum)(e.data(), g.data(), e.size(), norm);
  return std::isfinite(sum) ? sum : wide_abs_sum(e);
}

void pack_signs_and_subtract(std::span<float> e, float s, std::byte* bits, const float* ahead) {
  HWY_DYNAMIC_DISPATCH(PackSignsAndSubtract)(e, s, bits, ahead);
}

void add_signs(const std::byte* bits, float s, std::span<float> y) {
  HWY_DYNAMIC_DISPATCH(AddSigns)(bits, s, y.data(), y.size());
}

}  // namespace starling::compress
#endif  // HWY_ONCE
