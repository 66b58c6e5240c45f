#include "compress/norm_sketch.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <limits>

#include "compress/counter_random.h"
#include "compress/finite.h"

namespace starling::compress {

NormSketch sketch_norm(std::span<const float> x, std::uint64_t key) {
  std::array<double, kNormSketchCells> cells{};
  for (std::size_t i = 0; i < x.size(); ++i) {
    const std::uint32_t bits = random_bits(key, static_cast<std::uint32_t>(i));
    const double value = x[i];
    cells[bits % kNormSketchCells] += (bits & kNormSketchCells) != 0 ? value : -value;
  }
  constexpr double kLargest = std::numeric_limits<float>::max();
  NormSketch sketch;
  for (std::size_t i = 0; i < sketch.size(); ++i) {
    sketch[i] = static_cast<float>(std::clamp(cells[i], -kLargest, kLargest));
  }
  return sketch;
}

static_assert(std::endian::native == std::endian::little);

Result<NormSketch> read_norm_sketch(std::span<const std::byte> bytes, const std::string& what) {
  NormSketch sketch;
  if (bytes.size() != sizeof sketch) {
    return Error{ErrorCode::peer,
                 fmt::format("{} has {} bytes, expected {}", what, bytes.size(), sizeof sketch)};
  }
  std::memcpy(sketch.data(), bytes.data(), sizeof sketch);
  if (const auto at = first_non_finite(sketch)) {
    return Error{ErrorCode::peer, fmt::format("{} holds {} at index {}, expected a finite number",
                                              what, sketch[*at], *at)};
  }
  return sketch;
}

double norm(const NormSketch& sketch) { return distance(sketch, NormSketch{}); }

double distance(const NormSketch& a, const NormSketch& b) {
  double sum = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    const double apart = static_cast<double>(a[i]) - b[i];
    sum += apart * apart;
  }
  return std::sqrt(sum);
}

double relative_distance(const NormSketch& a, const NormSketch& b) {
  const double size = norm(a), apart = distance(a, b);
  return size > 0 ? apart / size : apart;
}

}  // namespace starling::compress
