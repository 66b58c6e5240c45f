// The only place where a coroutine is let go.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "peer/logger.h"
#include "peer/net.h"

namespace starling::peer {

// Runs `body` on `io`, never before this call has returned. An exception that escapes it is logged
// under `name`. `ended` is called on the io thread once the coroutine is over, either way.
void spawn(asio::io_context& io, std::string name, std::shared_ptr<spdlog::logger> log,
           Task<void> body, std::function<void()> ended);

}  // namespace starling::peer
