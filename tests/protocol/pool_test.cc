#include <doctest/doctest.h>

#include <algorithm>
#include <atomic>
#include <thread>
#include <utility>
#include <vector>

#include "protocol/bytes.h"

using namespace starling;

namespace {
constexpr std::size_t kSize = 2 * BlockPool::kSmallestBytes;
}

TEST_CASE("a block that was let go of is used again, by what fits it") {
  BlockPool pool;
  (void)pool.take(kSize);  // the first of its size is not kept
  ByteBlock first = pool.take(kSize);
  const std::byte* const where = first.bytes().data();
  { const SharedBytes gone(std::move(first)); }
  ByteBlock second = pool.take(kSize - 100);
  CHECK(second.bytes().data() == where);
  CHECK(second.bytes().size() == kSize - 100);
  ByteBlock third = pool.take(kSize);
  CHECK(third.bytes().data() != where);
  { const SharedBytes gone(std::move(second)); }
  CHECK(pool.take(10 * kSize).bytes().size() == 10 * kSize);
}

TEST_CASE("small blocks between large ones do not cost those their places") {
  BlockPool pool;
  (void)pool.take(kSize);
  const std::byte* where = nullptr;
  {
    ByteBlock block = pool.take(kSize);
    where = block.bytes().data();
  }
  (void)pool.take(100);
  CHECK(pool.take(kSize).bytes().data() == where);
}

TEST_CASE("blocks may outlive their pool, and more may be out than it keeps") {
  std::vector<SharedBytes> out;
  {
    BlockPool pool;
    for (std::size_t i = 0; i < 2 * BlockPool::kKept; ++i) out.push_back(pool.take(kSize));
  }
  out.clear();
}

TEST_CASE("blocks come back from another thread") {
  BlockPool pool;
  std::atomic<int> wrong = 0;
  std::thread other;
  for (int i = 0; i < 200; ++i) {
    std::vector<SharedBytes> out;
    for (int j = 0; j < 4; ++j) {
      ByteBlock block = pool.take(kSize);
      block.bytes().front() = block.bytes().back() = static_cast<std::byte>(i);
      out.push_back(std::move(block));
    }
    if (other.joinable()) other.join();
    other = std::thread([taken = std::move(out), i, &wrong] {
      for (const SharedBytes& bytes : taken) {
        if (bytes.bytes().back() != static_cast<std::byte>(i)) ++wrong;
      }
    });
  }
  other.join();
  CHECK(wrong == 0);
}

TEST_CASE("a running hash is the hash of the whole, however it is cut") {
  ByteBlock block(10'000);
  for (std::size_t i = 0; i < block.bytes().size(); ++i) {
    block.bytes()[i] = static_cast<std::byte>(i * 131);
  }
  const std::span<const std::byte> whole = std::as_const(block).bytes();
  for (const std::size_t size : {0, 1, 63, 64, 240, 241, 1024, 9'999}) {
    for (const std::size_t piece : {1, 7, 256, 5000}) {
      RunningHash running;
      for (std::size_t at = 0; at < size; at += piece) {
        running.add(whole.subspan(at, std::min(piece, size - at)));
      }
      CHECK(running.value() == hash_of(whole.first(size)));
    }
  }
}
