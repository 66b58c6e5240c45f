#include "daemon/control_server.h"

#include <fmt/format.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <asio/local/stream_protocol.hpp>
#include <asio/steady_timer.hpp>
#include <cerrno>
#include <cstring>
#include <optional>
#include <span>
#include <vector>

#include "daemon/caller.h"
#include "daemon/control_frame.h"
#include "daemon/error_reply.h"
#include "daemon/line_protocol.h"
#include "peer/log_gate.h"
#include "peer/spawn.h"
#include "protocol/ids.h"

namespace starling::daemon {
namespace {

using Protocol = asio::local::stream_protocol;
using peer::Task;

constexpr std::chrono::milliseconds kAcceptPause{100};

bool only_looks(const control::Request& request) {
  switch (request.verb_case()) {
    case control::Request::kStatus:
    case control::Request::kPeers:
    case control::Request::kMetrics:
    case control::Request::kMonitor: return true;
    default: return false;
  }
}

std::string verb_of(const control::Request& request) {
  const auto* field = request.GetDescriptor()->FindFieldByNumber(request.verb_case());
  return field ? field->name() : "a verb that does not exist";
}

}  // namespace

// Lives as long as a coroutine needs it; `closed` tells them that the server has gone.
struct ControlServer::Shared {
  asio::io_context& io;
  ControlOptions options;
  Answer answer;
  std::shared_ptr<spdlog::logger> log;
  Protocol::acceptor acceptor{io};
  std::vector<std::shared_ptr<Protocol::socket>> open;
  std::optional<gid_t> group = {};
  std::vector<std::shared_ptr<LogFollower>> followers = {};
  bool closed = false;
  peer::LogGate gate{};
  asio::steady_timer wake{io};

  // One line for each request or connection that is refused.
  void refused(const std::string& code, const std::string& why) {
    if (const auto more = gate.passes(code, peer::Clock::now())) {
      log->warn("control socket: {}; the connection is closed{}", why, *more);
    }
  }

  void was_late(const std::string& what, const char* how, std::chrono::seconds time) {
    if (closed) return;  // the server has gone, and with it the connection
    refused("late", fmt::format("{} was not {} within {} s", what, how, time.count()));
  }

  Task<control::Reply> reply_to(const control::Request& request, const Caller& caller) {
    if (only_looks(request)) return answer(request);
    if (options.read_only) return refuse(request);
    log->info("{}: {}, asked for by user {}, process {}", options.path.filename().string(),
              verb_of(request), caller.user, caller.process);
    return answer(request);
  }
  static Task<control::Reply> refuse(const control::Request& request) {
    co_return error_reply(
        fmt::format("this socket answers status, peers, metrics and monitor "
                    "alone, not {}",
                    verb_of(request)));
  }
  bool is_followed(const control::Request& request) const {
    return options.tap && request.has_monitor();
  }
};

namespace {

// False: the other end is gone.
Task<bool> read_all(Protocol::socket& socket, std::span<char> into) {
  while (!into.empty()) {
    const auto [failed, got] =
        co_await socket.async_read_some(asio::buffer(into.data(), into.size()), peer::awaited());
    if (failed) co_return false;
    into = into.subspan(got);
  }
  co_return true;
}

// Closes the connection then, unless the timer is cancelled, set anew or gone by that time.
void close_after(std::chrono::seconds time, asio::steady_timer& deadline,
                 std::shared_ptr<Protocol::socket> connection) {
  deadline.expires_after(time);
  deadline.async_wait([connection](const asio::error_code& cancelled) {
    asio::error_code ignored;
    if (!cancelled) connection->close(ignored);
  });
}

// False: the other end is gone, or had not taken all of it in time and the connection is closed.
Task<bool> write_all(std::shared_ptr<Protocol::socket> connection, std::span<const char> from) {
  asio::steady_timer deadline(connection->get_executor());
  close_after(ControlServer::kIdleTime, deadline, connection);
  while (!from.empty()) {
    const auto [failed, wrote] = co_await connection->async_write_some(
        asio::buffer(from.data(), from.size()), peer::awaited());
    if (failed) co_return false;
    from = from.subspan(wrote);
  }
  co_return true;
}

// A line that has begun, with its end, or up to that of the connection, or as long as it may be.
// Where this end has closed the connection, it is not to be answered.
Task<std::string> read_line(Protocol::socket& socket, std::span<const char> begun) {
  std::string line(begun.begin(), begun.end());
  std::array<char, 1> next{};
  while (line.size() < kLineBytesMax && !line.ends_with('\n')) {
    if (!co_await read_all(socket, next)) break;
    line += next[0];
  }
  co_return line;
}

control::Reply reply_of(const LogLine& line, const std::string& node) {
  control::Reply reply;
  control::MonitorReply& m = *reply.mutable_monitor();
  m.set_time_ms(line.time_ms);
  m.set_node(node);
  m.set_dropped(line.dropped);
  if (line.dropped > 0) return reply;
  const auto level = spdlog::level::to_string_view(line.level);
  m.set_level({level.begin(), level.end()});
  m.set_text(line.text);
  return reply;
}

// In which form it was asked, it is answered.
using Worded = std::string (*)(const control::Reply&);
std::string framed_reply(const control::Reply& reply) { return framed(reply); }

// Whoever follows a log says nothing more: a byte of it, or its end, is the end.
Task<void> await_end(std::shared_ptr<Protocol::socket> socket,
                     std::shared_ptr<LogFollower> follower) {
  std::array<char, 1> any{};
  co_await read_all(*socket, any);
  follower->close();
}

// A reply a line, until one of the two ends goes, or the other takes nothing for too long. False:
// there is nothing more to serve.
template <class Shared>
Task<bool> serve_log(std::shared_ptr<Protocol::socket> connection, Shared& shared,
                     const control::MonitorRequest& request, Worded worded) {
  std::erase_if(shared.followers, [](const auto& one) { return one->is_closed(); });
  const auto level = level_of(request.level());
  if (!level || shared.followers.size() >= ControlServer::kMonitorsMax) {
    const std::string why =
        level ? fmt::format("{} already follow the log, which is the most; end one of them",
                            shared.followers.size())
              : level.error().message;
    const std::string out = worded(error_reply(why));
    co_await write_all(connection, out);
    co_return false;
  }
  auto follower = shared.options.tap->follow(*level);
  shared.followers.push_back(follower);
  peer::spawn(shared.io, "follower of the log", shared.log, await_end(connection, follower), [] {});
  bool goes_on = true;
  while (goes_on) {
    const std::optional<LogLine> line = co_await follower->next();
    if (!line) break;
    const std::string out = worded(reply_of(*line, shared.log->name()));
    goes_on = co_await write_all(connection, out);
  }
  follower->close();
  asio::error_code ignored;
  connection->close(ignored);
  if (!shared.closed) shared.options.tap->tidy();
  co_return false;
}

// As write_all(), and one that had to be closed is told of in the log.
template <class Shared>
Task<bool> give(std::shared_ptr<Protocol::socket> connection, Shared& shared,
                std::span<const char> reply) {
  const bool gave = co_await write_all(connection, reply);
  if (!gave && !connection->is_open()) {
    shared.was_late("a reply", "taken", ControlServer::kIdleTime);
  }
  co_return gave;
}

template <class Shared>
Task<bool> serve_line(std::shared_ptr<Protocol::socket> connection, Shared& shared,
                      const Caller& caller, const std::string& line) {
  const Result<control::Request> request = request_of(line);
  if (request && shared.is_followed(*request)) {
    co_return co_await serve_log(connection, shared, request->monitor(), lines_of);
  }
  control::Reply reply;
  if (request) {
    reply = co_await shared.reply_to(*request, caller);
  } else {
    reply = error_reply(request.error().message);
  }
  const std::string out = lines_of(reply);
  const bool gave = co_await give(connection, shared, out);
  co_return gave&& line.ends_with('\n');
}

// One request; false ends the connection.
template <class Shared>
Task<bool> serve_one(std::shared_ptr<Protocol::socket> connection, Shared& shared,
                     const Caller& caller) {
  Protocol::socket& socket = *connection;
  asio::steady_timer deadline(socket.get_executor());
  close_after(ControlServer::kIdleTime, deadline, connection);
  std::array<char, sizeof(std::uint32_t)> prefix;
  if (!co_await read_all(socket, prefix)) co_return false;
  if (begins_line(prefix)) {
    close_after(ControlServer::kRequestTime, deadline, connection);
    const std::string line = co_await read_line(socket, prefix);
    deadline.cancel();
    if (!socket.is_open()) {
      shared.was_late("a line", "whole", ControlServer::kRequestTime);
      co_return false;
    }
    co_return co_await serve_line(connection, shared, caller, line);
  }
  std::uint32_t size = 0;
  std::memcpy(&size, prefix.data(), prefix.size());
  bool go_on = true;
  control::Reply reply;
  if (size > ControlServer::kRequestBytesMax) {
    const std::string why = fmt::format("request of {} bytes, expected at most {}", size,
                                        ControlServer::kRequestBytesMax);
    shared.refused("length", why);
    reply = error_reply(why);
    go_on = false;
  } else {
    std::string text(size, '\0');
    close_after(ControlServer::kRequestTime, deadline, connection);
    const bool whole = co_await read_all(socket, text);
    deadline.cancel();
    if (!whole) {
      if (!socket.is_open()) {
        shared.was_late(fmt::format("a request of {} bytes", size), "whole",
                        ControlServer::kRequestTime);
      }
      co_return false;
    }
    control::Request request;
    if (request.ParseFromString(text)) {
      if (shared.is_followed(request)) {
        co_return co_await serve_log(connection, shared, request.monitor(), framed_reply);
      }
      reply = co_await shared.reply_to(request, caller);
    } else {
      const std::string why = "the request is no message of control.proto";
      shared.refused("request", fmt::format("{} ({} bytes)", why, size));
      reply = error_reply(why);
      go_on = false;
    }
  }
  const std::string out = framed(reply);
  co_return co_await give(connection, shared, out) && go_on;
}

template <class Shared>
Task<void> serve(std::shared_ptr<Shared> shared, std::shared_ptr<Protocol::socket> socket) {
  const std::optional<Caller> caller = caller_of(socket->native_handle());
  bool go_on = caller && may_ask(*caller, shared->group);
  if (caller && !go_on) {
    shared->refused("caller",
                    fmt::format("user {} (process {}) may not ask on {}", caller->user,
                                caller->process, shared->options.path.filename().string()));
  }
  while (go_on && !shared->closed) go_on = co_await serve_one(socket, *shared, *caller);
  std::erase(shared->open, socket);
}

template <class Shared>
Task<void> accept_loop(std::shared_ptr<Shared> shared) {
  while (!shared->closed) {
    auto socket = std::make_shared<Protocol::socket>(shared->io);
    const auto [failed] = co_await shared->acceptor.async_accept(*socket, peer::awaited());
    if (shared->closed) co_return;
    if (failed) {
      // Descriptors are what there is too little of, and they come back.
      if (const auto more = shared->gate.passes("accept", peer::Clock::now())) {
        shared->log->warn("control socket: cannot accept a connection: {}; again in {:.1f} s{}",
                          failed.message(), seconds(kAcceptPause), *more);
      }
      shared->wake.expires_after(kAcceptPause);
      co_await shared->wake.async_wait(peer::awaited());
      continue;
    }
    if (shared->open.size() >= ControlServer::kConnectionsMax) {
      shared->refused("connections",
                      fmt::format("{} connections are open, which is the most, and one more came",
                                  shared->open.size()));
      continue;
    }
    shared->open.push_back(socket);
    peer::spawn(shared->io, "control connection", shared->log, serve(shared, socket), [] {});
  }
}

}  // namespace

ControlServer::ControlServer(asio::io_context& io, ControlOptions options, Answer answer,
                             std::shared_ptr<spdlog::logger> log)
    : shared_(std::make_shared<Shared>(io, std::move(options), std::move(answer), std::move(log))) {
}

ControlServer::~ControlServer() {
  shared_->closed = true;
  const bool bound = shared_->acceptor.is_open();
  asio::error_code ignored;
  shared_->acceptor.close(ignored);
  shared_->wake.cancel();
  for (const auto& socket : shared_->open) socket->close(ignored);
  std::error_code gone;
  if (bound) std::filesystem::remove(shared_->options.path, gone);
}

Result<void> ControlServer::start() {
  const ControlOptions& options = shared_->options;
  const std::string path = options.path.string();
  if (!options.group.empty()) {
    const auto group = group_named(options.group);
    if (!group) return group.error();
    shared_->group = *group;
  }
  constexpr std::size_t kPathMax = sizeof(sockaddr_un::sun_path) - 1;
  if (path.size() > kPathMax) {
    return Error{ErrorCode::io,
                 fmt::format("{}: a socket's path has at most {} characters, this one has {}; name "
                             "a shorter place with --state",
                             path, kPathMax, path.size())};
  }
  std::error_code gone;
  const auto there = std::filesystem::symlink_status(options.path, gone);
  if (std::filesystem::exists(there) && !std::filesystem::is_socket(there)) {
    return Error{ErrorCode::io,
                 fmt::format("{}: found a file that is no socket, expected nothing there", path)};
  }
  std::filesystem::remove(options.path, gone);
  asio::error_code failed;
  shared_->acceptor.open(Protocol(), failed);
  const mode_t before = ::umask(0177);
  if (!failed) shared_->acceptor.bind(Protocol::endpoint(path), failed);
  ::umask(before);
  // The mode opens last, when the group is already the right one.
  if (!failed && shared_->group &&
      (::chown(path.c_str(), static_cast<uid_t>(-1), *shared_->group) != 0 ||
       ::chmod(path.c_str(), 0660) != 0)) {
    failed = {errno, std::system_category()};
  }
  if (!failed) shared_->acceptor.listen(asio::socket_base::max_listen_connections, failed);
  if (failed) {
    return Error{ErrorCode::io, fmt::format("{}: the control socket cannot be opened: {}", path,
                                            failed.message())};
  }
  peer::spawn(shared_->io, "control socket", shared_->log, accept_loop(shared_), [] {});
  return {};
}

}  // namespace starling::daemon
