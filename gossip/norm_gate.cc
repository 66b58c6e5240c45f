#include "gossip/norm_gate.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace starling::gossip {

double NormGate::median() const {
  if (norms_.size() < kWindow) return 0;
  std::vector<double> sorted = norms_;
  const auto middle = sorted.begin() + kWindow / 2 - 1;
  std::ranges::nth_element(sorted, middle);
  return *middle;
}

std::optional<std::string> NormGate::judge(double norm, std::size_t floats,
                                           const std::function<double()>& own) {
  const double root = std::sqrt(static_cast<double>(floats));
  if (!(norm <= kFactor * root)) {
    const double usual = median(), model = norm <= kFactor * usual ? 0 : own();
    const double most = std::min(kFactor * std::max({usual, model, root}), kCeiling);
    if (!(norm <= most)) {
      return fmt::format(
          "its norm is {:.4g}, expected at most {:.4g} ({:.0f} times the largest of {:.4g}, what "
          "it "
          "usually sends, {:.4g}, this node's model, and {:.4g}, the root of d)",
          norm, most, kFactor, usual, model, root);
    }
  }
  if (norm == 0) return std::nullopt;  // says nothing of those to come
  if (norms_.size() < kWindow) {
    norms_.push_back(norm);
  } else {
    norms_[next_] = norm;
    next_ = (next_ + 1) % kWindow;
  }
  return std::nullopt;
}

}  // namespace starling::gossip
