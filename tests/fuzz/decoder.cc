// An input is a byte that chooses a case and a mode, and then, by the mode, a message to decode or
// floats to encode and decode. Aborts where a decoder changes its target and yet refuses, or where
// an encoder's own message is refused or longer than its bound.
#include "decoder.h"

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <span>

#include "corpus.h"
#include "protocol/check.h"
#include "protocol/random.h"

namespace starling::fuzz {
namespace {

constexpr std::uint8_t kEncode = 0x80;  // of the first byte: the rest is floats

const std::vector<Case>& all_cases() {
  static const std::vector<Case> all = cases();
  return all;
}

// What a message is added to: drawn once, since drawing takes longer than most decoders.
std::span<const float> start(std::size_t d) {
  static const std::vector<float> drawn = [] {
    std::vector<float> x(std::ranges::max(all_cases(), {}, &Case::d).d);
    Random(1, Stream::test).fill_normal(x);
    return x;
  }();
  return std::span(drawn).first(d);
}

// Of one case, held for good: a new block of 65,600 floats costs more than most executions. Of the
// exact size, so that the sanitizer sees what is beside them.
struct Blocks {
  std::vector<float> x, y;
  std::vector<std::byte> out;
};

// All zero. In one piece: an instrumented loop takes ten times as long.
template <class T>
void clear(std::vector<T>& block, std::size_t size) {
  block.resize(size);
  if (size > 0) std::memset(block.data(), 0, size * sizeof(T));
}

Blocks& blocks_of(std::size_t at) {
  static std::vector<Blocks> all(all_cases().size());
  return all[at];
}

void decode(const compress::Compressor& c, std::size_t d, std::span<const std::byte> message,
            std::vector<float>& y) {
  const auto before = start(d);
  y.assign(before.begin(), before.end());
  const auto result = c.decode_add(message, 0.5f, y);
  if (result.ok()) return;
  INVARIANT(!result.error().message.empty());
  INVARIANT(d == 0 || std::memcmp(y.data(), before.data(), d * sizeof(float)) == 0);
}

void round_trip(compress::Compressor& c, std::size_t d, std::span<const std::byte> input,
                Blocks& blocks) {
  auto& [x, y, out] = blocks;
  clear(x, d);
  clear(y, d);
  if (!input.empty() && d > 0) {
    std::memcpy(x.data(), input.data(), std::min(input.size(), d * sizeof(float)));
  }
  clear(out, c.encoded_bytes_max(d));
  const auto used = c.encode(x, 7, out);
  if (!used.ok()) return;
  INVARIANT(*used <= out.size());
  // A block of its own, so that a read behind the message is seen.
  const std::vector<std::byte> message(out.begin(), out.begin() + *used);
  INVARIANT(c.decode_add(message, 1, y).ok());
}

}  // namespace

std::vector<Seed> seeds() {
  std::vector<Seed> all;
  for (std::size_t i = 0; i < all_cases().size(); ++i) {
    const Case& one = all_cases()[i];
    const auto c = one.make();
    std::vector<float> x(one.d);
    Random(2, Stream::test, {i}).fill_normal(x);
    std::vector<std::byte> message(1 + c->encoded_bytes_max(one.d));
    message[0] = static_cast<std::byte>(i);
    const auto used = c->encode(x, i, std::span(message).subspan(1));
    INVARIANT(used.ok());
    message.resize(1 + *used);
    all.push_back(message);
    Seed floats(1 + std::min<std::size_t>(x.size(), 1020) * sizeof(float));
    floats[0] = static_cast<std::byte>(i | kEncode);
    if (floats.size() > 1) std::memcpy(floats.data() + 1, x.data(), floats.size() - 1);
    all.push_back(floats);
  }
  return all;
}

}  // namespace starling::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace starling::fuzz;
  if (size == 0) return 0;
  const std::size_t at = (data[0] & 0x7f) % all_cases().size();
  const Case& one = all_cases()[at];
  const auto c = one.make();
  const auto rest = std::as_bytes(std::span(data, size)).subspan(1);
  if (data[0] & kEncode) {
    round_trip(*c, one.d, rest, blocks_of(at));
  } else {
    decode(*c, one.d, rest, blocks_of(at).y);
  }
  return 0;
}
