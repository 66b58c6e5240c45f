#include "daemon/control_server.h"

#include <fmt/format.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <array>
#include <asio/local/stream_protocol.hpp>
#include <asio/read.hpp>
#include <asio/steady_timer.hpp>
#include <asio/write.hpp>
#include <cstring>
#include <list>

#include "peer/spawn.h"

namespace starling::daemon {
namespace {

using Protocol = asio::local::stream_protocol;
using peer::Task;
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
  std::list<Protocol::socket> open;
  bool closed = false;
};

namespace {

// One request; false ends the connection.
Task<bool> serve_one(Protocol::socket& socket, const ControlServer::Answer& answer) {
  std::uint32_t size = 0;
  auto [no_size, got] = co_await asio::async_read(socket, asio::buffer(&size, sizeof size),
                                                  peer::awaited());
  if (no_size || got != sizeof size) co_return false;
  bool go_on = true;
  control::Reply reply;
  if (size > ControlServer::kRequestBytesMax) {
    reply = error_reply(fmt::format("request of {} bytes, expected at most {}", size,
                                    ControlServer::kRequestBytesMax));
    go_on = false;
  } else {
    std::string text(size, '\0');
    asio::steady_timer deadline(socket.get_executor(), kRequestTime);
    deadline.async_wait([&socket](const asio::error_code& cancelled) {
      if (!cancelled) socket.close();
    });
    auto [cut_short, read] = co_await asio::async_read(
        socket, asio::buffer(text), peer::awaited());
    deadline.cancel();
    if (cut_short || read != size) co_return false;
    control::Request request;
    if (request.ParseFromString(text)) {
      reply = answer(request);
    } else {
      reply = error_reply("the request is no message of control.proto");
      go_on = false;
    }
  }
  const std::string out = framed(reply);
  auto [unsent, written] = co_await asio::async_write(
      socket, asio::buffer(out), peer::awaited());
  co_return go_on && !unsent && written == out.size();
}

template <class Shared>
Task<void> serve(std::shared_ptr<Shared> shared,
                 typename std::list<Protocol::socket>::iterator socket) {
  while (!shared->closed && co_await serve_one(*socket, shared->answer)) {
  }
  shared->open.erase(socket);
}

template <class Shared>
Task<void> accept_loop(std::shared_ptr<Shared> shared) {
  while (!shared->closed) {
    auto [failed, socket] = co_await shared->acceptor.async_accept(
        peer::awaited());
    if (failed || shared->closed) co_return;
    if (shared->open.size() >= ControlServer::kConnectionsMax) continue;
    shared->open.push_front(std::move(socket));
    peer::spawn(shared->io, "control connection", shared->log, serve(shared, shared->open.begin()),
                [] {});
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
  for (Protocol::socket& socket : shared_->open) socket.close(ignored);
  std::error_code gone;
  if (bound) std::filesystem::remove(shared_->path, gone);
}

Result<void> ControlServer::start() {
  const std::string path = shared_->path.string();
  constexpr std::size_t kPathMax = sizeof(sockaddr_un::sun_path) - 1;
  if (path.size() > kPathMax) {
    return Error{ErrorCode::io,
                 fmt::format("{}: a socket's path has at most {} characters, this one has {}; name "
                             "a shorter place with --state", path, kPathMax, path.size())};
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
