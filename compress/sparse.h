// The message of every operator that keeps some coordinates, whatever chose them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "compress/compressor.h"
#include "compress/index_code.h"
#include "compress/values.h"

namespace starling::compress {

// max(1, round(ratio · d)), at most d; 0 for d = 0. The same at both ends.
std::size_t entries_of(double ratio, std::size_t d);

// Some coordinates of a vector of d floats: strictly ascending indices below d, and their values,
// finite. Views; used during a call only.
struct Kept {
  std::size_t d;
  std::span<const std::uint32_t> indices;
  std::span<const float> values;
};

// Bytes: header (count = k, param = Rice's b, flags = index code | value format << 3), indices by
// index_code.h, values by values.h. Engine thread only, decoding too. Without a state of its own;
// that of the nested operator, if any.
class SparseCoder {
 public:
  // `code` in place of the shortest: IndexCode::blocks16 where the processor is the bottleneck.
  // Indices of all coordinates are never sent.
  explicit SparseCoder(ValueFormat format = ValueFormat::float32,
                       std::unique_ptr<Compressor> nested = nullptr,
                       std::optional<IndexCode> code = std::nullopt);

  // What keeping the k largest of d coordinates and coding them so guarantees. With a value coder
  // of E‖Q(v) - v‖² <= β²‖v‖² + σ², E‖C(x) - x‖² <= ‖x‖² - (1 - β²)‖Tx‖² + σ², so contractive with
  // δ = (1 - β²)k/d where β² < 1 and σ = 0, else bounded. Holds also where fewer are kept because
  // the others are 0.
  Contract contract_of_top(std::size_t k, std::size_t d) const;

  // The largest message with at most k entries, header and all; exact.
  std::size_t bytes_max(std::size_t k, std::size_t d) const;

  // Writes the message to `out`, which has bytes_max(kept.indices.size(), kept.d) bytes, and
  // returns the bytes used. Fails (ErrorCode::diverged) where a value does not fit into float16,
  // naming its index.
  Result<std::size_t> encode(const Kept& kept, std::uint64_t key, std::span<std::byte> out);

  // Whether every value is sent as it is: encode cannot fail then.
  bool exact() const { return values_.format() == ValueFormat::float32; }

  // As encode, and subtracts what the receiver decodes: e[i] of a sent index becomes e[i] - C(x)_i
  // exactly as decode_add with scale -1 would have it, which is 0 for float32. e has kept.d floats
  // that at the indices are the values; it is unchanged on failure.
  Result<std::size_t> encode_ef(const Kept& kept, std::uint64_t key, std::span<std::byte> out,
                                std::span<float> e);

  // y += scale · C(x) for a message of at most `count_max` entries. Fails (ErrorCode::peer) as
  // Compressor::decode_add does.
  Result<void> decode_add(std::span<const std::byte> message, std::size_t count_max, float scale,
                          std::span<float> y) const;

  void archive(Archive& archive) { values_.archive(archive); }

 private:
  struct Written {
    std::size_t indices, values;  // bytes
  };
  Result<Written> write(const Kept& kept, std::uint64_t key, std::span<std::byte> out);
  std::size_t index_bytes(std::size_t k, std::size_t d) const;

  ValueCoder values_;
  std::optional<IndexCode> code_;
  // What a message holds, decoded; kept so that it need not be allocated for every message.
  mutable std::vector<std::uint32_t> read_indices_;
  mutable std::vector<float> read_values_;
};

// y[indices[j]] += scale · values[j]. The indices are below y.size().
void scatter_add(std::span<const std::uint32_t> indices, std::span<const float> values, float scale,
                 std::span<float> y);

}  // namespace starling::compress
