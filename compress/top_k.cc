#include "compress/top_k.h"

#include <algorithm>
#include <numeric>
#include <utility>

namespace starling::compress {

TopK::TopK(double ratio, SparseCoder coder) : ratio_(ratio), coder_(std::move(coder)) {
  INVARIANT(ratio > 0 && ratio <= 1);
}

Contract TopK::contract(std::size_t d) const {
  return coder_.contract_of_top(entries_of(ratio_, d), d);
}

std::size_t TopK::encoded_bytes_max(std::size_t d) const {
  return coder_.bytes_max(entries_of(ratio_, d), d);
}

Result<std::size_t> TopK::encode(std::span<const float> x, std::uint64_t key,
                                 std::span<std::byte> out) {
  const auto top = selector_.select(x, entries_of(ratio_, x.size()));
  if (!top) return top.error();
  return coder_.encode({x.size(), top->indices, top->values}, key, out);
}

Result<std::size_t> TopK::encode_ef(std::span<float> e, std::span<const float> g, std::uint64_t key,
                                    std::span<std::byte> out) {
  const std::size_t k = entries_of(ratio_, e.size());
  if (coder_.exact()) {
    const auto taken = selector_.add_and_take(e, g, k);
    if (!taken) return taken.error();
    return coder_.encode({e.size(), taken->indices, taken->values}, key, out);
  }
  const auto top = selector_.add_and_select(e, g, k);
  if (!top) return top.error();
  return coder_.encode_ef({e.size(), top->indices, top->values}, key, out, e);
}

Result<void> TopK::decode_add(std::span<const std::byte> bytes, float scale,
                              std::span<float> y) const {
  return coder_.decode_add(bytes, entries_of(ratio_, y.size()), scale, y);
}

std::vector<std::size_t> split_k(std::size_t k, std::span<const std::size_t> sizes) {
  const std::size_t d = std::accumulate(sizes.begin(), sizes.end(), std::size_t{0});
  std::vector<std::size_t> parts(sizes.size()), remainders(sizes.size()), order(sizes.size());
  if (d == 0) return parts;
  k = std::min(k, d);
  for (std::size_t b = 0; b < sizes.size(); ++b) {
    parts[b] = k * sizes[b] / d;
    remainders[b] = k * sizes[b] % d;
  }
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::ranges::stable_sort(
      order, [&](std::size_t a, std::size_t b) { return remainders[a] > remainders[b]; });
  const std::size_t given = std::accumulate(parts.begin(), parts.end(), std::size_t{0});
  for (std::size_t j = 0; j < k - given; ++j) ++parts[order[j]];

  const auto empty = std::ranges::count(sizes, std::size_t{0});
  if (k < sizes.size() - static_cast<std::size_t>(empty)) return parts;
  for (std::size_t b = 0; b < sizes.size(); ++b) {
    if (sizes[b] == 0 || parts[b] > 0) continue;
    --*std::ranges::max_element(parts);
    parts[b] = 1;
  }
  return parts;
}

}  // namespace starling::compress
