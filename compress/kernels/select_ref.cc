#include <algorithm>
#include <numeric>

#include "compress/kernels/select.h"

namespace starling::compress::ref {

Collected collect_at_least(std::span<const float> x, std::uint32_t threshold, Slots to) {
  Collected kept{0, 0};
  for (std::size_t i = 0; i < x.size(); ++i) {
    if (magnitude(x[i]) < threshold) continue;
    if (kept.count == to.capacity()) return {to.capacity() + 1, 0};
    to.indices[kept.count] = static_cast<std::uint32_t>(i);
    to.values[kept.count++] = x[i];
    kept.largest = std::max(kept.largest, magnitude(x[i]));
  }
  return kept;
}

Collected add_and_collect(std::span<float> e, std::span<const float> g, std::uint32_t threshold,
                          Slots to) {
  for (std::size_t i = 0; i < e.size(); ++i) e[i] += g[i];
  return ref::collect_at_least(e, threshold, to);
}

Collected add_and_take(std::span<float> e, std::span<const float> g, std::uint32_t threshold,
                       Slots to) {
  const Collected kept = ref::add_and_collect(e, g, threshold, to);
  if (kept.count > to.capacity()) return kept;
  for (std::size_t j = 0; j < kept.count; ++j) e[to.indices[j]] = 0;
  return kept;
}

void put_back_below(Slots entries, std::size_t count, std::uint32_t bound, std::span<float> e) {
  for (std::size_t j = 0; j < count; ++j) {
    if (magnitude(entries.values[j]) < bound) e[entries.indices[j]] = entries.values[j];
  }
}

std::size_t keep_at_least(Slots entries, std::size_t count, std::uint32_t threshold) {
  std::size_t n = 0;
  for (std::size_t j = 0; j < count; ++j) {
    if (magnitude(entries.values[j]) < threshold) continue;
    entries.indices[n] = entries.indices[j];
    entries.values[n++] = entries.values[j];
  }
  return n;
}

std::size_t values_below(std::span<const float> values, std::uint32_t bound, std::span<float> to) {
  std::size_t n = 0;
  for (const float value : values) {
    if (magnitude(value) < bound) to[n++] = value;
  }
  return n;
}

std::vector<std::uint32_t> top_indices(std::span<const float> x, std::size_t k) {
  std::vector<std::uint32_t> order(x.size());
  std::iota(order.begin(), order.end(), 0u);
  std::erase_if(order, [&](std::uint32_t i) { return magnitude(x[i]) == 0; });
  k = std::min(k, order.size());
  std::nth_element(order.begin(), order.begin() + k, order.end(),
                   [&](std::uint32_t a, std::uint32_t b) {
                     const std::uint32_t m = magnitude(x[a]), n = magnitude(x[b]);
                     return m > n || (m == n && a < b);
                   });
  order.resize(k);
  std::ranges::sort(order);
  return order;
}

}  // namespace starling::compress::ref
