// How a daemon says no on its control socket.
#pragma once

#include <string>
#include <utility>

#include "protocol/control.pb.h"

namespace starling::daemon {

inline control::Reply error_reply(std::string text) {
  control::Reply reply;
  reply.mutable_error()->set_text(std::move(text));
  return reply;
}

}  // namespace starling::daemon
