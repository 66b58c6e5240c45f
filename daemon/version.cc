#include "daemon/version.h"

namespace starling::daemon {

const char* version() { return STARLING_VERSION; }

}  // namespace starling::daemon
