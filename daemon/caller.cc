#include "daemon/caller.h"

#include <fmt/format.h>
#include <grp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

namespace starling::daemon {

std::optional<Caller> caller_of(int socket) {
  ucred who{};
  socklen_t size = sizeof who;
  if (::getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &who, &size) != 0) return std::nullopt;
  Caller caller{.user = who.uid, .process = who.pid, .groups = {who.gid}};
  // The first call tells how many; a kernel that does not know has named the first one.
  std::vector<gid_t> more;
  size = 0;
  if (::getsockopt(socket, SOL_SOCKET, SO_PEERGROUPS, nullptr, &size) != 0 && errno == ERANGE) {
    more.resize(size / sizeof(gid_t));
    if (::getsockopt(socket, SOL_SOCKET, SO_PEERGROUPS, more.data(), &size) == 0) {
      caller.groups.insert(caller.groups.end(), more.begin(), more.end());
    }
  }
  return caller;
}

bool may_ask(const Caller& caller, std::optional<gid_t> group) {
  if (caller.user == ::geteuid() || caller.user == 0) return true;
  return group && std::ranges::find(caller.groups, *group) != caller.groups.end();
}

Result<gid_t> group_named(const std::string& name) {
  const ::group* const found = ::getgrnam(name.c_str());
  if (found) return found->gr_gid;
  return Error{ErrorCode::config, fmt::format("found the group '{}', which this machine does not "
                                              "have (`getent group` lists them)",
                                              name)};
}

}  // namespace starling::daemon
