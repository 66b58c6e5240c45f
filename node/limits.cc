#include "node/limits.h"

#include <fmt/format.h>

#include "gossip/assembly.h"
#include "node/config_names.h"
#include "node/memory.h"

namespace starling::node {

Result<void> check_limits(const Run& run, NodeId self) {
  const Config& config = run.config;
  const std::size_t degree = gossip::partners(config.gossip, run.topology, self).size();
  const auto check = [&](const char* key, double rate) -> Result<void> {
    const double least = static_cast<double>(degree) * kLinkRateMin;
    if (rate == 0 || rate >= least) return {};
    return Error{ErrorCode::config,
                 fmt::format("{}: [limits] {}: found {}, but {} has {} neighbors, expected {} at "
                             "least, or a link would not be told from a dead one",
                             config.file.string(), key, show_rate(rate),
                             config.nodes[index_of(self)].name, degree, show_rate(least))};
  };
  if (auto sends = check("max_send", config.limits.max_send); !sends) return sends;
  if (auto takes = check("max_receive", config.limits.max_receive); !takes) return takes;
  const auto check_day = [&](const char* key, std::uint64_t bytes, std::uint64_t least,
                             const std::string& why) -> Result<void> {
    if (bytes == 0 || bytes >= least) return {};
    return Error{ErrorCode::config,
                 fmt::format("{}: [limits] {}: found {}, {}expected {} at least, or a link would "
                             "not be told from a dead one when most of the day's bytes are gone",
                             config.file.string(), key, show_bytes(bytes), why, show_bytes(least))};
  };
  const std::string neighbors =
      fmt::format("but {} has {} neighbors, ", config.nodes[index_of(self)].name, degree);
  auto day = check_day("max_per_day", config.limits.max_per_day, degree * kLinkDayMin, neighbors);
  if (!day) return day;
  return check_day("neighbor_max_per_day", config.limits.neighbor_max_per_day, kLinkDayMin, "");
}

Result<void> check_means(const Run& run, NodeId self) {
  if (const auto fits = check_memory(run, self); !fits) return fits;
  return check_limits(run, self);
}

}  // namespace starling::node
