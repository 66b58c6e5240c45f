// Compiled once for each instruction set; computes what its twin in block_max_ref.cc defines.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "compress/kernels/block_max.cc"
#include <hwy/foreach_target.h>  // IWYU pragma: keep
#include <hwy/highway.h>

#include <algorithm>

#include "compress/kernels/block_max.h"
#include "compress/kernels/select.h"
#include "protocol/check.h"

HWY_BEFORE_NAMESPACE();
namespace starling::compress::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

using D = hn::CappedTag<std::int32_t, 16>;
using DF = hn::RebindToFloat<D>;
using V = hn::Vec<D>;
constexpr std::size_t kWidth = hn::MaxLanes(D());

HWY_INLINE V magnitudes(const float* x) { return hn::BitCast(D(), hn::Abs(hn::LoadU(DF(), x))); }

struct Largest {
  std::uint32_t magnitude;
  std::uint32_t where;
};

HWY_INLINE Largest plain_max(const float* x, std::size_t size) {
  Largest most{magnitude(x[0]), 0};
  for (std::size_t i = 1; i < size; ++i) {
    const std::uint32_t bits = magnitude(x[i]);
    most.where = bits > most.magnitude ? static_cast<std::uint32_t>(i) : most.where;
    most.magnitude = std::max(most.magnitude, bits);
  }
  return most;
}

// The largest, then the first that equals it: the block is in a cache by then. For a whole number
// of vectors.
HWY_INLINE Largest vector_max(const float* x, std::size_t size) {
  V a = magnitudes(x), b = a;
  std::size_t i = kWidth;
  for (; i + 2 * kWidth <= size; i += 2 * kWidth) {
    a = hn::Max(a, magnitudes(x + i));
    b = hn::Max(b, magnitudes(x + i + kWidth));
  }
  if (i < size) b = hn::Max(b, magnitudes(x + i));
  const V most = hn::MaxOfLanes(D(), hn::Max(a, b));
  for (i = 0;; i += kWidth) {
    const auto equal = hn::Eq(magnitudes(x + i), most);
    if (hn::AllFalse(D(), equal)) continue;
    const auto lane = static_cast<std::size_t>(hn::FindFirstTrue(D(), equal));
    return {static_cast<std::uint32_t>(hn::GetLane(most)), static_cast<std::uint32_t>(i + lane)};
  }
}

HWY_INLINE Largest block_max(const float* x, std::size_t size) {
  const std::size_t whole = size - size % kWidth;
  if (whole == 0) return plain_max(x, size);
  Largest most = vector_max(x, whole);
  if (whole == size) return most;
  const Largest tail = plain_max(x + whole, size - whole);
  if (tail.magnitude <= most.magnitude) return most;
  return {tail.magnitude, tail.where + static_cast<std::uint32_t>(whole)};
}

std::uint32_t BlockMaxima(std::span<const float> x, std::size_t block, std::uint32_t* where) {
  std::uint32_t largest = 0;
  for (std::size_t begin = 0; begin < x.size(); begin += block) {
    const Largest most = block_max(x.data() + begin, std::min(block, x.size() - begin));
    *where++ = most.where;
    largest = std::max(largest, most.magnitude);
  }
  return largest;
}

}  // namespace starling::compress::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace starling::compress {

HWY_EXPORT(BlockMaxima);

std::uint32_t block_maxima(std::span<const float> x, std::size_t block,
                           std::span<std::uint32_t> where) {
  INVARIANT(block > 0 && where.size() == (x.size() + block - 1) / block);
  return HWY_DYNAMIC_DISPATCH(BlockMaxima)(x, block, where.data());
}

}  // namespace starling::compress
#endif  // HWY_ONCE
