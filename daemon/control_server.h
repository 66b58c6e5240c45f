// The local socket on which people and `starling` ask a running node.
#pragma once

#include <asio/io_context.hpp>
#include <asio/local/stream_protocol.hpp>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>

#include "daemon/log_tap.h"
#include "peer/logger.h"
#include "peer/net.h"
#include "protocol/control.pb.h"
#include "protocol/result.h"

namespace starling::daemon {

struct ControlOptions {
  std::filesystem::path path;
  bool read_only = false;  // answers those verbs that only look; the others with an error
  std::string group = {};  // whose members may ask too, by name; empty: none
  LogTap* tap = nullptr;   // for `monitor`; outlives the server. Null: that is a verb as others
};

// A Unix-domain stream socket, mode 0600, or 0660 and of the group where there is one. Who connects
// must be this user, root or of the group, by what the kernel knew of the process when it connected
// (unix(7), SO_PEERCRED), whatever the modes of the path say by then. Each request and reply is
// preceded by its length, four bytes little endian; a connection may ask any number of times. A
// request over kRequestBytesMax or one that does not parse is answered with an error and the
// connection closed. Four small letters in place of a length begin a line instead, which is
// answered with lines (line_protocol.h). Who asks for more than to look is logged. A connection
// that asks for `monitor` gets a reply a line of the log from then on, and asks nothing more. io
// thread only.
class ControlServer {
 public:
  static constexpr std::size_t kRequestBytesMax = 65536;
  static constexpr std::size_t kConnectionsMax = 8;
  static constexpr std::size_t kMonitorsMax = 4;  // of these, those that follow the log
  // One that asks nothing is closed then, and one that has not taken a reply.
  static constexpr std::chrono::seconds kIdleTime{60};
  static constexpr std::chrono::seconds kRequestTime{5};  // one that was begun is whole by then

  // May take its time; the connection waits for it. The request lives as long.
  using Answer = std::function<peer::Task<control::Reply>(const control::Request&)>;

  ControlServer(asio::io_context& io, ControlOptions options, Answer answer,
                std::shared_ptr<spdlog::logger> log);
  // Closes everything and removes the socket file.
  ~ControlServer();
  ControlServer(const ControlServer&) = delete;
  ControlServer& operator=(const ControlServer&) = delete;

  // Binds and starts to answer. A socket file that a dead process left is replaced (the caller
  // holds the state lock). Fails with ErrorCode::io, or config: a group that does not exist.
  Result<void> start();

 private:
  struct Shared;  // what the coroutines hold on to
  std::shared_ptr<Shared> shared_;
};

}  // namespace starling::daemon
