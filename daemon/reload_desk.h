// Where it is told what became of reloads: to the log, and to those who asked for them.
#pragma once

#include <asio/io_context.hpp>
#include <asio/steady_timer.hpp>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>

#include "node/reload.h"
#include "peer/logger.h"
#include "peer/net.h"
#include "protocol/control.pb.h"
#include "protocol/result.h"

namespace starling::daemon {

// io thread only.
class ReloadDesk {
 public:
  ReloadDesk(asio::io_context& io, std::shared_ptr<spdlog::logger> log);

  // A reload was asked for by nobody who waits.
  void expect() { ++asked_; }
  // It was asked for; what will have become of it.
  peer::Task<control::Reply> next();
  // What became of the oldest that was asked for and not answered. `round`: of the node.
  void note(const Result<node::Reload>& reload, Round round);
  // There will be no answer any more.
  void close();

 private:
  const std::shared_ptr<spdlog::logger> log_;
  asio::steady_timer noted_;  // never expires; cancelled when there is something to tell
  std::uint64_t asked_ = 0, answered_ = 0;
  std::map<std::uint64_t, std::optional<control::Reply>> waiting_;
  bool closed_ = false;
};

}  // namespace starling::daemon
