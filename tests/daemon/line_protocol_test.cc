// The control socket in words.
#include "daemon/line_protocol.h"

#include <doctest/doctest.h>

using namespace starling;
using namespace starling::daemon;

TEST_CASE("lines: every verb of control.proto begins like one, and no length does") {
  const auto& request = *control::Request::descriptor();
  for (int i = 0; i < request.field_count(); ++i) {
    const std::string verb = request.field(i)->name();
    CAPTURE(verb);
    CHECK(begins_line(std::span(verb).first(4)));
    const auto read = request_of(verb);
    REQUIRE(read.ok());
    CHECK(static_cast<int>(read->verb_case()) == request.field(i)->number());
  }
  for (const std::uint32_t length : {0U, 1U, 0x6161U, 65536U}) {
    const auto* bytes = reinterpret_cast<const char*>(&length);
    CHECK_FALSE(begins_line(std::span(bytes, 4)));
  }
}

TEST_CASE("lines: a neighbor's name follows where a verb is about one") {
  CHECK(request_of("ping n3")->ping().peer() == "n3");
  CHECK(request_of("  pause   n3 \r")->pause().peer() == "n3");
  CHECK(request_of("pause")->pause().peer().empty());
  CHECK(request_of("status n3").error().message == "found 1 words behind status, expected none");
  CHECK(request_of("ping a b").error().message ==
        "found 2 words behind ping, expected the name of a neighbor at most");
  CHECK(request_of("monitor debug")->monitor().level() == "debug");
  CHECK(request_of("monitor")->monitor().level().empty());
  CHECK(request_of("monitor a b").error().message ==
        "found 2 words behind monitor, expected a level at most");
  CHECK(request_of("halt").error().message.starts_with(
      "found halt, expected one of status, peers, stop, "));
  CHECK_FALSE(request_of("").ok());
}

TEST_CASE("lines: a field a line, a list a line an item, and ok at the end") {
  control::Reply reply;
  reply.mutable_status()->set_run("ring 8");
  reply.mutable_status()->set_round(12);
  reply.mutable_status()->add_waiting_for("n1");
  reply.mutable_status()->add_waiting_for("n2");
  const std::string status = lines_of(reply);
  CHECK(status.starts_with("run \"ring 8\"\nnode \"\"\n"));
  CHECK(status.find("\nround 12\n") != std::string::npos);
  CHECK(status.find("\nwaiting_for n1\nwaiting_for n2\n") != std::string::npos);
  CHECK(status.find("evaluation ") == std::string::npos);  // there is none
  CHECK(status.ends_with("\nok\n"));

  control::Peer& peer = *reply.mutable_peers()->add_peers();
  peer.set_name("n1");
  peer.set_reason("it said \"no\"\n");
  const std::string peers = lines_of(reply);
  CHECK(peers.find("\npeers name=n1 ") != std::string::npos);
  CHECK(peers.find(" reason=\"it said \\\"no\\\" \" ") != std::string::npos);

  control::MonitorReply& line = *reply.mutable_monitor();
  line.set_node("n1");
  line.set_level("info");
  line.set_text("it is up");
  line.set_time_ms(1'700'000'000'042);
  CHECK(lines_of(reply).ends_with(".042 n1 info it is up\n"));
  line.set_dropped(3);
  CHECK(line_of(line).ends_with(
      ".042 n1 warning 3 lines are missing here: they were not read as fast as written"));

  reply.mutable_error()->set_text("not now");
  CHECK(lines_of(reply) == "error not now\n");
  reply.mutable_metrics()->set_text("# HELP a b\na 1\n");
  CHECK(lines_of(reply) == "# HELP a b\na 1\n");
}
