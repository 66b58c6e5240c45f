// Peers under TLS, played by hand: over the connection that the product has, with a key of their
// own choice.
#pragma once

#include <array>
#include <asio/co_spawn.hpp>
#include <optional>
#include <stdexcept>
#include <utility>

#include "peer/handshake.h"
#include "support.h"

namespace starling::peer::test {

template <class T>
Task<void> keep(Task<T> task, std::optional<T>& result) {
  result.emplace(co_await std::move(task));
}

// Runs `io` until the task is over.
template <class T>
T finished(asio::io_context& io, Task<T> task) {
  std::optional<T> result;
  asio::co_spawn(io, keep(std::move(task), result), [](std::exception_ptr) {});
  if (!run_until(io, [&] { return result.has_value(); })) throw std::runtime_error("no end");
  return std::move(*result);
}

class TlsPeer {
 public:
  TlsPeer(asio::io_context& io, std::uint16_t port)
      : io_(io), connection_(std::make_shared<Connection>(io)) {
    connection_->socket().connect(Tcp::endpoint(asio::ip::address_v4::loopback(), port));
    connection_->connected();
  }
  ~TlsPeer() { connection_->close(); }

  // As a dialler with this key who expects that one.
  Result<void> secure(const PrivateKey& key, const KeyPin& expected) {
    const Tls tls(key);
    return finished(io_, connection_->secure(tls, TlsStream::Side::dialler, {expected}));
  }
  void send(FrameType type, Epoch epoch, const google::protobuf::MessageLite& message) {
    (void)finished(io_, write_message(*connection_, type, epoch, message));
  }
  void send_bytes(std::span<const std::byte> bytes) {
    const std::array<std::span<const std::byte>, 3> parts{bytes};
    (void)finished(io_, connection_->write_some(parts));
  }
  // The next frame's header and message, or why there is none.
  Result<std::pair<FrameHeader, std::string>> next() { return finished(io_, read_next()); }
  Connection& connection() { return *connection_; }
  // Its own address.
  std::string local() const {
    return fmt::format("127.0.0.1:{}", connection_->socket().local_endpoint().port());
  }

 private:
  Task<Result<std::pair<FrameHeader, std::string>>> read_next() {
    Result<FrameHeader> header = co_await read_header(*connection_, {4096, 1 << 20});
    if (!header) co_return header.error();
    Result<Payload> payload = co_await read_payload(*connection_, *header);
    if (!payload) co_return payload.error();
    co_return std::pair{*header, std::move(payload->message)};
  }

  asio::io_context& io_;
  std::shared_ptr<Connection> connection_;
};

}  // namespace starling::peer::test
