#include "gossip/edge_duals.h"

#include <algorithm>
#include <array>

#include "protocol/bytes.h"
#include "protocol/check.h"

namespace starling::gossip {

void EdgeDuals::open(std::size_t edge) {
  duals_[edge] = {};
  duals_[edge].values.assign(size_, 0.0f);
}

void EdgeDuals::suspend(std::size_t edge) {
  if (!duals_[edge].suspended_at) duals_[edge].suspended_at = rate_;
}

void EdgeDuals::resume(std::size_t edge) { duals_[edge].suspended_at.reset(); }

float EdgeDuals::rate(std::size_t edge) const { return duals_[edge].suspended_at.value_or(rate_); }

void EdgeDuals::follow(double learning_rate) {
  if (learning_rate > 0) rate_ = static_cast<float>(learning_rate);
}

void EdgeDuals::add(std::size_t edge, float factor, std::span<const float> ours,
                    std::span<const float> theirs) {
  std::vector<float>& dual = duals_[edge].values;
  INVARIANT(dual.size() == ours.size() && dual.size() == theirs.size());
  const float step = factor / rate(edge);
  for (std::size_t i = 0; i < dual.size(); ++i) dual[i] += step * (ours[i] - theirs[i]);
}

void EdgeDuals::subtract_sum(std::span<float> x) const {
  for (const Dual& dual : duals_) {
    if (dual.suspended_at) continue;
    for (std::size_t i = 0; i < dual.values.size(); ++i) x[i] -= rate_ * dual.values[i];
  }
}

std::uint64_t EdgeDuals::hash(std::size_t edge, bool self_is_low) const {
  RunningHash hash;
  std::array<float, 4096> piece;
  std::span<const float> rest = duals_[edge].values;
  while (!rest.empty()) {
    const std::size_t size = std::min(rest.size(), piece.size());
    for (std::size_t i = 0; i < size; ++i) {
      piece[i] = (self_is_low ? rest[i] : -rest[i]) + 0.0f;  // -0 becomes 0
    }
    hash.add(std::as_bytes(std::span(piece).first(size)));
    rest = rest.subspan(size);
  }
  return hash.value();
}

void EdgeDuals::archive(Archive& archive) {
  const Archive::Scope scope(archive, "duals");
  archive.number("rate", rate_);
  for (std::size_t e = 0; e < duals_.size(); ++e) {
    const Archive::Member edge(archive, "edge", e);
    if (!edge) continue;
    archive.floats("dual", duals_[e].values, size_);
    archive.number("suspended_at", duals_[e].suspended_at);
  }
}

}  // namespace starling::gossip
