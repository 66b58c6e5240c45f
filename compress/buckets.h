// A vector cut into runs that share a scale, and the scales on the wire.
#pragma once

#include <algorithm>
#include <cstddef>
#include <span>

#include "protocol/result.h"

namespace starling::compress {

struct Bucket {
  std::size_t index, begin, size;
};

// d floats in buckets of `bucket`, the last one possibly shorter.
class Buckets {
 public:
  Buckets(std::size_t d, std::size_t bucket) : d_(d), bucket_(std::max<std::size_t>(1, bucket)) {}

  std::size_t count() const { return (d_ + bucket_ - 1) / bucket_; }

  class Iterator {
   public:
    Iterator(const Buckets& of, std::size_t index) : of_(of), index_(index) {}
    Bucket operator*() const {
      const std::size_t begin = index_ * of_.bucket_;
      return {index_, begin, std::min(of_.bucket_, of_.d_ - begin)};
    }
    Iterator& operator++() { return ++index_, *this; }
    bool operator!=(const Iterator& other) const { return index_ != other.index_; }

   private:
    const Buckets& of_;
    std::size_t index_;
  };
  Iterator begin() const { return {*this, 0}; }
  Iterator end() const { return {*this, count()}; }

 private:
  std::size_t d_, bucket_;
};

// A scale as it is sent: 0 in place of one below 2^-120, whose inverse or fraction would leave the
// range of float. Error feedback keeps what is lost.
inline float without_underflow(float scale) { return scale < 0x1p-120f ? 0.0f : scale; }

// `count` floats at any alignment, each finite and not negative. Fails with ErrorCode::peer, naming
// the bucket and the value.
Result<void> check_scales(const std::byte* scales, std::size_t count);

// The bits of the last byte behind the first `bits` are zero.
Result<void> check_padding(const std::byte* bytes, std::size_t bits);

}  // namespace starling::compress
