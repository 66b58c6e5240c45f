// Memory that is written once and then shared.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

namespace starling {

static_assert(sizeof(float) == 4);

namespace detail {
class Shelf;
struct FreeBlock {
  std::shared_ptr<Shelf> shelf;  // where it came from; null: from the heap
  std::size_t capacity = 0;
  void operator()(std::byte* p) const;
};
}  // namespace detail

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
  friend class BlockPool;
  std::unique_ptr<std::byte, detail::FreeBlock> data_;
  std::size_t size_ = 0;
};

// Blocks that are used again. The kernel takes longer to hand out fresh pages for a large body than
// the socket to fill them (measured on loopback: a third of the time of a 32 MiB body). take() is
// for one thread; a block comes back from whichever thread lets go of it, without a lock, and the
// pool may be gone by then. Keeps at most kKept blocks, and none of another size than the last one:
// a model among smaller messages would lie here unused.
class BlockPool {
 public:
  static constexpr std::size_t kKept = 2;
  // Smaller blocks come from the heap and go back there: malloc keeps those itself.
  static constexpr std::size_t kSmallestBytes = 128 << 10;

  BlockPool();
  ByteBlock take(std::size_t size);

 private:
  std::shared_ptr<detail::Shelf> shelf_;
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
  // A part of it, which keeps the whole alive.
  SharedBytes slice(std::size_t offset, std::size_t size) const;
  // The whole block as little-endian float32; its size must be a multiple of 4.
  std::span<const float> floats() const;

 private:
  std::shared_ptr<const std::byte> data_;
  std::size_t size_ = 0;
};

// XXH3 (64 bits) of `bytes`: finds broken memory and our own bugs, not attackers.
std::uint64_t hash_of(std::span<const std::byte> bytes);

// The same of bytes that come in pieces, so that each is hashed while the cache still holds it.
class RunningHash {
 public:
  RunningHash();
  void add(std::span<const std::byte> bytes);
  std::uint64_t value() const;

 private:
  struct Free {
    void operator()(void* state) const;
  };
  std::unique_ptr<void, Free> state_;  // XXH3_state_t
};

}  // namespace starling
