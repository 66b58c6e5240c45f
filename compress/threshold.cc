#include "compress/threshold.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <utility>

#include "compress/finite.h"

namespace starling::compress {
namespace {

constexpr std::size_t kBlock = 4096;
constexpr std::uint32_t kInfinity = 0x7f800000;

std::uint32_t magnitude(float value) { return std::bit_cast<std::uint32_t>(value) & 0x7fffffff; }

}  // namespace

Threshold::Threshold(float tau, double cap, SparseCoder coder)
    : threshold_(std::max(1U, magnitude(tau))), tau_(tau), cap_(cap), coder_(std::move(coder)) {
  INVARIANT(std::isfinite(tau) && !(tau < 0) && cap > 0 && cap <= 1);
}

std::size_t Threshold::count_max(std::size_t d) const {
  const auto most = static_cast<std::size_t>(std::ceil(cap_ * static_cast<double>(d)));
  return std::min(d, std::max<std::size_t>(1, most));
}

Contract Threshold::contract(std::size_t d) const {
  const Contract top = coder_.contract_of_top(count_max(d), d);
  const double beta2 = top.guarantee == Guarantee::contractive ? 1 - top.constant : top.constant;
  const double tau = tau_;
  return {Guarantee::bounded, beta2, static_cast<double>(d) * tau * tau + top.absolute};
}

std::size_t Threshold::encoded_bytes_max(std::size_t d) const {
  return coder_.bytes_max(count_max(d), d);
}

void Threshold::collect(std::span<const float> x, std::size_t begin, std::size_t end) {
  std::uint32_t* const indices = indices_.data();
  float* const values = values_.data();
  std::size_t count = count_;
  for (std::size_t i = begin; i < end; ++i) {
    indices[count] = static_cast<std::uint32_t>(i);
    values[count] = x[i];
    count += magnitude(x[i]) >= threshold_ ? 1 : 0;
  }
  count_ = count;
}

// Beyond the cap, so rare that it may be slow.
void Threshold::keep_largest(std::span<const float> x, std::size_t count) {
  std::vector<std::uint64_t> order;  // rises as the magnitude falls, then with the index
  for (std::size_t i = 0; i < x.size(); ++i) {
    const std::uint32_t bits = magnitude(x[i]);
    if (bits >= threshold_) order.push_back(std::uint64_t{kInfinity - bits} << 32 | i);
  }
  std::nth_element(order.begin(), order.begin() + static_cast<std::ptrdiff_t>(count), order.end());
  for (std::size_t j = 0; j < count; ++j) indices_[j] = static_cast<std::uint32_t>(order[j]);
  std::sort(indices_.begin(), indices_.begin() + static_cast<std::ptrdiff_t>(count));
  for (std::size_t j = 0; j < count; ++j) values_[j] = x[indices_[j]];
  count_ = count;
}

// Calls ready(begin, end) for every block of x before it reads the block.
template <class Ready>
Result<Kept> Threshold::choose(std::span<const float> x, Ready&& ready) {
  const std::size_t most = count_max(x.size());
  indices_.resize(std::max(indices_.size(), most + kBlock));
  values_.resize(indices_.size());
  count_ = 0;
  for (std::size_t begin = 0; begin < x.size(); begin += kBlock) {
    const std::size_t end = std::min(begin + kBlock, x.size());
    ready(begin, end);
    if (count_ <= most) collect(x, begin, end);
  }
  const std::span values = std::span<const float>(values_).first(count_);
  const bool finite =
      std::ranges::all_of(values, [](float value) { return magnitude(value) < kInfinity; });
  if (!finite || count_ > most) {
    if (const auto checked = check_finite(x); !checked) return checked.error();
    keep_largest(x, most);
  }
  return Kept{x.size(), std::span<const std::uint32_t>(indices_).first(count_),
              std::span<const float>(values_).first(count_)};
}

Result<std::size_t> Threshold::encode(std::span<const float> x, std::uint64_t key,
                                      std::span<std::byte> out) {
  const Result<Kept> kept = choose(x, [](std::size_t, std::size_t) {});
  if (!kept) return kept.error();
  return coder_.encode(*kept, key, out);
}

Result<std::size_t> Threshold::encode_ef(std::span<float> e, std::span<const float> g,
                                         std::uint64_t key, std::span<std::byte> out) {
  INVARIANT(e.size() == g.size());
  const Result<Kept> kept = choose(e, [&](std::size_t begin, std::size_t end) {
    for (std::size_t i = begin; i < end; ++i) e[i] += g[i];
  });
  if (!kept) return kept.error();
  return coder_.encode_ef(*kept, key, out, e);
}

Result<void> Threshold::decode_add(std::span<const std::byte> bytes, float scale,
                                   std::span<float> y) const {
  return coder_.decode_add(bytes, count_max(y.size()), scale, y);
}

}  // namespace starling::compress
