#include "compress/values.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "compress/counter_random.h"
#include "compress/finite.h"
#include "compress/half_floats.h"
#include "compress/header.h"

namespace starling::compress {
namespace {

template <class Convert>
void write_halves(std::span<const float> values, std::byte* out, Convert&& convert) {
  for (std::size_t j = 0; j < values.size(); ++j) store(convert(values[j]), out + 2 * j);
}

template <class Convert>
void read_halves(const std::byte* from, std::span<float> values, Convert&& convert) {
  for (std::size_t j = 0; j < values.size(); ++j) {
    values[j] = convert(load<std::uint16_t>(from + 2 * j));
  }
}

}  // namespace

ValueCoder::ValueCoder(ValueFormat format, std::unique_ptr<Compressor> nested)
    : format_(format), nested_(std::move(nested)) {
  INVARIANT((format_ == ValueFormat::nested) == (nested_ != nullptr));
}

ValueCoder::Loss ValueCoder::loss(std::size_t k) const {
  switch (format_) {
    case ValueFormat::float32: return {0, 0, true};
    case ValueFormat::bfloat16: return {0x1p-16, 0, false};
    case ValueFormat::float16: return {0x1p-22, static_cast<double>(k) * 0x1p-50, false};
    case ValueFormat::nested: break;
  }
  const Contract inner = nested_->contract(k);
  switch (inner.guarantee) {
    case Guarantee::contractive: return {1 - inner.constant, 0, false};
    case Guarantee::unbiased: return {inner.constant, 0, true};
    case Guarantee::bounded: break;
  }
  return {inner.constant, inner.absolute, false};
}

std::size_t ValueCoder::bytes_max(std::size_t k) const {
  if (k == 0) return 0;
  if (format_ == ValueFormat::nested) return nested_->encoded_bytes_max(k);
  return k * (format_ == ValueFormat::float32 ? sizeof(float) : sizeof(std::uint16_t));
}

std::optional<std::size_t> ValueCoder::first_unfit(std::span<const float> values) const {
  if (format_ != ValueFormat::float16) return std::nullopt;
  for (std::size_t j = 0; j < values.size(); ++j) {
    if (std::fabs(values[j]) >= kFloat16Overflow) return j;
  }
  return std::nullopt;
}

Error ValueCoder::unfit(float value, std::size_t index) {
  return {
      ErrorCode::diverged,
      fmt::format("found {} at index {}, expected at most {} in magnitude, the largest float16; "
                  "take bfloat16 values instead",
                  value, index, kFloat16Max)};
}

Result<std::size_t> ValueCoder::encode(std::span<const float> values, std::uint64_t key,
                                       std::span<std::byte> out) {
  if (values.empty()) return std::size_t{0};
  if (format_ == ValueFormat::nested) return nested_->encode(values, subkey(key, 1), out);
  const std::size_t bytes = bytes_max(values.size());
  INVARIANT(out.size() >= bytes);
  switch (format_) {
    case ValueFormat::float32: __builtin_memcpy(out.data(), values.data(), bytes); break;
    case ValueFormat::bfloat16: write_halves(values, out.data(), to_bfloat16); break;
    case ValueFormat::float16: write_halves(values, out.data(), to_float16); break;
    case ValueFormat::nested: break;
  }
  return bytes;
}

Result<void> ValueCoder::decode(std::span<const std::byte> bytes, std::span<float> values) const {
  if (format_ != ValueFormat::nested || values.empty()) {
    const auto same = expect("value bytes", bytes.size(), bytes_max(values.size()));
    if (!same || values.empty()) return same;
  }
  switch (format_) {
    case ValueFormat::float32: __builtin_memcpy(values.data(), bytes.data(), bytes.size()); break;
    case ValueFormat::bfloat16: read_halves(bytes.data(), values, from_bfloat16); break;
    case ValueFormat::float16: read_halves(bytes.data(), values, from_float16); break;
    case ValueFormat::nested:
      std::ranges::fill(values, 0.0f);
      if (auto added = nested_->decode_add(bytes, 1, values); !added) return added;
  }
  if (const auto at = first_non_finite(values)) {
    return refused(fmt::format("value {}", *at), values[*at], "a finite number");
  }
  return {};
}

Result<std::vector<float>> ValueCoder::decode(std::span<const std::byte> bytes,
                                              std::size_t count) const {
  std::vector<float> values(count);
  if (const auto read = decode(bytes, values); !read) return read.error();
  return values;
}

}  // namespace starling::compress
