// A message of control.proto as it goes over a control socket (protocol/README.md), at both ends.
#pragma once

#include <google/protobuf/message_lite.h>

#include <cstdint>
#include <cstring>
#include <string>

namespace starling::daemon {

// Behind its length, four bytes little endian.
inline std::string framed(const google::protobuf::MessageLite& message) {
  const std::string body = message.SerializeAsString();
  const auto size = static_cast<std::uint32_t>(body.size());
  std::string out(sizeof size, '\0');
  std::memcpy(out.data(), &size, sizeof size);
  return out + body;
}

}  // namespace starling::daemon
