// What quantisers have in common: a vector in buckets, of each its norm and a code a float.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "compress/kernels/bucket_norm.h"
#include "compress/kernels/codes.h"
#include "protocol/result.h"

namespace starling::compress {

// The fields behind the last of `count` codes are 0. Fails with ErrorCode::peer, naming the index
// and the code.
Result<void> check_code_padding(const std::byte* codes, unsigned bits, std::size_t count);

// The part of a message behind the header: the norms as 32-bit floats, then the codes
// (kernels/codes.h). The unit of a bucket is its norm times 1/s (Grid::uniform) or its norm
// (Grid::powers). Without state; one sweep over memory as long as a bucket fits into the cache.
class CodeBuckets {
 public:
  // `bucket` is a multiple of 128 and not 0.
  CodeBuckets(const CodeFormat& format, BucketNorm norm, std::size_t bucket);

  const CodeFormat& format() const { return format_; }
  BucketNorm norm() const { return norm_; }
  std::size_t bucket() const { return bucket_; }
  std::size_t bytes(std::size_t d) const;

  // As Compressor's; `body` has bytes(d) bytes.
  Result<void> encode(std::span<const float> x, std::uint64_t key, std::byte* body) const;
  Result<void> encode_ef(std::span<float> e, std::span<const float> g, std::uint64_t key,
                         std::byte* body) const;
  Result<void> decode_add(std::span<const std::byte> body, float scale, std::span<float> y) const;

 private:
  CodeDraw draw(float scale, std::uint64_t key, std::size_t first) const;
  float unit(float scale) const;

  const CodeFormat format_;
  const BucketNorm norm_;
  const std::size_t bucket_;
};

}  // namespace starling::compress
