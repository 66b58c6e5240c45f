// Compiled once for each instruction set, for the shifts that AVX2 brings along; writes what its
// twin in rice_ref.cc defines.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "compress/kernels/rice.cc"
#include <hwy/foreach_target.h>  // IWYU pragma: keep
#include <hwy/highway.h>

#include "compress/bits.h"
#include "compress/kernels/rice.h"

HWY_BEFORE_NAMESPACE();
namespace starling::compress::HWY_NAMESPACE {

// By value, so that the writer of the loop that calls it stays in registers.
HWY_NOINLINE BitWriter put_each(BitWriter writer, std::span<const std::uint32_t> indices,
                                std::uint64_t next, unsigned b) {
  for (const std::uint32_t index : indices) {
    writer.put_rice(index - next, b);
    next = std::uint64_t{index} + 1;
  }
  return writer;
}

// kMany codes of short gaps are put as one: fewer words begin and end, and less has to wait for
// what was written before.
template <std::size_t kMany>
void WriteBy(std::span<const std::uint32_t> indices, unsigned b, std::span<std::byte> out) {
  BitWriter writer(out);
  const std::uint64_t mask = (std::uint64_t{1} << b) - 1;
  const std::size_t whole = indices.size() - indices.size() % kMany;
  std::uint64_t next = 0;
  for (std::size_t j = 0; j < whole; j += kMany) {
    std::uint64_t bits = 0, size = 0, then = next;
    for (std::size_t i = 0; i < kMany; ++i) {
      const std::uint64_t gap = indices[j + i] - then, zeros = gap >> b;
      then = std::uint64_t{indices[j + i]} + 1;
      bits |= ((gap & mask) << 1 | 1) << ((size + zeros) % 64);  // of no use beyond 56
      size += zeros + b + 1;
    }
    if (size <= 56) [[likely]] {
      writer.put_short(bits, static_cast<unsigned>(size));
    } else {
      writer = put_each(writer, indices.subspan(j, kMany), next, b);
    }
    next = then;
  }
  put_each(writer, indices.subspan(whole), next, b).finish();
}

void WriteRice(std::span<const std::uint32_t> indices, unsigned b, std::span<std::byte> out) {
  if (b <= 11) return WriteBy<4>(indices, b, out);
  return b <= 23 ? WriteBy<2>(indices, b, out) : WriteBy<1>(indices, b, out);
}

}  // namespace starling::compress::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace starling::compress {

HWY_EXPORT(WriteRice);

void write_rice(std::span<const std::uint32_t> ascending, unsigned b, std::span<std::byte> out) {
  HWY_DYNAMIC_DISPATCH(WriteRice)(ascending, b, out);
}

}  // namespace starling::compress
#endif  // HWY_ONCE
