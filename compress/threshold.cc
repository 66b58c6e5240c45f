#include "compress/threshold.h"

#include <algorithm>
#include <cmath>
#include <utility>

namespace starling::compress {

Threshold::Threshold(float tau, double cap, SparseCoder coder)
    : tau_(tau), cap_(cap), coder_(std::move(coder)) {
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

Result<std::size_t> Threshold::encode(std::span<const float> x, std::uint64_t key,
                                      std::span<std::byte> out) {
  const auto kept = selector_.select_at_least(x, magnitude(tau_), count_max(x.size()));
  if (!kept) return kept.error();
  return coder_.encode({x.size(), kept->indices, kept->values}, key, out);
}

Result<std::size_t> Threshold::encode_ef(std::span<float> e, std::span<const float> g,
                                         std::uint64_t key, std::span<std::byte> out) {
  const auto kept = selector_.add_and_select_at_least(e, g, magnitude(tau_), count_max(e.size()));
  if (!kept) return kept.error();
  return coder_.encode_ef({e.size(), kept->indices, kept->values}, key, out, e);
}

Result<void> Threshold::decode_add(std::span<const std::byte> bytes, float scale,
                                   std::span<float> y) const {
  return coder_.decode_add(bytes, count_max(y.size()), scale, y);
}

}  // namespace starling::compress
