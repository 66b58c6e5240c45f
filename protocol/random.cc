#include "protocol/random.h"

namespace starling {
namespace {

// splitmix64's finaliser (Steele, Lea, Flood 2014).
constexpr std::uint64_t mix(std::uint64_t z) {
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
  return z ^ (z >> 31);
}
constexpr std::uint64_t kGolden = 0x9e3779b97f4a7c15ULL;

constexpr std::uint64_t absorb(std::uint64_t key, std::uint64_t part) {
  return mix((key + kGolden) ^ mix(part + kGolden));
}

}  // namespace

Random::Random(std::uint64_t seed, Stream stream, std::initializer_list<std::uint64_t> parts)
    : key_(absorb(mix(seed + kGolden), static_cast<std::uint64_t>(stream))) {
  for (const std::uint64_t part : parts) key_ = absorb(key_, part);
}

std::uint64_t Random::bits(std::uint64_t index) const { return mix(key_ + index * kGolden); }

double Random::uniform(std::uint64_t index) const {
  return static_cast<double>(bits(index) >> 11) * 0x1p-53;
}

std::uint64_t Random::below(std::uint64_t index, std::uint64_t bound) const {
  __extension__ using Wide = unsigned __int128;
  return static_cast<std::uint64_t>((static_cast<Wide>(bits(index)) * bound) >> 64);
}

float Random::normal(std::uint64_t index) const {
  // A uniform on {0 … 65535} has variance (2^32 - 1) / 12, so twelve of them have 2^32 - 1.
  std::uint64_t sum = 0;
  for (std::uint64_t part = 0; part < 3; ++part) {
    const std::uint64_t word = bits(index * 3 + part);
    sum += (word & 0xffff) + ((word >> 16) & 0xffff) + ((word >> 32) & 0xffff) + (word >> 48);
  }
  const auto centred = static_cast<std::int64_t>(sum) - 6 * 65535;
  return static_cast<float>(static_cast<double>(centred) * 0x1p-16);
}

void Random::fill_normal(std::span<float> out) const {
  for (std::size_t i = 0; i < out.size(); ++i) out[i] = normal(i);
}

}  // namespace starling
