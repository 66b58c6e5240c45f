// The values of the entries that a message keeps, in one of four formats.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "compress/compressor.h"

namespace starling::compress {

// Numbers on the wire.
enum class ValueFormat : std::uint8_t {
  float32 = 0,
  bfloat16 = 1,  // rounded to nearest even, see half_floats.h
  float16 = 2,   // the same; refuses values that round beyond 65504
  nested = 3,    // the message of another operator over the values alone
};

// Engine thread only; owns the nested operator, whose state is its own. No values take no bytes in
// every format.
class ValueCoder {
 public:
  // `nested` for ValueFormat::nested and for nothing else; its encoded_bytes_max never falls with
  // d.
  explicit ValueCoder(ValueFormat format = ValueFormat::float32,
                      std::unique_ptr<Compressor> nested = nullptr);

  ValueFormat format() const { return format_; }

  // What the coder does to k values: E‖Q(v) - v‖² <= β²‖v‖² + σ², and whether E Q(v) = v. float32:
  // both 0. bfloat16: β = 2^-8, and 2^-134 a value below 2^-126, which σ² = 0 neglects. float16:
  // β = 2^-11, σ² = k 2^-50.
  struct Loss {
    double relative, absolute;  // β², σ²
    bool unbiased;
  };
  Loss loss(std::size_t k) const;

  std::size_t bytes_max(std::size_t k) const;

  // The position of the first value that the format cannot hold.
  std::optional<std::size_t> first_unfit(std::span<const float> values) const;
  // The sentence for it, at `index` of the vector that the values are from.
  static Error unfit(float value, std::size_t index);

  // Writes to the start of `out`, which has bytes_max(values.size()) bytes, and returns the bytes
  // used. The values are finite and fit.
  Result<std::size_t> encode(std::span<const float> values, std::uint64_t key,
                             std::span<std::byte> out);

  // Fills `values` from exactly these bytes. Fails with ErrorCode::peer where they are not as many
  // finite values; `values` is of no use then.
  Result<void> decode(std::span<const std::byte> bytes, std::span<float> values) const;

  // The same into a new vector. The count must have been checked: it sizes the vector.
  Result<std::vector<float>> decode(std::span<const std::byte> bytes, std::size_t count) const;

  void archive(Archive& archive) {
    if (nested_) nested_->archive(archive);
  }

 private:
  ValueFormat format_;
  std::unique_ptr<Compressor> nested_;
};

}  // namespace starling::compress
