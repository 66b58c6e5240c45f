#include "compress/integer_code.h"

#include <algorithm>
#include <bit>

#include "compress/buckets.h"
#include "compress/integer_code_format.h"
#include "protocol/check.h"

namespace starling::compress {
namespace {

std::uint32_t zigzag(std::int32_t code) {
  const auto bits = static_cast<std::uint32_t>(code);
  return (bits << 1) ^ (0U - (bits >> 31));
}
// 2^31 for kRawCode.
std::uint32_t magnitude(std::int32_t code) {
  const auto bits = static_cast<std::uint32_t>(code);
  return code < 0 ? 0U - bits : bits;
}

std::size_t rice_bits(std::span<const std::uint32_t> values, unsigned b) {
  std::uint32_t bits = 0;
  for (const std::uint32_t z : values) {
    const std::uint32_t quotient = std::min(z >> b, kEscape);
    bits += quotient + 1 + (quotient == kEscape ? kFloatBits : b);
  }
  return bits;
}

std::size_t gap_bits(std::span<const std::uint32_t> gaps, unsigned b) {
  std::size_t bits = gaps.size() * (b + 1);
  for (const std::uint32_t gap : gaps) bits += gap >> b;
  return bits;
}

struct Choice {
  unsigned parameter;
  std::size_t bits;
};

// The least cost(b) downhill from `start`; the costs are nearly convex in b.
template <class Cost>
Choice descend(unsigned start, unsigned most, Cost&& cost) {
  Choice best{start, cost(start)};
  for (const int step : {-1, 1}) {
    for (;;) {
      const unsigned next = best.parameter + static_cast<unsigned>(step);
      if (next > most) break;  // and below 0
      const std::size_t bits = cost(next);
      if (bits >= best.bits) break;
      best = {next, bits};
    }
  }
  return best;
}

// Where the mean of geometric values puts the parameter: about log2 of ln 2 times the mean.
unsigned start_of(std::span<const std::uint32_t> values, unsigned most) {
  std::uint64_t sum = 0;
  for (const std::uint32_t z : values) sum += std::min<std::uint32_t>(z, 1U << kParameterMax);
  const std::uint64_t scaled = sum * 11 / (16 * std::max<std::size_t>(1, values.size()));
  return std::min(most, static_cast<unsigned>(std::bit_width(scaled)));
}

// Where no code is raw, at most w + 1 bits a value for the width w of the largest, which is what
// chunk_bits_max counts on. The start b has it: its 2^b is above 0.69 of the mean, so the values
// take b + 2.46 bits on average, which is more than w + 1 only for b >= w - 1, where no z >> b is
// above 1. An escape needs z >= 24 · 2^b and so a w above b + 4; it adds at most 32 bits to one
// value in 16.
Choice best_rice(std::span<const std::uint32_t> values) {
  return descend(start_of(values, kParameterMax), kParameterMax,
                 [&](unsigned b) { return rice_bits(values, b); });
}

void put_rice_code(std::uint32_t z, unsigned b, BitWriter& bits) {
  const std::uint64_t low = z & ((1U << b) - 1);
  bits.put((1 | low << 1) << (z >> b), (z >> b) + 1 + b);
}

// True where the float went instead.
bool put_value(std::uint32_t z, unsigned b, float x, BitWriter& bits) {
  if (z >> b < kEscape) return put_rice_code(z, b, bits), false;
  bits.put(std::uint64_t{1} << kEscape, kEscape + 1);
  bits.put(std::bit_cast<std::uint32_t>(x), kFloatBits);
  return true;
}

void put_gap(std::uint32_t gap, unsigned b, BitWriter& bits) {
  bits.put_unary(gap >> b);
  bits.put(gap & ((1U << b) - 1), b);
}

}  // namespace

std::size_t chunk_bits_max(std::size_t d, std::int32_t code_max, bool raw) {
  const auto width = static_cast<std::size_t>(std::bit_width(2 * magnitude(code_max)));
  return Buckets(d, kCodeChunk).count() * kModeBits +
         Buckets(d, kCodeBlock).count() * kParameterBits + d * (raw ? kFloatBits : width + 1);
}

std::size_t ChunkWriter::plan_rice(std::span<const std::int32_t> codes) {
  zigzags_.resize(codes.size());
  std::ranges::transform(codes, zigzags_.begin(), zigzag);
  std::size_t bits = 0;
  for (const Bucket& b : Buckets(codes.size(), kCodeBlock)) {
    const Choice best = best_rice(std::span(zigzags_).subspan(b.begin, b.size));
    const bool raw = best.bits > b.size * kFloatBits;
    parameters_[b.index] = raw ? kRawBlock : best.parameter;
    bits += kParameterBits + (raw ? b.size * kFloatBits : best.bits);
  }
  return bits;
}

void ChunkWriter::plan_gaps(Runs& runs) {
  const Choice best = descend(start_of(runs.gaps, kGapMax), kGapMax,
                              [&](unsigned b) { return gap_bits(runs.gaps, b); });
  runs.parameter = best.parameter;
  runs.bits = best.bits;
}

std::size_t ChunkWriter::plan_runs(std::span<const std::int32_t> codes) {
  for (auto* list : {&zeros_.gaps, &ones_.gaps, &excesses_}) list->clear();
  std::uint32_t zeros = 0, ones = 0;
  std::size_t entries = 0;
  for (const std::int32_t code : codes) {
    if (code == 0) {
      ++zeros;
      continue;
    }
    ++entries;
    zeros_.gaps.push_back(zeros);
    zeros = 0;
    if (magnitude(code) == 1) {
      ++ones;
      continue;
    }
    ones_.gaps.push_back(ones);
    ones = 0;
    excesses_.push_back(magnitude(code) - 2);
  }
  if (zeros > 0) zeros_.gaps.push_back(zeros);
  if (ones > 0) ones_.gaps.push_back(ones);
  plan_gaps(zeros_);
  plan_gaps(ones_);
  const Choice excess = excesses_.empty() ? Choice{0, 0} : best_rice(excesses_);
  excess_parameter_ = excess.parameter;
  return kRunsFields + zeros_.bits + entries + ones_.bits + excess.bits;
}

void ChunkWriter::put_rice(std::span<std::int32_t> codes, std::span<const float> x,
                           BitWriter& bits) const {
  for (const Bucket& b : Buckets(codes.size(), kCodeBlock)) {
    const unsigned parameter = parameters_[b.index];
    bits.put(parameter, kParameterBits);
    for (std::size_t i = b.begin; i < b.begin + b.size; ++i) {
      if (parameter == kRawBlock) {
        bits.put(std::bit_cast<std::uint32_t>(x[i]), kFloatBits);
        codes[i] = kRawCode;
      } else if (put_value(zigzags_[i], parameter, x[i], bits)) {
        codes[i] = kRawCode;
      }
    }
  }
}

void ChunkWriter::put_runs(std::span<std::int32_t> codes, std::span<const float> x,
                           BitWriter& bits) const {
  bits.put(zeros_.parameter, kGapBits);
  bits.put(ones_.parameter, kGapBits);
  bits.put(excess_parameter_, kParameterBits);
  std::size_t at = 0;
  for (const std::uint32_t gap : zeros_.gaps) {
    put_gap(gap, zeros_.parameter, bits);
    at += gap;
    if (at == codes.size()) break;
    bits.put(codes[at++] < 0, 1);
  }
  std::size_t next = 0;  // of excesses_
  for (std::size_t i = 0; i < codes.size() && next < excesses_.size(); ++i) {
    if (magnitude(codes[i]) < 2) continue;
    put_gap(ones_.gaps[next], ones_.parameter, bits);
    if (put_value(excesses_[next], excess_parameter_, x[i], bits)) codes[i] = kRawCode;
    ++next;
  }
  if (next < ones_.gaps.size()) put_gap(ones_.gaps[next], ones_.parameter, bits);
}

void ChunkWriter::put(std::span<std::int32_t> codes, std::span<const float> x, BitWriter& bits) {
  INVARIANT(codes.size() == x.size() && codes.size() <= kCodeChunk);
  const auto zeros = static_cast<std::size_t>(std::ranges::count(codes, 0));
  if (zeros == codes.size()) return bits.put(kZerosMode, kModeBits);
  const std::size_t rice = plan_rice(codes);
  if (2 * zeros > codes.size() && plan_runs(codes) < rice) {  // denser ones never have short runs
    bits.put(kRunsMode, kModeBits);
    return put_runs(codes, x, bits);
  }
  bits.put(kRiceMode, kModeBits);
  put_rice(codes, x, bits);
}

}  // namespace starling::compress
