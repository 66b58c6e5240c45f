#include "node/strikes.h"

#include <algorithm>

namespace starling::node {

std::optional<Duration> Strikes::strike(Time now) {
  if (last_ && now - std::max(*last_, until_.value_or(*last_)) > 2 * kLongest) next_ = kFirst;
  last_ = now;
  ++total_;
  fresh_.push_back(now);
  while (now - fresh_.front() > kWithin) fresh_.pop_front();
  if (fresh_.size() < kMost) return std::nullopt;
  fresh_.clear();
  const Duration out = next_;
  until_ = now + out;
  next_ = std::min(2 * out, kLongest);
  return out;
}

std::size_t Strikes::fresh(Time now) const {
  return static_cast<std::size_t>(
      std::ranges::count_if(fresh_, [now](Time at) { return now - at <= kWithin; }));
}

}  // namespace starling::node
