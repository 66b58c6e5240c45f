// What has gone of a day's bytes, for the process after this one.
#pragma once

#include <asio/io_context.hpp>
#include <asio/steady_timer.hpp>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>

#include "peer/links.h"
#include "peer/logger.h"

namespace starling::daemon {

// A file of a node's directory, {"at": seconds since 1970, "used": {NODE: bytes}}, with an entry
// for each budget of [limits] that is set; that of all links together has the empty name. Written
// every kEvery and at the end. A process that begins writes first that all which may go at once has
// gone: one that dies before it has said more leaves nothing to the next, so that a daemon which is
// started again and again keeps to the budget, too. io thread only.
class DayFile {
 public:
  static constexpr Duration kEvery = std::chrono::seconds{5};

  // `links` outlives it. `name_of`: of a neighbor.
  using NameOf = std::function<std::string(NodeId)>;
  DayFile(asio::io_context& io, std::filesystem::path file, peer::Links& links, NameOf name_of,
          std::shared_ptr<spdlog::logger> log);

  // Before the links begin. Where a file cannot be read, that is logged and all that may go at once
  // has gone.
  void begin();
  void end();

 private:
  void take_over(const std::vector<peer::DayUse>& budgets);
  void write(bool as_if_all_had_gone);
  void write_every();
  std::string name_of(const peer::DayUse& budget) const;

  const std::filesystem::path file_;
  peer::Links& links_;
  const NameOf name_of_;
  const std::shared_ptr<spdlog::logger> log_;
  asio::steady_timer timer_;
  bool failed_ = false;  // the newest write; a row of failures is logged once
};

}  // namespace starling::daemon
