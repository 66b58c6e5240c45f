// Compiled once for each instruction set; each function computes what its twin in natural_ref.cc
// defines, bit for bit.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "compress/kernels/natural.cc"
#include <hwy/foreach_target.h>  // IWYU pragma: keep
#include <hwy/highway.h>

#include <cstdint>
#include <cstring>

#include "compress/kernels/counter_random-inl.h"
#include "compress/kernels/natural.h"

HWY_BEFORE_NAMESPACE();
namespace starling::compress::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

constexpr std::size_t kStep = 16;  // elements a turn
using D = hn::CappedTag<float, kStep>;
using DI = hn::RebindToSigned<D>;
using DU = hn::RebindToUnsigned<D>;
using D8 = hn::Rebind<std::uint8_t, D>;
using V = hn::Vec<D>;
using VI = hn::Vec<DI>;
using VU = hn::Vec<DU>;
constexpr std::size_t kWidth = hn::MaxLanes(D());
constexpr std::size_t kParts = kStep / kWidth;

HWY_INLINE void store_bytes(VU values, std::byte* to) {
  hn::StoreU(hn::TruncateTo(D8(), values), D8(), reinterpret_cast<std::uint8_t*>(to));
}

HWY_INLINE VU load_bytes(const std::byte* from) {
  return hn::PromoteTo(DU(), hn::LoadU(D8(), reinterpret_cast<const std::uint8_t*>(from)));
}

HWY_INLINE std::uint64_t sign_bits(V v) {
  std::uint64_t bits = 0;  // StoreMaskBits writes whole bytes, at most kWidth bits of them set
  hn::StoreMaskBits(DI(), hn::Lt(hn::BitCast(DI(), v), hn::Zero(DI())),
                    reinterpret_cast<std::uint8_t*>(&bits));
  return bits;
}

template <NaturalForm kForm>
bool WriteAs(const float* HWY_RESTRICT x, std::size_t size, const NaturalDraw& draw,
             const NaturalCodes<std::byte>& codes) {
  constexpr bool kNine = kForm == NaturalForm::nine_bits;
  VI most = hn::Zero(DI());
  std::size_t i = 0;
  for (; i + kStep <= size; i += kStep) {
    std::uint64_t signs = 0;
    for (std::size_t part = 0; part < kParts; ++part) {
      const std::size_t at = i + part * kWidth;
      const V v = hn::LoadU(D(), x + at);
      const VU bits = hn::BitCast(DU(), hn::Abs(v));
      most = hn::Max(most, hn::BitCast(DI(), bits));
      const VU random = random_lanes(DU(), draw.key, static_cast<std::uint32_t>(draw.first + at));
      const VU up = hn::ShiftRight<23>(hn::Add(bits, hn::ShiftRight<9>(random)));
      const VI field = hn::Min(hn::BitCast(DI(), up), hn::Set(DI(), 254));
      if constexpr (kNine) {
        store_bytes(hn::BitCast(DU(), field), codes.fields + at);
        signs |= sign_bits(v) << (part * kWidth);
      } else {
        const VI above = hn::Max(hn::Sub(field, hn::Set(DI(), 17)), hn::Zero(DI()));
        const VU code = hn::BitCast(DU(), hn::Min(above, hn::Set(DI(), 127)));
        const VU sign = hn::ShiftLeft<7>(hn::ShiftRight<31>(hn::BitCast(DU(), v)));
        store_bytes(hn::Or(code, sign), codes.fields + at);
      }
    }
    if constexpr (kNine) {
      const auto stored = static_cast<std::uint16_t>(signs);
      std::memcpy(codes.signs + i / 8, &stored, 2);
    }
  }
  const NaturalCodes<std::byte> rest{codes.fields + i, kNine ? codes.signs + i / 8 : nullptr};
  const bool finite = ref::write_powers({x + i, size - i}, kForm, {draw.key, draw.first + i}, rest);
  return finite && hn::AllTrue(DI(), hn::Lt(most, hn::Set(DI(), 0x7f800000)));
}

template <NaturalForm kForm>
void AddAs(const NaturalCodes<const std::byte>& codes, float scale, float* HWY_RESTRICT y,
           std::size_t size) {
  constexpr bool kNine = kForm == NaturalForm::nine_bits;
  const V times = hn::Set(D(), scale), minus_times = hn::Set(D(), -scale);
  std::size_t i = 0;
  for (; i + kStep <= size; i += kStep) {
    std::uint16_t signs = 0;
    if constexpr (kNine) std::memcpy(&signs, codes.signs + i / 8, 2);
    for (std::size_t part = 0; part < kParts; ++part) {
      const std::size_t at = i + part * kWidth;
      const VU code = load_bytes(codes.fields + at);
      V value;
      if constexpr (kNine) {
        // LoadMaskBits reads 8 bytes.
        const std::uint64_t bits = signs >> (part * kWidth);
        const auto negative = hn::LoadMaskBits(D(), reinterpret_cast<const std::uint8_t*>(&bits));
        const V power = hn::BitCast(D(), hn::ShiftLeft<23>(code));
        value = hn::Mul(power, hn::IfThenElse(negative, minus_times, times));
      } else {
        const VI low = hn::BitCast(DI(), hn::And(code, hn::Set(DU(), 127)));
        const VI field = hn::ShiftLeft<23>(hn::Add(low, hn::Set(DI(), 17)));
        const VI power = hn::IfThenZeroElse(hn::Eq(low, hn::Zero(DI())), field);
        const VU sign = hn::ShiftLeft<31>(hn::ShiftRight<7>(code));
        value = hn::Mul(hn::BitCast(D(), hn::Or(hn::BitCast(DU(), power), sign)), times);
      }
      hn::StoreU(hn::Add(hn::LoadU(D(), y + at), value), D(), y + at);
    }
  }
  const NaturalCodes<const std::byte> rest{codes.fields + i, kNine ? codes.signs + i / 8 : nullptr};
  ref::add_powers(rest, kForm, scale, {y + i, size - i});
}

bool WritePowers(const float* x, std::size_t size, NaturalForm form, const NaturalDraw& draw,
                 const NaturalCodes<std::byte>& codes) {
  return form == NaturalForm::nine_bits ? WriteAs<NaturalForm::nine_bits>(x, size, draw, codes)
                                        : WriteAs<NaturalForm::eight_bits>(x, size, draw, codes);
}

void AddPowers(const NaturalCodes<const std::byte>& codes, NaturalForm form, float scale, float* y,
               std::size_t size) {
  return form == NaturalForm::nine_bits ? AddAs<NaturalForm::nine_bits>(codes, scale, y, size)
                                        : AddAs<NaturalForm::eight_bits>(codes, scale, y, size);
}

}  // namespace starling::compress::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace starling::compress {

HWY_EXPORT(WritePowers);
HWY_EXPORT(AddPowers);

bool write_powers(std::span<const float> x, NaturalForm form, const NaturalDraw& draw,
                  const NaturalCodes<std::byte>& codes) {
  return HWY_DYNAMIC_DISPATCH(WritePowers)(x.data(), x.size(), form, draw, codes);
}

void add_powers(const NaturalCodes<const std::byte>& codes, NaturalForm form, float scale,
                std::span<float> y) {
  HWY_DYNAMIC_DISPATCH(AddPowers)(codes, form, scale, y.data(), y.size());
}

}  // namespace starling::compress
#endif  // HWY_ONCE
