#include "node/limits.h"

#include <fmt/format.h>

#include "gossip/assembly.h"
#include "node/config_names.h"

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
  return check("max_receive", config.limits.max_receive);
}

}  // namespace starling::node
