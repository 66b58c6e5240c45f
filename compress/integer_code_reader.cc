#include <algorithm>
#include <bit>
#include <cmath>
#include <vector>

#include "compress/buckets.h"
#include "compress/header.h"
#include "compress/integer_code.h"
#include "compress/integer_code_format.h"

namespace starling::compress {
namespace {

std::int32_t unzigzag(std::uint32_t z) {
  return static_cast<std::int32_t>((z >> 1) ^ (0U - (z & 1)));
}

bool get_float(BitReader& bits, float& raw) {
  raw = std::bit_cast<float>(static_cast<std::uint32_t>(bits.get(kFloatBits)));
  return std::isfinite(raw);
}

enum class Got { integer, escaped, too_many_zeros, not_finite };

// z, or raw where it is escaped.
Got get_value(BitReader& bits, unsigned b, std::uint32_t& z, float& raw) {
  const std::uint64_t read = bits.get_rice(b, std::uint64_t{kEscape} << b);
  const std::uint64_t quotient = read >> b;
  z = static_cast<std::uint32_t>(read);
  if (quotient < kEscape) [[likely]]
    return Got::integer;
  if (quotient > kEscape) return Got::too_many_zeros;
  // What followed the one were the first bits of the float.
  const std::uint64_t low = read & ((std::uint64_t{1} << b) - 1);
  const std::uint64_t high = bits.get(kFloatBits - b);
  raw = std::bit_cast<float>(static_cast<std::uint32_t>(low | high << b));
  return std::isfinite(raw) ? Got::escaped : Got::not_finite;
}

Error error_of(Got got, float raw) {
  if (got == Got::not_finite) return refused("escaped float", raw, "a finite number");
  return refused("zeros of a code", "more", kEscape);
}

Error too_large(std::uint64_t found, std::int32_t most) {
  return refused("magnitude of a code", found, fmt::format("at most {}", most));
}

Result<void> get_raw_block(BitReader& bits, std::span<std::int32_t> codes, std::span<float> raw) {
  std::fill(codes.begin(), codes.end(), kRawCode);
  for (float& value : raw) {
    if (!get_float(bits, value)) return error_of(Got::not_finite, value);
  }
  return {};
}

Result<void> get_block(BitReader& bits, std::int32_t code_max, std::span<std::int32_t> codes,
                       std::span<float> raw) {
  const auto b = static_cast<unsigned>(bits.get(kParameterBits));
  if (b == kRawBlock) return get_raw_block(bits, codes, raw);
  if (b > kParameterMax) {
    return refused("parameter of a block", b, fmt::format("at most {}, or 31", kParameterMax));
  }
  for (std::size_t i = 0; i < codes.size(); ++i) {
    std::uint32_t z = 0;
    const Got got = get_value(bits, b, z, raw[i]);
    codes[i] = kRawCode;
    if (got == Got::escaped) continue;
    if (got != Got::integer) return error_of(got, raw[i]);
    codes[i] = unzigzag(z);
    const std::uint32_t magnitude = (z + 1) / 2;
    if (magnitude > static_cast<std::uint32_t>(code_max)) return too_large(magnitude, code_max);
  }
  return {};
}

// Calls entry(i) for each entry of a list of runs over [0, size).
template <class Entry>
Result<void> get_runs(BitReader& bits, unsigned g, std::size_t size, Entry&& entry) {
  for (std::size_t at = 0; at < size; ++at) {
    const std::size_t left = size - at;
    const std::uint64_t gap = bits.get_rice(g, left);
    if (gap > left) return refused("run", gap, fmt::format("at most {}", left));
    at += gap;
    if (at == size) break;
    if (auto done = entry(at); !done) return done;
  }
  return {};
}

Result<void> get_runs_chunk(BitReader& bits, std::int32_t code_max, std::span<std::int32_t> codes,
                            std::span<float> raw) {
  const auto g = static_cast<unsigned>(bits.get(kGapBits));
  const auto h = static_cast<unsigned>(bits.get(kGapBits));
  const auto k = static_cast<unsigned>(bits.get(kParameterBits));
  if (g > kGapMax || h > kGapMax || k > kParameterMax) {
    return refused("parameters of runs", fmt::format("{}, {}, {}", g, h, k),
                   fmt::format("at most {0}, {0}, {1}", kGapMax, kParameterMax));
  }
  std::fill(codes.begin(), codes.end(), 0);
  std::vector<std::uint32_t> entries;
  const auto nonzero = [&](std::size_t at) -> Result<void> {
    entries.push_back(static_cast<std::uint32_t>(at));
    codes[at] = bits.get(1) != 0 ? -1 : 1;
    return {};
  };
  if (auto done = get_runs(bits, g, codes.size(), nonzero); !done) return done;
  const auto above_one = [&](std::size_t at) -> Result<void> {
    std::int32_t& code = codes[entries[at]];
    float& value = raw[entries[at]];
    std::uint32_t excess = 0;
    const Got got = get_value(bits, k, excess, value);
    if (got == Got::escaped) return code = kRawCode, Result<void>{};
    if (got != Got::integer) return error_of(got, value);
    const std::uint64_t magnitude = std::uint64_t{excess} + 2;
    if (magnitude > static_cast<std::uint32_t>(code_max)) return too_large(magnitude, code_max);
    code *= static_cast<std::int32_t>(magnitude);
    return {};
  };
  return get_runs(bits, h, entries.size(), above_one);
}

}  // namespace

Result<void> get_chunk(BitReader& bits, std::int32_t code_max, std::span<std::int32_t> codes,
                       std::span<float> raw) {
  const auto mode = static_cast<unsigned>(bits.get(kModeBits));
  if (mode == kZerosMode) {
    std::fill(codes.begin(), codes.end(), 0);
    return {};
  }
  if (mode == kRunsMode) return get_runs_chunk(bits, code_max, codes, raw);
  if (mode != kRiceMode) return refused("mode of a chunk", mode, "0, 1 or 2");
  for (const Bucket& b : Buckets(codes.size(), kCodeBlock)) {
    if (auto done =
            get_block(bits, code_max, codes.subspan(b.begin, b.size), raw.subspan(b.begin, b.size));
        !done) {
      return done;
    }
  }
  return {};
}

}  // namespace starling::compress
