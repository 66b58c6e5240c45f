#include <doctest/doctest.h>

#include "peer/address.h"
#include "support.h"

using namespace starling;
using namespace starling::peer;

TEST_CASE("an address is a host and a port, IPv6 in brackets") {
  CHECK(parse_address("n0:7700").value() == HostPort{"n0", 7700});
  CHECK(parse_address("127.0.0.1:1").value() == HostPort{"127.0.0.1", 1});
  CHECK(parse_address("[::1]:65535").value() == HostPort{"::1", 65535});
}

TEST_CASE("what is no address is named with the reason") {
  const auto why = [](const char* text) { return parse_address(text).error().message; };
  CHECK(why("n0") == "address 'n0' has no port; expected host:port or [v6]:port");
  CHECK(why("::1:80") ==
        "address '::1:80' has several colons and no brackets; expected host:port or [v6]:port");
  CHECK(why("[::1:80") ==
        "address '[::1:80' opens a bracket and does not close it; expected host:port or [v6]:port");
  for (const char* port : {"h:", "h:0", "h:65536", "h:-1", "h:8x", "h: 8"}) {
    CAPTURE(port);
    CHECK(parse_address(port).error().code == ErrorCode::config);
  }
  CHECK_FALSE(parse_address(":80").ok());
}

TEST_CASE("loopback is what never leaves the machine") {
  for (const char* text : {"127.0.0.1", "127.9.9.9", "::1", "::ffff:127.0.0.1"}) {
    CAPTURE(text);
    CHECK(is_loopback(*literal(text)));
  }
  for (const char* text : {"8.8.8.8", "10.0.0.1", "192.168.3.4", "0.0.0.0", "::", "fe80::1",
                           "fc00::1", "::ffff:10.1.2.3"}) {
    CAPTURE(text);
    CHECK_FALSE(is_loopback(*literal(text)));
  }
  CHECK_FALSE(literal("n0").has_value());
}

TEST_CASE(
    "listen: an address that is not loopback is refused unless there are keys or plaintext is "
    "allowed") {
  asio::io_context io;
  test::Flock flock(2);
  auto options = flock.options(0);
  options.listen_address = fmt::format("0.0.0.0:{}", flock.port(0));
  {
    test::Node node(io, options);
    const auto refused = node->listen();
    REQUIRE_FALSE(refused.ok());
    CHECK(refused.error().code == ErrorCode::config);
    CHECK(refused.error().message ==
          "node n0 (this one): 0.0.0.0 is no loopback address, and the link would be plain TCP; "
          "give every [[node]] a key (`starling keygen` makes one), or set [run] "
          "insecure_plaintext = true");
  }
  {
    test::Keys keys(2);
    test::Node node(io, keys.applied_to(options));
    CHECK(node->listen().ok());
  }
  options.insecure_plaintext = true;
  test::Node node(io, options);
  CHECK(node->listen().ok());
}

TEST_CASE("listen: a neighbor at another address than loopback is refused") {
  asio::io_context io;
  auto options = test::Flock(2).options(0);
  options.neighbors[0].address = "192.168.1.8:7700";
  test::Node node(io, options);
  const auto refused = node->listen();
  REQUIRE_FALSE(refused.ok());
  CHECK(refused.error().code == ErrorCode::config);
  CHECK(refused.error().message.starts_with("node n1: 192.168.1.8 is no loopback address"));
}

TEST_CASE("listen: an address in use is named, with what to do") {
  asio::io_context io;
  test::Flock flock(2);
  test::Node first(io, flock.options(0)), second(io, flock.options(0));
  REQUIRE(first->listen().ok());
  const auto taken = second->listen();
  REQUIRE_FALSE(taken.ok());
  CHECK(taken.error().code == ErrorCode::address_in_use);
  CHECK(taken.error().message == "cannot listen on " + flock.address(0) +
                                     ": another process holds that address; stop it (`ss -ltnp` "
                                     "names it) or give node n0 another one");
}
