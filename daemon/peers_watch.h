// starling peers --watch: the links of running daemons, live.
#pragma once

#include "daemon/asking.h"

namespace starling::daemon {

// Looks once a second until nobody answers any more or a signal comes; the exit code. With --json a
// line a look.
int watch_peers(const AskOptions& options);

}  // namespace starling::daemon
