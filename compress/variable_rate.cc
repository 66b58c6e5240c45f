#include "compress/variable_rate.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdlib>
#include <limits>
#include <optional>
#include <vector>

#include "compress/buckets.h"
#include "compress/counter_random.h"
#include "compress/finite.h"
#include "compress/header.h"
#include "compress/integer_code.h"
#include "compress/kernels/quantize_uniform.h"

namespace starling::compress {
namespace {

constexpr float kStepMin = Levels::kEtaMin;

// From integers to floats: what both ends must agree on.
class Scale {
 public:
  Scale(RateRounding rounding, float step, float omega) : step_(step) {
    if (rounding == RateRounding::companded) levels_.emplace(step, omega);
  }
  const std::optional<Levels>& levels() const { return levels_; }
  double step() const { return step_; }

  std::int32_t code_max() const {
    return levels_ ? static_cast<std::int32_t>(levels_->top()) : kCodeMax;
  }
  // Infinite for an integer whose multiple is no float.
  float value(std::int32_t code) const {
    constexpr double kMost = std::numeric_limits<float>::max();
    if (levels_) {
      const float level = (*levels_)[static_cast<std::size_t>(std::abs(code))];
      return std::copysign(level, static_cast<float>(code));
    }
    const double product = static_cast<double>(code) * step_;
    if (std::fabs(product) > kMost) return std::numeric_limits<float>::infinity();
    return static_cast<float>(product);
  }

 private:
  double step_;
  std::optional<Levels> levels_;
};

// The neighbor of x above its level m where the random number of coordinate i says so.
std::int32_t level_code(float x, const Levels& levels, std::uint16_t random) {
  const float magnitude = std::fabs(x);
  const std::size_t m = levels.below(magnitude);
  const double low = levels[m], high = levels[m + 1];
  const double u = (random + 0.5) * 0x1p-16;
  const bool up = (magnitude - low) / (high - low) + u >= 1;
  const auto code = static_cast<std::int32_t>(m + (up ? 1 : 0));
  const std::int32_t sign = -static_cast<std::int32_t>(std::signbit(x));
  return (code ^ sign) - sign;
}

std::uint32_t bits_of(float x) { return std::bit_cast<std::uint32_t>(x); }

Header header_of(const VariableRateOptions& options, float step, std::size_t d) {
  const bool companded = options.rounding == RateRounding::companded;
  const std::uint64_t omega = companded ? bits_of(options.omega) : 0;
  return {.op = Op::variable_rate,
          .flags = static_cast<std::uint8_t>(options.rounding),
          .d = d,
          .seed = omega << 32 | bits_of(step)};
}

}  // namespace

VariableRate::VariableRate(const VariableRateOptions& options)
    : options_(options),
      code_max_(Scale(options.rounding, kStepMin, options.omega).code_max()),
      step_(0) {
  INVARIANT(options.target_bits >= 0 && options.target_bits <= 32);
  INVARIANT(options.gain >= 0 && options.gain <= 1);
  set_step(options.step);
}

void VariableRate::set_step(float step) {
  INVARIANT(step > 0 && std::isfinite(step));
  step_ = std::max(step, kStepMin);
}

Contract VariableRate::contract(std::size_t d) const {
  const double square = double{step_} * double{step_} * static_cast<double>(d);
  if (options_.rounding != RateRounding::companded) return {Guarantee::bounded, 0, square / 4};
  return {Guarantee::bounded, 2 * double{options_.omega} * double{options_.omega}, 2 * square};
}

std::size_t VariableRate::encoded_bytes_max(std::size_t d) const {
  const bool raw = options_.rounding != RateRounding::companded;
  return kHeaderBytes + (chunk_bits_max(d, code_max_, raw) + 7) / 8;
}

std::size_t VariableRate::write(std::span<const float> x, std::span<float> residual,
                                std::uint64_t key, std::span<std::byte> out) {
  const Scale scale(options_.rounding, step_, options_.omega);
  const UniformStep uniform{scale.step(), options_.rounding == RateRounding::stochastic, key};
  BitWriter bits(write_header(header_of(options_, step_, x.size()), out));
  ChunkWriter writer;
  std::vector<std::int32_t> codes(std::min(x.size(), kCodeChunk));
  for (const Bucket& chunk : Buckets(x.size(), kCodeChunk)) {
    const auto part = std::span(codes).first(chunk.size);
    const auto from = x.subspan(chunk.begin, chunk.size);
    if (const auto& levels = scale.levels()) {
      for (std::size_t k = 0; k < chunk.size; ++k) {
        const std::uint32_t random = random_half(key, chunk.begin + k);
        part[k] = level_code(from[k], *levels, static_cast<std::uint16_t>(random));
      }
    } else {
      quantize_uniform(from, chunk.begin, uniform, part.data());
    }
    writer.put(part, from, bits);
    if (residual.empty()) continue;
    for (std::size_t k = 0; k < chunk.size; ++k) {
      float& e = residual[chunk.begin + k];
      e -= part[k] == kRawCode ? e : scale.value(part[k]);
    }
  }
  return kHeaderBytes + bits.finish();
}

bool VariableRate::has_target_for(std::span<const float> x) const {
  return options_.target_bits > 0 && std::ranges::any_of(x, [](float v) { return v != 0; });
}

void VariableRate::follow_target(std::size_t d, std::size_t bytes) {
  const double bits = 8.0 * static_cast<double>(bytes - kHeaderBytes);
  const double deviation = bits / static_cast<double>(d) - double{options_.target_bits};
  const double factor = std::clamp(std::exp2(double{options_.gain} * deviation), 0.5, 2.0);
  const double most = std::numeric_limits<float>::max();
  set_step(static_cast<float>(std::clamp(double{step_} * factor, double{kStepMin}, most)));
}

Result<std::size_t> VariableRate::encode(std::span<const float> x, std::uint64_t key,
                                         std::span<std::byte> out) {
  if (Result<void> finite = check_finite(x); !finite) return finite.error();
  const std::size_t bytes = write(x, {}, key, out);
  if (has_target_for(x)) follow_target(x.size(), bytes);
  return bytes;
}

Result<std::size_t> VariableRate::encode_ef(std::span<float> e, std::span<const float> g,
                                            std::uint64_t key, std::span<std::byte> out) {
  INVARIANT(e.size() == g.size());
  if (Result<void> finite = add_finite(e, g); !finite) return finite.error();
  const bool follows = has_target_for(e);
  const std::size_t bytes = write(e, e, key, out);
  if (follows) follow_target(e.size(), bytes);
  return bytes;
}

Result<void> VariableRate::decode_add(std::span<const std::byte> bytes, float scale,
                                      std::span<float> y) const {
  const Result<Header> header = read_header(bytes, Op::variable_rate, y.size());
  if (!header) return header.error();
  const auto step = std::bit_cast<float>(static_cast<std::uint32_t>(header->seed));
  if (!(step >= kStepMin && std::isfinite(step))) {
    return refused("step", step, "a finite number of at least 2^-100");
  }
  if (auto same = expect_fields(*header, header_of(options_, step, y.size())); !same) return same;

  const Scale values(options_.rounding, step, options_.omega);
  const auto body = bytes.subspan(kHeaderBytes);
  BitReader bits(body);
  std::vector<float> x(y.size());
  std::vector<std::int32_t> codes(std::min(y.size(), kCodeChunk));
  for (const Bucket& chunk : Buckets(y.size(), kCodeChunk)) {
    const auto part = std::span(codes).first(chunk.size);
    const auto floats = std::span(x).subspan(chunk.begin, chunk.size);
    if (auto got = get_chunk(bits, values.code_max(), part, floats); !got) return got;
    for (std::size_t k = 0; k < chunk.size; ++k) {
      if (part[k] != kRawCode) floats[k] = values.value(part[k]);
      if (!std::isfinite(floats[k])) return refused("coordinate", floats[k], "a finite number");
    }
    if (bits.overrun()) break;
  }
  if (bits.overrun() || bits.bytes_used() != body.size()) {
    return refused(
        "message bytes", bytes.size(),
        fmt::format("{}{}", bits.overrun() ? "more than " : "", kHeaderBytes + bits.bytes_used()));
  }
  if (!bits.padded_with_zeros()) return refused("bits behind the last", "some set", "zeros");
  for (std::size_t i = 0; i < y.size(); ++i) y[i] += scale * x[i];
  return {};
}

}  // namespace starling::compress
