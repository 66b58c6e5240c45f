// What the server of a control socket grants a connection, on a real socket and a clock that moves
// when it is told to. Requests and their limits: tests/fuzz/control.cc.
#include "daemon/control_server.h"

#include <doctest/doctest.h>
#include <spdlog/sinks/ostream_sink.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <memory>
#include <sstream>
#include <string>
#include <vector>

#include "daemon/control_frame.h"
#include "scratch.h"
#include "tests/fuzz/virtual_clock.h"

using namespace starling;
using namespace starling::daemon;

namespace {

using namespace std::chrono_literals;

constexpr std::size_t kLongBytes = 1 << 20;  // more than the kernel holds for a reader

// Its `metrics` are long, everything else is short.
peer::Task<control::Reply> answer(const control::Request& request) {
  control::Reply reply;
  reply.mutable_metrics()->set_text(request.has_metrics() ? std::string(kLongBytes, 'x') : "short");
  co_return reply;
}

struct Server {
  Scratch scratch;
  std::ostringstream written;
  std::shared_ptr<spdlog::logger> log = std::make_shared<spdlog::logger>(
      "n0", std::make_shared<spdlog::sinks::ostream_sink_st>(written));
  asio::io_context io;
  ControlServer control{io, {.path = scratch.path / "s"}, answer, log};

  Server() { REQUIRE(control.start().ok()); }
  void pass(std::chrono::nanoseconds time) {
    fuzz::pass(time);
    fuzz::settle(io);
  }
};

class Asker {
 public:
  explicit Asker(Server& server) : server_(server) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    const std::string path = (server.scratch.path / "s").string();
    REQUIRE(path.size() < sizeof address.sun_path);
    std::memcpy(address.sun_path, path.c_str(), path.size() + 1);
    REQUIRE(::connect(fd_, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0);
    fuzz::settle(server.io);
  }
  ~Asker() { ::close(fd_); }
  Asker(const Asker&) = delete;
  Asker& operator=(const Asker&) = delete;

  void say(const std::string& bytes) {
    (void)::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    fuzz::settle(server_.io);
  }
  // What is there by now, at most so many bytes.
  std::string read(std::size_t most) {
    std::string all;
    std::array<char, 65536> chunk;
    while (all.size() < most) {
      const ssize_t got =
          ::recv(fd_, chunk.data(), std::min(chunk.size(), most - all.size()), MSG_DONTWAIT);
      if (got <= 0) {
        is_over_ = got == 0 || errno != EAGAIN;
        break;
      }
      all.append(chunk.data(), static_cast<std::size_t>(got));
      fuzz::settle(server_.io);
    }
    return all;
  }
  bool is_over() const { return is_over_; }

 private:
  Server& server_;
  const int fd_ = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  bool is_over_ = false;
};

std::string status() {
  control::Request request;
  request.mutable_status();
  return framed(request);
}

std::string metrics() {
  control::Request request;
  request.mutable_metrics();
  return framed(request);
}

bool is_answered(Server& server) {
  Asker asker(server);
  asker.say(status());
  return asker.read(1 << 10).ends_with("short");
}

}  // namespace

TEST_CASE("control server: who asks and does not read has its place for so long and not longer") {
  Server server;
  std::vector<std::unique_ptr<Asker>> askers;
  for (std::size_t i = 0; i < ControlServer::kConnectionsMax; ++i) {
    askers.push_back(std::make_unique<Asker>(server));
    askers.back()->say(i % 2 == 0 ? metrics() : "metrics\n");
  }
  CHECK(!is_answered(server));
  server.pass(ControlServer::kIdleTime - 1ms);
  CHECK(!is_answered(server));
  server.pass(1ms);
  CHECK(is_answered(server));
  CHECK(server.written.str().find("a reply was not taken within 60 s; the connection is closed") !=
        std::string::npos);
  const std::string got = askers.front()->read(2 * kLongBytes);
  CHECK(got.size() < kLongBytes);
  CHECK(askers.front()->is_over());
}

TEST_CASE("control server: who reads a long reply slowly gets all of it") {
  Server server;
  Asker asker(server);
  asker.say(metrics());
  std::string got = asker.read(kLongBytes / 2);
  server.pass(ControlServer::kIdleTime - 1ms);
  got += asker.read(kLongBytes);
  CHECK(got.size() > kLongBytes);
  CHECK(!asker.is_over());
  asker.say(status());
  CHECK(asker.read(1 << 10).ends_with("short"));
}
