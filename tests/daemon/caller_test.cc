#include "daemon/caller.h"

#include <doctest/doctest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>

using namespace starling::daemon;

TEST_CASE("the kernel says who is at the other end of a local socket") {
  std::array<int, 2> ends;
  REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM, 0, ends.data()) == 0);
  const auto caller = caller_of(ends[0]);
  REQUIRE(caller.has_value());
  CHECK(caller->user == ::geteuid());
  CHECK(caller->process == ::getpid());
  CHECK(std::ranges::find(caller->groups, ::getegid()) != caller->groups.end());
  for (const int end : ends) ::close(end);
  CHECK_FALSE(caller_of(-1).has_value());
}

TEST_CASE("this user, root and the members of the group may ask, and nobody else") {
  const uid_t other = ::geteuid() + 4711;
  CHECK(may_ask({.user = ::geteuid()}, std::nullopt));
  CHECK(may_ask({.user = 0}, std::nullopt));
  CHECK_FALSE(may_ask({.user = other}, std::nullopt));
  const Caller member{.user = other, .process = 1, .groups = {100, 200}};
  CHECK(may_ask(member, 200));
  CHECK_FALSE(may_ask(member, 300));
  CHECK_FALSE(may_ask(member, std::nullopt));
}

TEST_CASE("a group that does not exist is named") {
  const auto found = group_named("no-such-group-4711");
  REQUIRE_FALSE(found.ok());
  CHECK(found.error().code == starling::ErrorCode::config);
  CHECK(found.error().message.starts_with("found the group 'no-such-group-4711'"));
  CHECK(group_named("root").value() == 0);
}
