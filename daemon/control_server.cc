#include "daemon/control_server.h"

#include <fmt/format.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <array>
#include <asio/local/stream_protocol.hpp>
#include <asio/steady_timer.hpp>
#include <cstring>
#include <span>
#include <vector>

#include "peer/spawn.h"

namespace starling::daemon {
namespace {

using Protocol = asio::local::stream_protocol;
using peer::Task;
constexpr std::chrono::seconds kIdleTime{60};    // a connection that asks nothing is closed then
constexpr std::chrono::seconds kRequestTime{5};  // a request that was begun is whole by then

std::string framed(const control::Reply& reply) {
  const std::string message = reply.SerializeAsString();
  const auto size = static_cast<std::uint32_t>(message.size());
  std::string out(sizeof size, '\0');
  std::memcpy(out.data(), &size, sizeof size);
  return out + message;
}

control::Reply error_reply(std::string text) {
  control::Reply reply;
  reply.mutable_error()->set_text(std::move(text));
  return reply;
}

}  // namespace

// Lives as long as a coroutine needs it; `closed` tells them that the server has gone.
struct ControlServer::Shared {
  asio::io_context& io;
  std::filesystem::path path;
  Answer answer;
  std::shared_ptr<spdlog::logger> log;
  Protocol::acceptor acceptor{io};
  std::vector<std::shared_ptr<Protocol::socket>> open;
  bool closed = false;
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

Task<bool> write_all(Protocol::socket& socket, std::span<const char> from) {
  while (!from.empty()) {
    const auto [failed, wrote] =
        co_await socket.async_write_some(asio::buffer(from.data(), from.size()), peer::awaited());
    if (failed) co_return false;
    from = from.subspan(wrote);
  }
  co_return true;
}

// One request; false ends the connection.
Task<bool> serve_one(std::shared_ptr<Protocol::socket> connection,
                     const ControlServer::Answer& answer) {
  Protocol::socket& socket = *connection;
  const auto close_when_late = [connection](const asio::error_code& cancelled) {
    asio::error_code ignored;
    if (!cancelled) connection->close(ignored);
  };
  asio::steady_timer deadline(socket.get_executor(), kIdleTime);
  deadline.async_wait(close_when_late);
  std::array<char, sizeof(std::uint32_t)> prefix;
  if (!co_await read_all(socket, prefix)) co_return false;
  std::uint32_t size = 0;
  std::memcpy(&size, prefix.data(), prefix.size());
  bool go_on = true;
  control::Reply reply;
  if (size > ControlServer::kRequestBytesMax) {
    reply = error_reply(fmt::format("request of {} bytes, expected at most {}", size,
                                    ControlServer::kRequestBytesMax));
    go_on = false;
  } else {
    std::string text(size, '\0');
    deadline.expires_after(kRequestTime);
    deadline.async_wait(close_when_late);
    const bool whole = co_await read_all(socket, text);
    deadline.cancel();
    if (!whole) co_return false;
    control::Request request;
    if (request.ParseFromString(text)) {
      reply = co_await answer(request);
    } else {
      reply = error_reply("the request is no message of control.proto");
      go_on = false;
    }
  }
  const std::string out = framed(reply);
  co_return co_await write_all(socket, out) && go_on;
}

template <class Shared>
Task<void> serve(std::shared_ptr<Shared> shared, std::shared_ptr<Protocol::socket> socket) {
  for (bool go_on = true; go_on && !shared->closed;) {
    go_on = co_await serve_one(socket, shared->answer);
  }
  std::erase(shared->open, socket);
}

template <class Shared>
Task<void> accept_loop(std::shared_ptr<Shared> shared) {
  while (!shared->closed) {
    auto socket = std::make_shared<Protocol::socket>(shared->io);
    const auto [failed] = co_await shared->acceptor.async_accept(*socket, peer::awaited());
    if (failed || shared->closed) co_return;
    if (shared->open.size() >= ControlServer::kConnectionsMax) continue;
    shared->open.push_back(socket);
    peer::spawn(shared->io, "control connection", shared->log, serve(shared, socket), [] {});
  }
}

}  // namespace

ControlServer::ControlServer(asio::io_context& io, std::filesystem::path socket, Answer answer,
                             std::shared_ptr<spdlog::logger> log)
    : shared_(std::make_shared<Shared>(io, std::move(socket), std::move(answer), std::move(log))) {}

ControlServer::~ControlServer() {
  shared_->closed = true;
  const bool bound = shared_->acceptor.is_open();
  asio::error_code ignored;
  shared_->acceptor.close(ignored);
  for (const auto& socket : shared_->open) socket->close(ignored);
  std::error_code gone;
  if (bound) std::filesystem::remove(shared_->path, gone);
}

Result<void> ControlServer::start() {
  const std::string path = shared_->path.string();
  constexpr std::size_t kPathMax = sizeof(sockaddr_un::sun_path) - 1;
  if (path.size() > kPathMax) {
    return Error{ErrorCode::io,
                 fmt::format("{}: a socket's path has at most {} characters, this one has {}; name "
                             "a shorter place with --state",
                             path, kPathMax, path.size())};
  }
  std::error_code gone;
  std::filesystem::remove(shared_->path, gone);
  asio::error_code failed;
  shared_->acceptor.open(Protocol(), failed);
  const mode_t before = ::umask(0177);
  if (!failed) shared_->acceptor.bind(Protocol::endpoint(path), failed);
  ::umask(before);
  if (!failed) shared_->acceptor.listen(asio::socket_base::max_listen_connections, failed);
  if (failed) {
    return Error{ErrorCode::io, fmt::format("{}: the control socket cannot be opened: {}", path,
                                            failed.message())};
  }
  peer::spawn(shared_->io, "control socket", shared_->log, accept_loop(shared_), [] {});
  return {};
}

}  // namespace starling::daemon
