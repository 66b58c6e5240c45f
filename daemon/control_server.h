// The local socket on which people and `starling` ask a running node.
#pragma once

#include <spdlog/logger.h>

#include <asio/io_context.hpp>
#include <asio/local/stream_protocol.hpp>
#include <filesystem>
#include <functional>
#include <memory>

#include "peer/net.h"
#include "protocol/control.pb.h"
#include "protocol/result.h"

namespace starling::daemon {

// A Unix-domain stream socket, mode 0600. Each request and reply is preceded by its length, four
// bytes little endian; a connection may ask any number of times. A request over kRequestBytesMax
// or one that does not parse is answered with an error and the connection closed. io thread only.
class ControlServer {
 public:
  static constexpr std::size_t kRequestBytesMax = 65536;
  static constexpr std::size_t kConnectionsMax = 8;

  // May take its time; the connection waits for it. The request lives as long.
  using Answer = std::function<peer::Task<control::Reply>(const control::Request&)>;

  ControlServer(asio::io_context& io, std::filesystem::path socket, Answer answer,
                std::shared_ptr<spdlog::logger> log);
  // Closes everything and removes the socket file.
  ~ControlServer();
  ControlServer(const ControlServer&) = delete;
  ControlServer& operator=(const ControlServer&) = delete;

  // Binds and starts to answer. A socket file that a dead process left is replaced (the caller
  // holds the state lock). Fails with ErrorCode::io.
  Result<void> start();

 private:
  struct Shared;  // what the coroutines hold on to
  std::shared_ptr<Shared> shared_;
};

}  // namespace starling::daemon
