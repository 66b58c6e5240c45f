// How fast bytes get over the links, from what they count themselves.
#pragma once

#include <cstdint>
#include <map>
#include <vector>

#include "node/core.h"
#include "peer/links.h"

namespace starling::daemon {

// Bytes that went over a link, by the time in which a frame was on its way into it; the socket's
// own buffer is beyond that, so a link that is never full seems faster than it is. `starling
// advise` measures in the same way. io thread only.
class Goodput {
 public:
  // Of the links that are up and were busy since the last call.
  std::vector<node::LinkMeasured> since(const std::vector<peer::LinkStatus>& links);

 private:
  struct Seen {
    std::uint64_t bytes = 0;
    Duration sending{0};
  };
  std::map<NodeId, Seen> seen_;
};

}  // namespace starling::daemon
