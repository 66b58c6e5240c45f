#include "protocol/bytes.h"

#include <xxhash.h>

#include <bit>
#include <new>

#include "protocol/check.h"

namespace starling {

static_assert(std::endian::native == std::endian::little, "the wire is little endian, and so are we");

namespace {
constexpr std::align_val_t kAlignment{64};
}

ByteBlock::ByteBlock(std::size_t size)
    : data_(static_cast<std::byte*>(::operator new(size == 0 ? 1 : size, kAlignment))),
      size_(size) {}

void ByteBlock::Free::operator()(std::byte* p) const { ::operator delete(p, kAlignment); }

std::span<float> ByteBlock::floats() {
  INVARIANT(size_ % sizeof(float) == 0);
  return {reinterpret_cast<float*>(data_.get()), size_ / sizeof(float)};
}

SharedBytes::SharedBytes(ByteBlock block) : data_(std::move(block.data_)), size_(block.size_) {}

std::span<const float> SharedBytes::floats() const {
  INVARIANT(size_ % sizeof(float) == 0);
  return {reinterpret_cast<const float*>(data_.get()), size_ / sizeof(float)};
}

std::uint64_t hash_of(std::span<const std::byte> bytes) {
  return XXH3_64bits(bytes.data(), bytes.size());
}

}  // namespace starling
