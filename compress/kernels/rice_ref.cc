#include "compress/bits.h"
#include "compress/kernels/rice.h"

namespace starling::compress::ref {

void write_rice(std::span<const std::uint32_t> ascending, unsigned b, std::span<std::byte> out) {
  BitWriter writer(out);
  std::uint64_t next = 0;
  for (const std::uint32_t index : ascending) {
    writer.put_rice(index - next, b);
    next = std::uint64_t{index} + 1;
  }
  writer.finish();
}

}  // namespace starling::compress::ref
