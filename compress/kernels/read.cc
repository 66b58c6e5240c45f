// Compiled once for each instruction set.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "compress/kernels/read.cc"
#include <hwy/foreach_target.h>  // IWYU pragma: keep
#include <hwy/highway.h>

#include <array>
#include <cstddef>
#include <cstdint>

#include "compress/kernels/read.h"

HWY_BEFORE_NAMESPACE();
namespace starling::compress::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

using D = hn::ScalableTag<std::uint32_t>;

std::uint64_t ReadAll(const float* HWY_RESTRICT x, std::size_t size) {
  constexpr std::size_t kWidth = hn::MaxLanes(D());
  constexpr std::size_t kSums = 8;  // two loads a cycle and the latency of an or leave none waiting
  const D d;
  hn::Vec<D> sums[kSums];
  for (auto& sum : sums) sum = hn::Zero(d);
  const auto* words = reinterpret_cast<const std::uint32_t*>(x);
  std::size_t i = 0;
  for (; i + kSums * kWidth <= size; i += kSums * kWidth) {
    for (std::size_t k = 0; k < kSums; ++k) {
      sums[k] = hn::Or(sums[k], hn::LoadU(d, words + i + k * kWidth));
    }
  }
  for (std::size_t k = 1; k < kSums; ++k) sums[0] = hn::Or(sums[0], sums[k]);
  std::array<std::uint32_t, kWidth> lanes;
  hn::StoreU(sums[0], d, lanes.data());
  std::uint64_t bits = ref::read_all({x + i, size - i});
  for (const std::uint32_t lane : lanes) bits |= lane;
  return bits;
}

}  // namespace starling::compress::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace starling::compress {

HWY_EXPORT(ReadAll);

std::uint64_t read_all(std::span<const float> x) {
  return HWY_DYNAMIC_DISPATCH(ReadAll)(x.data(), x.size());
}

}  // namespace starling::compress
#endif
