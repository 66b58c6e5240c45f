// Where it is told how saving went: to the log, and to those who asked for it.
#pragma once

#include <asio/io_context.hpp>
#include <asio/steady_timer.hpp>
#include <memory>
#include <optional>

#include "node/checkpoint.h"
#include "peer/logger.h"
#include "peer/net.h"
#include "protocol/control.pb.h"
#include "protocol/ids.h"

namespace starling::daemon {

// How saving went.
struct CheckpointOutcome {
  Round rounds;  // done
  Result<node::Checkpoints::Saved> saved;
  Duration took;
};

// io thread only.
class CheckpointDesk {
 public:
  CheckpointDesk(asio::io_context& io, std::shared_ptr<spdlog::logger> log);

  // A disk that takes none is complained of once a minute.
  void note(const CheckpointOutcome& outcome);
  // There will be none any more.
  void close();

  // What came of the next one; an error where the node ends without.
  peer::Task<control::Reply> next();

 private:
  const std::shared_ptr<spdlog::logger> log_;
  asio::steady_timer noted_;  // never expires; cancelled when there is something to tell
  std::optional<CheckpointOutcome> newest_;
  std::uint64_t count_ = 0;
  bool closed_ = false;
  peer::Clock::time_point next_complaint_{};
};

}  // namespace starling::daemon
