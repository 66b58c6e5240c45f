// Memory that is written once and then shared.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

namespace starling {

static_assert(sizeof(float) == 4);

// A block of bytes, aligned for any vector width, uninitialised when made. Owned by one thread
// while it is being filled; then it becomes SharedBytes.
class ByteBlock {
 public:
  ByteBlock() = default;
  explicit ByteBlock(std::size_t size);

  std::span<std::byte> bytes() { return {data_.get(), size_}; }
  std::span<const std::byte> bytes() const { return {data_.get(), size_}; }
  // The whole block as floats; its size must be a multiple of 4.
  std::span<float> floats();

 private:
  friend class SharedBytes;
  struct Free {
    void operator()(std::byte* p) const;
  };
  std::unique_ptr<std::byte, Free> data_;
  std::size_t size_ = 0;
};

// Immutable bytes with shared ownership: the only memory that two threads may both see. A copy is
// cheap. A message body is encoded once and shared by every link it goes to; a received one is
// decoded from where the socket put it.
class SharedBytes {
 public:
  SharedBytes() = default;
  SharedBytes(ByteBlock block);

  std::span<const std::byte> bytes() const { return {data_.get(), size_}; }
  std::size_t size() const { return size_; }
  // The whole block as little-endian float32; its size must be a multiple of 4.
  std::span<const float> floats() const;

 private:
  std::shared_ptr<const std::byte> data_;
  std::size_t size_ = 0;
};

// XXH3 (64 bits) of `bytes`: finds broken memory and our own bugs, not attackers.
std::uint64_t hash_of(std::span<const std::byte> bytes);

}  // namespace starling
