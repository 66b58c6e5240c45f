#include "compress/block_top.h"

#include <algorithm>
#include <bit>
#include <utility>

#include "compress/bits.h"
#include "compress/buckets.h"
#include "compress/finite.h"
#include "compress/header.h"
#include "compress/kernels/block_max.h"
#include "compress/kernels/select.h"
#include "compress/sparse.h"

namespace starling::compress {
namespace {

Header header_of(ValueFormat format, std::size_t block, std::size_t d) {
  return {.op = Op::block_top,
          .flags = static_cast<std::uint8_t>(format),
          .d = d,
          .count = static_cast<std::uint32_t>((d + block - 1) / block),
          .bucket = static_cast<std::uint32_t>(block)};
}

}  // namespace

BlockTop::BlockTop(std::size_t block, ValueFormat format, std::unique_ptr<Compressor> nested)
    : block_(block),
      position_bits_(static_cast<unsigned>(std::countr_zero(block))),
      values_(format, std::move(nested)) {
  INVARIANT(std::has_single_bit(block) && block >= 2 && block <= 65536);
}

Contract BlockTop::contract(std::size_t d) const {
  if (d == 0) return {Guarantee::contractive, 1};
  const auto loss = values_.loss(blocks(d));
  if (loss.relative >= 1) return {Guarantee::bounded, loss.relative, loss.absolute};
  const double delta = (1 - loss.relative) / static_cast<double>(std::min(block_, d));
  if (loss.absolute > 0) return {Guarantee::bounded, 1 - delta, loss.absolute};
  return {Guarantee::contractive, delta};
}

std::size_t BlockTop::position_bytes(std::size_t d) const {
  return (blocks(d) * position_bits_ + 7) / 8;
}

std::size_t BlockTop::encoded_bytes_max(std::size_t d) const {
  return kHeaderBytes + position_bytes(d) + values_.bytes_max(blocks(d));
}

// From where_, which holds positions in the blocks of x and then indices of x.
Result<std::size_t> BlockTop::write(std::span<const float> x, std::uint64_t key,
                                    std::span<std::byte> out) {
  const auto body = write_header(header_of(values_.format(), block_, x.size()), out);
  BitWriter positions(body.first(position_bytes(x.size())));
  kept_.resize(where_.size());
  for (std::size_t b = 0; b < where_.size(); ++b) {
    positions.put(where_[b], position_bits_);
    where_[b] += static_cast<std::uint32_t>(b * block_);
    kept_[b] = x[where_[b]];
  }
  positions.finish();
  if (const auto b = values_.first_unfit(kept_)) return ValueCoder::unfit(kept_[*b], where_[*b]);
  const auto used = values_.encode(kept_, key, body.subspan(position_bytes(x.size())));
  if (!used) return used.error();
  return kHeaderBytes + position_bytes(x.size()) + *used;
}

Result<std::size_t> BlockTop::encode(std::span<const float> x, std::uint64_t key,
                                     std::span<std::byte> out) {
  where_.resize(blocks(x.size()));
  if (block_maxima(x, block_, where_) >= kInfinity) return check_finite(x).error();
  return write(x, key, out);
}

Result<std::size_t> BlockTop::encode_ef(std::span<float> e, std::span<const float> g,
                                        std::uint64_t key, std::span<std::byte> out) {
  INVARIANT(e.size() == g.size());
  where_.resize(blocks(e.size()));
  const std::size_t chunk = std::max<std::size_t>(block_, 4096);  // whole blocks, in a cache
  std::uint32_t largest = 0;
  for (std::size_t begin = 0; begin < e.size(); begin += chunk) {
    const std::size_t size = std::min(chunk, e.size() - begin);
    const auto part = e.subspan(begin, size);
    for (std::size_t i = 0; i < size; ++i) part[i] += g[begin + i];
    const auto where = std::span(where_).subspan(begin / block_, blocks(size));
    largest = std::max(largest, block_maxima(part, block_, where));
  }
  if (largest >= kInfinity) return check_finite(e).error();
  const auto used = write(e, key, out);
  if (!used) return used;
  const std::size_t begin = kHeaderBytes + position_bytes(e.size());
  const auto sent = values_.decode(out.subspan(begin, *used - begin), where_.size());
  if (!sent) return sent.error();
  scatter_add(where_, *sent, -1, e);
  return used;
}

Result<std::vector<std::uint32_t>> BlockTop::read_positions(std::span<const std::byte> body,
                                                            std::size_t d) const {
  const std::size_t bytes = position_bytes(d);
  if (body.size() < bytes) {
    return refused("position bytes", body.size(), fmt::format("at least {}", bytes));
  }
  const std::size_t bits = blocks(d) * position_bits_;
  if (auto zero = check_padding(body.data(), bits); !zero) return zero.error();
  BitReader positions(body.first(bytes));
  std::vector<std::uint32_t> where(blocks(d));
  for (const Bucket& b : Buckets(d, block_)) {
    const auto position = static_cast<std::uint32_t>(positions.get(position_bits_));
    if (position >= b.size) {
      return refused(fmt::format("position in block {}", b.index), position,
                     fmt::format("below {}", b.size));
    }
    where[b.index] = static_cast<std::uint32_t>(b.begin) + position;
  }
  return where;
}

Result<void> BlockTop::decode_add(std::span<const std::byte> bytes, float scale,
                                  std::span<float> y) const {
  const Result<Header> header = read_header(bytes, Op::block_top, y.size());
  if (!header) return header.error();
  const Header expected = header_of(values_.format(), block_, y.size());
  if (auto same = expect_fields(*header, expected); !same) return same;
  const auto body = bytes.subspan(kHeaderBytes);
  const auto where = read_positions(body, y.size());
  if (!where) return where.error();
  const auto values = values_.decode(body.subspan(position_bytes(y.size())), where->size());
  if (!values) return values.error();
  scatter_add(*where, *values, scale, y);
  return {};
}

}  // namespace starling::compress
