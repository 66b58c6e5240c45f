#include "compress/kernels/natural.h"

#include <algorithm>
#include <bit>
#include <cmath>

#include "compress/counter_random.h"

namespace starling::compress::ref {

bool write_powers(std::span<const float> x, NaturalForm form, const NaturalDraw& draw,
                  const NaturalCodes<std::byte>& codes) {
  const bool nine = form == NaturalForm::nine_bits;
  if (nine) std::fill(codes.signs, codes.signs + (x.size() + 7) / 8, std::byte{0});
  bool finite = true;
  for (std::size_t i = 0; i < x.size(); ++i) {
    finite = finite && std::isfinite(x[i]);
    const std::uint32_t size = std::bit_cast<std::uint32_t>(x[i]) & 0x7fffffff;
    const std::uint32_t random = random_bits(draw.key, static_cast<std::uint32_t>(draw.first + i));
    const auto field = static_cast<int>(std::min((size + (random >> 9)) >> 23, 254U));
    const int sign = std::signbit(x[i]) ? 1 : 0;
    codes.fields[i] = static_cast<std::byte>(nine ? field : std::clamp(field - 17, 0, 127));
    if (nine) {
      codes.signs[i / 8] |= static_cast<std::byte>(sign << (i % 8));
    } else {
      codes.fields[i] |= static_cast<std::byte>(sign << 7);
    }
  }
  return finite;
}

void add_powers(const NaturalCodes<const std::byte>& codes, NaturalForm form, float scale,
                std::span<float> y) {
  for (std::size_t i = 0; i < y.size(); ++i) {
    auto field = std::to_integer<unsigned>(codes.fields[i]);
    unsigned sign = field >> 7;
    if (form == NaturalForm::nine_bits) {
      sign = std::to_integer<unsigned>(codes.signs[i / 8]) >> (i % 8) & 1;
    } else {
      field &= 127;
      field = field == 0 ? 0 : field + 17;
    }
    y[i] += scale * std::bit_cast<float>(sign << 31 | field << 23);
  }
}

}  // namespace starling::compress::ref
