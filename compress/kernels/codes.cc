// Compiled once for each instruction set; each function computes what its twin in codes_ref.cc
// defines, bit for bit.
#define HWY_WANT_AVX3_DL
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "compress/kernels/codes.cc"
#include <hwy/foreach_target.h>  // IWYU pragma: keep
#include <hwy/highway.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <type_traits>

#include "compress/counter_random.h"
#include "compress/header.h"
#include "compress/kernels/ahead.h"
#include "compress/kernels/codes-inl.h"
#include "compress/kernels/codes.h"
#include "compress/kernels/counter_random-inl.h"
#include "compress/kernels/largest_seen-inl.h"
#include "compress/kernels/rounding-inl.h"
#include "protocol/check.h"

#ifndef STARLING_COMPRESS_KERNELS_CODES_CC_ONCE_
#define STARLING_COMPRESS_KERNELS_CODES_CC_ONCE_
namespace starling::compress {
namespace {

// The inverse with the fixed point in it stays a float; a bucket whose norm is near the smallest
// that is sent is rare enough for the plain loops.
bool usual(const CodeDraw& draw) { return draw.inverse < 0x1p97f; }

void write_rare(std::span<const float> x, std::size_t bucket, const CodeFormat& format,
                std::uint64_t key, const std::byte* scales, std::byte* codes) {
  for (std::size_t first = 0; first < x.size(); first += bucket) {
    const auto scale = load<float>(scales + first / bucket * sizeof(float));
    const CodeDraw draw{inverse_of(scale, format), key, first};
    if (usual(draw)) continue;
    ref::write_codes(x.subspan(first, bucket), format, draw,
                     codes + code_bytes(format.bits, first));
  }
}

}  // namespace
}  // namespace starling::compress
#endif

HWY_BEFORE_NAMESPACE();
namespace starling::compress::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

// The words move up by a field, and the code in the upper bits becomes the lowest one.
template <class F>
HWY_INLINE VU append(VU words, VI code) {
#if HWY_TARGET <= HWY_AVX3_DL
  return VU{_mm512_shldi_epi32(words.raw, code.raw, F::kBits)};
#else
  const VU field = hn::ShiftRight<32 - F::kBits>(hn::BitCast(DU(), code));
  return hn::Or(hn::ShiftLeft<F::kBits>(words), field);
#endif
}

// The words of one vector of 8 fields each.
template <class F>
HWY_INLINE void store_words(VU words, std::byte* to) {
  if constexpr (F::kBits == 4) {
    hn::StoreU(words, DU(), reinterpret_cast<std::uint32_t*>(to));
  } else {
    const hn::Rebind<std::uint16_t, D> narrow;
    hn::StoreU(hn::TruncateTo(narrow, words), narrow, reinterpret_cast<std::uint16_t*>(to));
  }
}

// What the blocks of a bucket have in common.
struct Rounder {
  V inverse;
  std::uint64_t key;
  VU random[kParts];  // of the next block: a mix is a long chain
};

HWY_INLINE VU random_at(std::uint64_t key, std::size_t first, std::size_t part) {
  const auto draw = static_cast<std::uint32_t>(first / kSpread + part * kWidth);
  return random_lanes_but_last(DU(), key, draw);
}

// One block. Lane l of part p of the j-th sixteen is element 16j + p · kWidth + l.
// Calls see(at, v, code) with what was loaded from `at` and its code in the upper bits.
template <class F, bool kStochastic, class See>
HWY_INLINE void write_block(const float* x, Rounder& rounder, std::size_t first,
                            std::byte* HWY_RESTRICT codes, See&& see) {
  for (std::size_t part = 0; part < kParts; ++part) {
    VU random = hn::Set(DU(), 1U << (F::kPoint - 1)), words = hn::Zero(DU());
    if constexpr (kStochastic) {
      random = rounder.random[part];
      rounder.random[part] = random_at(rounder.key, first + kCodeBlock, part);
    }
    for (std::size_t j = kSpread; j-- > 0;) {
      const std::size_t at = j * 16 + part * kWidth;
      VU u = random;
      if constexpr (kStochastic) {
        if (j > 0) u = hn::Mul(u, hn::Set(DU(), kSpreadFactors[j]));
        u = hn::And(u, hn::Set(DU(), (1U << F::kPoint) - 1));
      }
      const V v = hn::LoadU(D(), x + at);
      const VI code = codes_of<F>(v, rounder.inverse, u);
      see(at, v, code);
      if constexpr (F::kBits == 8) {
        const hn::Rebind<std::int8_t, D> narrow;
        hn::StoreU(hn::DemoteTo(narrow, hn::ShiftRight<24>(code)), narrow,
                   reinterpret_cast<std::int8_t*>(codes + at));
      } else {
        words = append<F>(words, code);
      }
    }
    if constexpr (F::kBits != 8) store_words<F>(words, codes + part * kWidth * F::kBits);
  }
}

template <class F>
HWY_INLINE Rounder rounder_of(const CodeDraw& draw) {
  Rounder rounder{hn::Set(D(), draw.inverse * kOne<F>), draw.key, {}};
  for (std::size_t part = 0; part < kParts; ++part) {
    rounder.random[part] = random_at(draw.key, draw.first, part);
  }
  return rounder;
}

// Whole blocks in place, the rest in a block that zeros fill up. Calls see_at(to)(at, v, code) with
// where the elements of the block are.
template <class F, bool kStochastic, class X, class SeeAt>
HWY_INLINE void write_all(std::span<X> x, const CodeDraw& draw, std::byte* codes, SeeAt&& see_at) {
  Rounder rounder = rounder_of<F>(draw);
  const std::size_t size = x.size();
  std::size_t i = 0;
  for (; i + kCodeBlock <= size; i += kCodeBlock) {
    write_block<F, kStochastic>(&x[i], rounder, draw.first + i, codes, see_at(&x[i]));
    codes += F::kBlockBytes;
  }
  if (i == size) return;
  std::array<float, kCodeBlock> rest{};
  std::array<std::byte, F::kBlockBytes> bytes;
  std::copy(x.data() + i, x.data() + size, rest.begin());
  write_block<F, kStochastic>(rest.data(), rounder, draw.first + i, bytes.data(),
                              see_at(rest.data()));
  if constexpr (!std::is_const_v<X>) std::copy(rest.begin(), rest.begin() + (size - i), &x[i]);
  std::memcpy(codes, bytes.data(), code_bytes(F::kBits, size - i));
}

template <class F, bool kStochastic>
void WriteAs(std::span<const float> x, const CodeDraw& draw, std::byte* codes) {
  write_all<F, kStochastic>(
      x, draw, codes, [](const float*) HWY_ATTR { return [](std::size_t, V, VI) HWY_ATTR {}; });
}

template <class F, bool kStochastic>
void SubtractAs(std::span<float> e, const CodeDraw& draw, float unit, std::byte* codes) {
  const V step = hn::Set(D(), unit);
  write_all<F, kStochastic>(e, draw, codes, [step](float* from) HWY_ATTR {
    return [=](std::size_t at, V v, VI code) HWY_ATTR {
      const V level = levels<F>(hn::ShiftRight<32 - F::kBits>(code));
      hn::StoreU(hn::Sub(v, hn::Mul(level, step)), D(), from + at);
    };
  });
}

// Bucket b is written while the norm of bucket b + 2 is found: the way from a norm to the inverse
// of its scale is long, and reading never stops.
template <class F, bool kStochastic>
bool BucketsAs(std::span<const float> x, std::size_t bucket, std::uint64_t key, std::byte* scales,
               std::byte* codes) {
  const std::size_t count = x.size() / bucket;
  const auto norm_at = [&](std::size_t b) HWY_ATTR {
    LargestSeen seen;
    const float* from = &x[std::min(b, count - 1) * bucket];
    for (std::size_t i = 0; i < bucket; i += kWidth) seen.add(hn::LoadU(D(), from + i));
    return seen.finish();
  };
  float norm = norm_at(0), next = norm_at(1);
  bool rare = false;
  Rounder rounder = rounder_of<F>({0, key, 0});  // random words go on from bucket to bucket
  for (std::size_t b = 0; b < count; ++b) {
    if (!std::isfinite(norm)) return false;
    const float scale = scale_of(norm);
    std::memcpy(scales + b * sizeof scale, &scale, sizeof scale);
    const CodeDraw draw{inverse_of(scale, F::format(kStochastic)), key, b * bucket};
    rare |= !usual(draw);
    rounder.inverse = hn::Set(D(), draw.inverse * kOne<F>);
    const float* from = &x[b * bucket];
    const float* ahead = &x[std::min(b + 2, count - 1) * bucket];
    LargestSeen seen;
    for (std::size_t i = 0; i < bucket; i += kCodeBlock) {
      ask_ahead(ahead + i, kCodeBlock);
      const auto see = [&](std::size_t at, V, VI) HWY_ATTR {
        // Upwards, where a block is written downwards: the prefetcher follows nothing else.
        const float* up = ahead + i + kCodeBlock - 16 - at / 16 * 16 + at % 16;
        seen.add(hn::LoadU(D(), up));
      };
      write_block<F, kStochastic>(from + i, rounder, draw.first + i,
                                  codes + code_bytes(F::kBits, draw.first + i), see);
    }
    norm = next;
    next = seen.finish();
  }
  if (rare) write_rare(x, bucket, F::format(kStochastic), key, scales, codes);
  return true;
}

// Calls work(Format<…>(), whether draws are random) of the format.
template <class Work>
HWY_INLINE auto with_rounding(const CodeFormat& format, Work&& work) {
  return with_format(format, [&]<class F>(F f) HWY_ATTR {
    if (format.rounding == Rounding::nearest) return work(f, std::false_type());
    return work(f, std::true_type());
  });
}

void Write(std::span<const float> x, const CodeFormat& format, const CodeDraw& draw,
           std::byte* codes) {
  with_rounding(format, [&]<class F, bool kStochastic>(F, std::bool_constant<kStochastic>)
                            HWY_ATTR { WriteAs<F, kStochastic>(x, draw, codes); });
}

void WriteAndSubtract(std::span<float> e, const CodeFormat& format, const CodeDraw& draw,
                      float unit, std::byte* codes) {
  with_rounding(format, [&]<class F, bool kStochastic>(F, std::bool_constant<kStochastic>)
                            HWY_ATTR { SubtractAs<F, kStochastic>(e, draw, unit, codes); });
}

bool WriteBuckets(std::span<const float> x, std::size_t bucket, const CodeFormat& format,
                  std::uint64_t key, std::byte* scales, std::byte* codes) {
  return with_rounding(
      format, [&]<class F, bool kStochastic>(F, std::bool_constant<kStochastic>)
                  HWY_ATTR { return BucketsAs<F, kStochastic>(x, bucket, key, scales, codes); });
}

}  // namespace starling::compress::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace starling::compress {

HWY_EXPORT(Write);
HWY_EXPORT(WriteAndSubtract);
HWY_EXPORT(WriteBuckets);

void write_codes(std::span<const float> x, const CodeFormat& format, const CodeDraw& draw,
                 std::byte* codes) {
  INVARIANT(known(format) && draw.first % kCodeBlock == 0);
  if (!usual(draw)) return ref::write_codes(x, format, draw, codes);
  HWY_DYNAMIC_DISPATCH(Write)(x, format, draw, codes);
}

void write_codes_and_subtract(std::span<float> e, const CodeFormat& format, const CodeDraw& draw,
                              float unit, std::byte* codes) {
  INVARIANT(known(format) && draw.first % kCodeBlock == 0);
  if (!usual(draw)) return ref::write_codes_and_subtract(e, format, draw, unit, codes);
  HWY_DYNAMIC_DISPATCH(WriteAndSubtract)(e, format, draw, unit, codes);
}

bool write_buckets(std::span<const float> x, std::size_t bucket, const CodeFormat& format,
                   std::uint64_t key, std::byte* scales, std::byte* codes) {
  INVARIANT(known(format) && bucket > 0 && bucket % kCodeBlock == 0 && x.size() % bucket == 0);
  if (x.empty()) return true;
  return HWY_DYNAMIC_DISPATCH(WriteBuckets)(x, bucket, format, key, scales, codes);
}

}  // namespace starling::compress
#endif  // HWY_ONCE
