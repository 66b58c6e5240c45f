#include "compress/layer_plan.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

#include "protocol/check.h"

namespace starling::compress {
namespace {

constexpr std::size_t kSteps = 4096;
constexpr double kImpossible = std::numeric_limits<double>::infinity();

// Steps that so many bytes take, more than there are where they do not fit.
std::size_t steps_of(double bytes, double all) {
  if (!(bytes < all)) return bytes == all ? kSteps : kSteps + 1;
  return static_cast<std::size_t>(std::ceil(bytes / all * kSteps));
}

}  // namespace

std::vector<std::size_t> least_error_levels(std::span<const std::vector<LevelCost>> parts,
                                            double bytes) {
  std::vector<std::size_t> levels(parts.size(), 0);
  if (!(bytes > 0)) return levels;
  // least[s]: the least error of the parts so far within s steps.
  std::vector<double> least(kSteps + 1, 0.0), before;
  std::vector<std::vector<std::uint16_t>> chosen;
  for (const auto& part : parts) {
    before = std::exchange(least, std::vector<double>(kSteps + 1, kImpossible));
    std::vector<std::uint16_t>& choice = chosen.emplace_back(kSteps + 1, std::uint16_t{0});
    if (part.empty()) least = before;
    for (std::size_t l = 0; l < part.size(); ++l) {
      const std::size_t cost = steps_of(part[l].bytes, bytes);
      for (std::size_t s = cost; s <= kSteps; ++s) {
        const double error = before[s - cost] + part[l].error;
        if (!(error < least[s])) continue;
        least[s] = error;
        choice[s] = static_cast<std::uint16_t>(l);
      }
    }
  }
  if (least[kSteps] == kImpossible) return levels;
  std::size_t left = kSteps;
  for (std::size_t p = parts.size(); p-- > 0;) {
    if (parts[p].empty()) continue;
    levels[p] = chosen[p][left];
    left -= steps_of(parts[p][levels[p]].bytes, bytes);
  }
  return levels;
}

std::size_t LayerPlan::choose(std::size_t part, std::span<const LevelCost> levels, double bytes,
                              double share) {
  if (part <= last_) begin_message(bytes);
  last_ = part;
  if (part >= costs_.size()) costs_.resize(part + 1);
  auto& means = costs_[part];
  means.resize(levels.size(), {0, 0});
  for (std::size_t l = 0; l < levels.size(); ++l) {
    const auto n = static_cast<double>(messages_);
    means[l].bytes += (levels[l].bytes - means[l].bytes) / n;
    means[l].error += (levels[l].error - means[l].error) / n;
  }
  if (part < plan_.size()) return std::min(plan_[part], levels.size() - 1);
  std::size_t level = 0;
  while (level + 1 < levels.size() && levels[level + 1].bytes <= share * bytes) ++level;
  return level;
}

void LayerPlan::begin_message(double bytes) {
  if (messages_ == (plan_.empty() ? 1 : kPlanRounds)) {
    plan_ = least_error_levels(costs_, bytes);
    messages_ = 0;
  }
  ++messages_;
}

void LayerPlan::archive(Archive& archive) {
  constexpr std::uint64_t kPartsMax = 65536, kLevelsMax = 4096;
  archive.number("messages", messages_, kPlanRounds);
  std::uint64_t parts = costs_.size(), planned = plan_.size();
  archive.number("parts", parts, kPartsMax);
  archive.number("planned", planned, kPartsMax);
  costs_.resize(parts);
  plan_.resize(planned);
  for (std::size_t p = 0; p < costs_.size(); ++p) {
    const Archive::Scope scope(archive, "part", p);
    std::uint64_t levels = costs_[p].size();
    archive.number("levels", levels, kLevelsMax);
    costs_[p].resize(levels);
    for (std::size_t l = 0; l < costs_[p].size(); ++l) {
      const Archive::Scope level(archive, "level", l);
      archive.number("bytes", costs_[p][l].bytes);
      archive.number("error", costs_[p][l].error);
    }
    if (p < plan_.size()) archive.number("plan", plan_[p], kLevelsMax);
  }
}

}  // namespace starling::compress
