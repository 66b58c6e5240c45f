#include "protocol/bytes.h"

#include <xxhash.h>
#if defined(__x86_64__)
#include <xxh_x86dispatch.h>  // the same hash with the widest vectors that this machine has
#endif

#include <array>
#include <atomic>
#include <bit>
#include <cstring>
#include <new>
#include <utility>

#include "protocol/check.h"

namespace starling {

static_assert(std::endian::native == std::endian::little,
              "the wire is little endian, and so are we");

namespace {

constexpr std::align_val_t kAlignment{64};

std::byte* allocate(std::size_t size) {
  return static_cast<std::byte*>(::operator new(size == 0 ? 1 : size, kAlignment));
}
void release(std::byte* p) { ::operator delete(p, kAlignment); }

XXH3_state_t* state_of(void* p) { return static_cast<XXH3_state_t*>(p); }

}  // namespace

namespace detail {

// A few places, each empty or with one free block. Any thread may put; one thread takes.
class Shelf {
 public:
  Shelf() = default;
  Shelf(const Shelf&) = delete;
  Shelf& operator=(const Shelf&) = delete;
  ~Shelf() { clear(); }

  void clear() {
    for (Place& place : places_) {
      std::byte* const block = place.block.exchange(nullptr, std::memory_order_acquire);
      if (block) release(block);
    }
  }

  // False: no place is empty.
  bool put(std::byte* block, std::size_t capacity) {
    // The capacity travels in the block's own first bytes: nobody reads the block any more.
    std::memcpy(block, &capacity, sizeof capacity);
    for (Place& place : places_) {
      std::byte* empty = nullptr;
      if (place.block.compare_exchange_strong(empty, block, std::memory_order_release,
                                              std::memory_order_relaxed)) {
        return true;
      }
    }
    return false;
  }

  // For the thread that takes: whether the block before was of about this size, too.
  bool is_usual(std::size_t size) {
    const std::size_t before = std::exchange(last_, size);
    return size / 2 <= before && before / 2 <= size;
  }

  // Null: nothing fits. What is too small, or more than twice too large, is let go of.
  std::byte* take(std::size_t size, std::size_t& capacity) {
    for (Place& place : places_) {
      std::byte* const block = place.block.exchange(nullptr, std::memory_order_acquire);
      if (!block) continue;
      std::memcpy(&capacity, block, sizeof capacity);
      if (capacity >= size && capacity / 2 <= size) return block;
      release(block);
    }
    return nullptr;
  }

 private:
  struct Place {
    std::atomic<std::byte*> block{nullptr};
  };
  std::array<Place, BlockPool::kKept> places_;
  std::size_t last_ = 0;
};

void FreeBlock::operator()(std::byte* p) const {
  if (!shelf || !shelf->put(p, capacity)) release(p);
}

}  // namespace detail

ByteBlock::ByteBlock(std::size_t size) : data_(allocate(size)), size_(size) {}

BlockPool::BlockPool() : shelf_(std::make_shared<detail::Shelf>()) {}

ByteBlock BlockPool::take(std::size_t size) {
  if (size < kSmallestBytes) return ByteBlock(size);
  if (!shelf_->is_usual(size)) {
    shelf_->clear();
    return ByteBlock(size);
  }
  std::size_t capacity = size;
  std::byte* block = shelf_->take(size, capacity);
  if (!block) {
    capacity = size;
    block = allocate(size);
  }
  ByteBlock out;
  out.data_ = {block, detail::FreeBlock{shelf_, capacity}};
  out.size_ = size;
  return out;
}

std::span<float> ByteBlock::floats() {
  INVARIANT(size_ % sizeof(float) == 0);
  return {reinterpret_cast<float*>(data_.get()), size_ / sizeof(float)};
}

SharedBytes::SharedBytes(ByteBlock block) : data_(std::move(block.data_)), size_(block.size_) {}

SharedBytes SharedBytes::slice(std::size_t offset, std::size_t size) const {
  INVARIANT(offset <= size_ && size <= size_ - offset);
  SharedBytes part;
  part.data_ = std::shared_ptr<const std::byte>(data_, data_.get() + offset);
  part.size_ = size;
  return part;
}

std::span<const float> SharedBytes::floats() const {
  INVARIANT(size_ % sizeof(float) == 0);
  return {reinterpret_cast<const float*>(data_.get()), size_ / sizeof(float)};
}

std::uint64_t hash_of(std::span<const std::byte> bytes) {
  return XXH3_64bits(bytes.data(), bytes.size());
}

RunningHash::RunningHash() : state_(XXH3_createState()) {
  if (!state_) throw std::bad_alloc();
  XXH3_64bits_reset(state_of(state_.get()));
}

void RunningHash::add(std::span<const std::byte> bytes) {
  XXH3_64bits_update(state_of(state_.get()), bytes.data(), bytes.size());
}

std::uint64_t RunningHash::value() const { return XXH3_64bits_digest(state_of(state_.get())); }

void RunningHash::Free::operator()(void* state) const { XXH3_freeState(state_of(state)); }

}  // namespace starling
