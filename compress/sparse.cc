#include "compress/sparse.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "compress/header.h"
#include "compress/kernels/select.h"

namespace starling::compress {
namespace {

constexpr unsigned kCodeBits = 3;

std::uint8_t flags_of(IndexCode code, ValueFormat format) {
  return static_cast<std::uint8_t>(static_cast<unsigned>(code) | static_cast<unsigned>(format)
                                                                     << kCodeBits);
}

// The header of a sparse message with at most count_max entries of this format.
Result<Header> read_sparse_header(std::span<const std::byte> message, ValueFormat format,
                                  std::size_t count_max, std::size_t d) {
  Result<Header> header = read_header(message, Op::sparse, d);
  if (!header) return header;
  const unsigned found = header->flags >> kCodeBits;
  if (auto same = expect("header field flags: value format", found, static_cast<unsigned>(format));
      !same) {
    return same.error();
  }
  const std::size_t most = std::min(count_max, d);
  if (header->count > most) {
    return refused("header field count", header->count, fmt::format("at most {}", most));
  }
  if (header->param > 0xff) {
    return refused("header field param", header->param, "at most 255");
  }
  if (auto same = expect("header field bucket", header->bucket, 0); !same) return same.error();
  if (auto same = expect("header field seed", header->seed, 0); !same) return same.error();
  return header;
}

}  // namespace

std::size_t entries_of(double ratio, std::size_t d) {
  const double rounded = std::floor(ratio * static_cast<double>(d) + 0.5);
  if (!(rounded < static_cast<double>(d))) return d;
  return std::min(d, std::max<std::size_t>(1, static_cast<std::size_t>(rounded)));
}

SparseCoder::SparseCoder(ValueFormat format, std::unique_ptr<Compressor> nested,
                         std::optional<IndexCode> code)
    : values_(format, std::move(nested)), code_(code) {
  INVARIANT(code_ != IndexCode::all);
}

Contract SparseCoder::contract_of_top(std::size_t k, std::size_t d) const {
  if (d == 0) return {Guarantee::contractive, 1};
  const auto [relative, absolute, unbiased] = values_.loss(k);
  const double kept = static_cast<double>(k) / static_cast<double>(d);
  if (relative >= 1) return {Guarantee::bounded, relative, absolute};
  const double delta = (1 - relative) * kept;
  if (absolute > 0) return {Guarantee::bounded, 1 - delta, absolute};
  return {Guarantee::contractive, delta};
}

std::size_t SparseCoder::index_bytes(std::size_t k, std::size_t d) const {
  if (k == d) return 0;
  return code_ ? index_bytes_max_as(*code_, k, d) : index_bytes_max(k, d);
}

std::size_t SparseCoder::bytes_max(std::size_t k, std::size_t d) const {
  k = std::min(k, d);
  std::size_t most = index_bytes(k, d) + values_.bytes_max(k);
  // One entry less, and its indices have to be sent.
  if (k == d && k > 0) most = std::max(most, index_bytes(k - 1, d) + values_.bytes_max(k - 1));
  return kHeaderBytes + most;
}

Result<SparseCoder::Written> SparseCoder::write(const Kept& kept, std::uint64_t key,
                                                std::span<std::byte> out) {
  INVARIANT(kept.indices.size() == kept.values.size());
  if (const auto j = values_.first_unfit(kept.values)) {
    return ValueCoder::unfit(kept.values[*j], kept.indices[*j]);
  }
  const IndexPlan plan = code_ && kept.indices.size() < kept.d
                             ? plan_indices_as(*code_, kept.indices, kept.d)
                             : plan_indices(kept.indices, kept.d);
  const auto body = write_header({.op = Op::sparse,
                                  .flags = flags_of(plan.code, values_.format()),
                                  .param = plan.parameter,
                                  .d = kept.d,
                                  .count = static_cast<std::uint32_t>(kept.indices.size())},
                                 out);
  write_indices(plan, kept.indices, kept.d, body);
  const auto used = values_.encode(kept.values, key, body.subspan(plan.bytes));
  if (!used) return used.error();
  return Written{plan.bytes, *used};
}

Result<std::size_t> SparseCoder::encode(const Kept& kept, std::uint64_t key,
                                        std::span<std::byte> out) {
  const Result<Written> written = write(kept, key, out);
  if (!written) return written.error();
  return kHeaderBytes + written->indices + written->values;
}

Result<std::size_t> SparseCoder::encode_ef(const Kept& kept, std::uint64_t key,
                                           std::span<std::byte> out, std::span<float> e) {
  INVARIANT(e.size() == kept.d);
  const Result<Written> written = write(kept, key, out);
  if (!written) return written.error();
  const std::size_t begin = kHeaderBytes + written->indices;
  if (values_.format() == ValueFormat::float32) {
    clear_at(kept.indices, e);
  } else {
    read_values_.resize(kept.values.size());
    const auto read = values_.decode(out.subspan(begin, written->values), read_values_);
    if (!read) return read.error();
    scatter_add(kept.indices, read_values_, -1, e);
  }
  return begin + written->values;
}

Result<void> SparseCoder::decode_add(std::span<const std::byte> message, std::size_t count_max,
                                     float scale, std::span<float> y) const {
  const auto header = read_sparse_header(message, values_.format(), count_max, y.size());
  if (!header) return header.error();
  read_indices_.resize(header->count);
  read_values_.resize(header->count);
  const IndexPlan plan{.code = static_cast<IndexCode>(header->flags & ((1 << kCodeBits) - 1)),
                       .parameter = static_cast<std::uint8_t>(header->param)};
  const auto body = message.subspan(kHeaderBytes);
  const auto read = read_indices(plan, y.size(), body, read_indices_);
  if (!read) return read.error();
  if (auto values = values_.decode(body.subspan(*read), read_values_); !values) return values;
  scatter_add(read_indices_, read_values_, scale, y);
  return {};
}

void scatter_add(std::span<const std::uint32_t> indices, std::span<const float> values, float scale,
                 std::span<float> y) {
  constexpr std::size_t kAhead = 16;  // entries; further apart than a line, mostly
  const std::size_t size = indices.size();
  for (std::size_t j = 0; j < size; ++j) {
    if (j + kAhead < size) __builtin_prefetch(&y[indices[j + kAhead]], 1);
    y[indices[j]] += scale * values[j];
  }
}

}  // namespace starling::compress
