// Asking a node over its control socket, from another process.
#pragma once

#include <filesystem>

#include "protocol/control.pb.h"
#include "protocol/ids.h"
#include "protocol/result.h"

namespace starling::daemon {

// Sends one request and waits for its reply, `patience` at most. Fails with ErrorCode::no_daemon
// when nobody listens there (the message names the socket), ErrorCode::io when the answer does not
// come or is no reply. Blocks; any thread that is neither io nor engine.
Result<control::Reply> ask(const std::filesystem::path& socket, const control::Request& request,
                           Duration patience = std::chrono::seconds{5});

}  // namespace starling::daemon
