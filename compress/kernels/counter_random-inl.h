// random_bits of counter_random.h in every lane. Included once for each instruction set.
#if defined(STARLING_COUNTER_RANDOM_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef STARLING_COUNTER_RANDOM_INL_H_
#undef STARLING_COUNTER_RANDOM_INL_H_
#else
#define STARLING_COUNTER_RANDOM_INL_H_
#endif

#include <hwy/highway.h>

#include <cstdint>

HWY_BEFORE_NAMESPACE();
namespace starling::compress::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

// mix32 up to the last step, z ^ (z >> 16).
template <class DU, class VU = hn::Vec<DU>>
HWY_INLINE VU mix_lanes_but_last(DU d, VU z) {
  z = hn::Mul(hn::Xor(z, hn::ShiftRight<16>(z)), hn::Set(d, 0x7feb352dU));
  return hn::Mul(hn::Xor(z, hn::ShiftRight<15>(z)), hn::Set(d, 0x846ca68bU));
}

// Lane l: random_bits(key, first + l) without the last step of the mix.
template <class DU>
HWY_INLINE hn::Vec<DU> random_lanes_but_last(DU d, std::uint64_t key, std::uint32_t first) {
  // Iota from a variable start goes through memory, from a constant one it is a constant.
  const auto low = hn::Add(hn::Iota(d, 0), hn::Set(d, static_cast<std::uint32_t>(key) + first));
  const auto high = hn::Set(d, static_cast<std::uint32_t>(key >> 32));
  return mix_lanes_but_last(d, hn::Xor(high, low));
}

template <class DU>
HWY_INLINE hn::Vec<DU> random_lanes(DU d, std::uint64_t key, std::uint32_t first) {
  const auto z = random_lanes_but_last(d, key, first);
  return hn::Xor(z, hn::ShiftRight<16>(z));
}

}  // namespace starling::compress::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // per-target include guard
