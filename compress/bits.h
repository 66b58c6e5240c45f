// Streams of bits: first bit lowest in a little-endian word, zeros up to the last byte's end.
#pragma once

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>

#include "protocol/check.h"

namespace starling::compress {

class BitWriter {
 public:
  // Writes from the start of `out`; running past its end is a bug of the caller's bound.
  explicit BitWriter(std::span<std::byte> out) : out_(out) {}

  // The lowest `count` bits of `bits`, count <= 64; the others must be 0.
  void put(std::uint64_t bits, unsigned count) {
    word_ |= bits << filled_;
    if (filled_ + count < 64) {
      filled_ += count;
      return;
    }
    store(8);
    at_ += 8;
    const unsigned used = 64 - filled_;
    filled_ = count - used;
    word_ = filled_ == 0 ? 0 : bits >> used;
  }

  // The same for count <= 56, without a branch on what is there already: of use for short bits, few
  // of which fill a word.
  void put_short(std::uint64_t bits, unsigned count) {
    if (filled_ >= 8) [[unlikely]]
      store_bytes();
    word_ |= bits << filled_;
    filled_ += count;
    if (out_.size() - at_ < sizeof word_) [[unlikely]]
      return store_bytes();
    const std::uint64_t word = word_;
    std::memcpy(out_.data() + at_, &word, sizeof word);
    drop_bytes();
  }

  // `zeros` zeros and a one.
  void put_unary(std::uint64_t zeros) {
    for (; zeros >= 63; zeros -= 63) put(0, 63);
    put(std::uint64_t{1} << zeros, static_cast<unsigned>(zeros) + 1);
  }

  // value >> low zeros, a one, and the `low` low bits of the value; low <= 31.
  void put_rice(std::uint64_t value, unsigned low) {
    const std::uint64_t zeros = value >> low, rest = value & ((std::uint64_t{1} << low) - 1);
    if (zeros + low + 1 <= 64) {
      put((rest << 1 | 1) << zeros, static_cast<unsigned>(zeros) + low + 1);
    } else {
      put_unary(zeros);
      put(rest, low);
    }
  }

  // Pads to a byte and returns the bytes used. Nothing may be put after it.
  std::size_t finish() {
    store((filled_ + 7) / 8);
    return at_ + (filled_ + 7) / 8;
  }

 private:
  void store(unsigned bytes) {
    INVARIANT(out_.size() - at_ >= bytes);
    const std::uint64_t word = word_;  // word_ itself stays in a register
    std::memcpy(out_.data() + at_, &word, bytes);
  }
  // The whole bytes of word_, which are fewer than 8.
  void store_bytes() {
    store(filled_ / 8);
    drop_bytes();
  }
  void drop_bytes() {
    at_ += filled_ / 8;
    word_ >>= filled_ & ~7u;
    filled_ %= 8;
  }

  std::span<std::byte> out_;
  std::size_t at_ = 0;
  std::uint64_t word_ = 0;
  unsigned filled_ = 0;  // bits of word_, below 64
};

// Reads what a BitWriter wrote. Past the end it reads zeros and remembers it: look at overrun()
// before anything that was read is believed.
class BitReader {
 public:
  explicit BitReader(std::span<const std::byte> in) : in_(in), bits_(in.size() * 8) {}

  // count <= 56.
  std::uint64_t get(unsigned count) {
    const std::uint64_t value = window() & ((std::uint64_t{1} << count) - 1);
    at_ += count;
    return value;
  }

  // The zeros before the next one, which is read too; `most` + 1 where there are more than that.
  std::uint64_t get_unary(std::uint64_t most) {
    std::uint64_t zeros = 0;
    for (;;) {
      const std::uint64_t word = window() | std::uint64_t{1} << kWindow;
      const auto run = static_cast<unsigned>(std::countr_zero(word));
      zeros += run;
      if (zeros > most) return most + 1;
      if (run < kWindow) {
        at_ += run + 1;
        return zeros;
      }
      at_ += kWindow;
      if (at_ >= bits_) {
        at_ = bits_ + 1;
        return most + 1;
      }
    }
  }

  // Zeros, a one and `low` bits (at most 31), as of a Rice code: zeros · 2^low + those bits, and
  // more than `most` where the number is. Most numbers fit into one window.
  std::uint64_t get_rice(unsigned low, std::uint64_t most) {
    const std::uint64_t word = window();
    const auto run = static_cast<unsigned>(std::countr_zero(word | std::uint64_t{1} << kWindow));
    const std::uint64_t mask = (std::uint64_t{1} << low) - 1;
    if (run + 1 + low <= kWindow) [[likely]] {
      at_ += run + 1 + low;
      return std::uint64_t{run} << low | (word >> (run + 1) & mask);
    }
    const std::uint64_t zeros = get_unary(most >> low);
    return zeros << low | get(low);
  }

  void skip(std::uint64_t count) { at_ += count; }

  bool overrun() const { return at_ > bits_; }
  // Whole bytes that were begun.
  std::size_t bytes_used() const { return std::min((at_ + 7) / 8, in_.size()); }
  // Whether the bits left in the last byte that was begun are all zero, as a writer leaves them.
  bool padded_with_zeros() const {
    if (at_ % 8 == 0 || overrun()) return !overrun();
    return std::to_integer<unsigned>(in_[at_ / 8]) >> (at_ % 8) == 0;
  }
  // Whether everything that is left is zero.
  bool rest_is_zero() const {
    return padded_with_zeros() &&
           std::all_of(in_.begin() + static_cast<std::ptrdiff_t>(bytes_used()), in_.end(),
                       [](std::byte byte) { return byte == std::byte{0}; });
  }

 private:
  static constexpr unsigned kWindow = 56;  // bits that a load at any bit position surely has

  std::uint64_t window() const {
    const std::size_t byte = at_ / 8;
    std::uint64_t word = 0;
    if (byte + 8 <= in_.size()) {
      std::memcpy(&word, in_.data() + byte, 8);
    } else if (byte < in_.size()) {
      std::memcpy(&word, in_.data() + byte, in_.size() - byte);
    }
    return word >> (at_ % 8);
  }

  std::span<const std::byte> in_;
  std::size_t bits_;
  std::size_t at_ = 0;  // bits
};

}  // namespace starling::compress
