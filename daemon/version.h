// Which Starling this is.
#pragma once

namespace starling::daemon {

const char* version();  // "0.1.0"

}  // namespace starling::daemon
