// Who is at the other end of a local socket.
#pragma once

#include <sys/types.h>

#include <optional>
#include <string>
#include <vector>

#include "protocol/result.h"

namespace starling::daemon {

// As the kernel knew the process when it connected. The process id is for logs alone: it may belong
// to another one by now.
struct Caller {
  uid_t user = 0;
  pid_t process = 0;
  std::vector<gid_t> groups = {};
};

// Nothing where the kernel does not tell.
std::optional<Caller> caller_of(int socket);

// This process's user or root, or one of the group.
bool may_ask(const Caller& caller, std::optional<gid_t> group);

// Fails with ErrorCode::config where there is no such group.
Result<gid_t> group_named(const std::string& name);

}  // namespace starling::daemon
