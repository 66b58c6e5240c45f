// What a service manager is told of the process, by the protocol of sd_notify(3).
#pragma once

#include <asio/io_context.hpp>
#include <asio/steady_timer.hpp>
#include <chrono>
#include <functional>
#include <optional>
#include <string>

#include "node/core.h"
#include "protocol/ids.h"

namespace starling::daemon {

// How long a node may train without the end of a round before it is stalled: what the service
// manager grants this process ($WATCHDOG_USEC), ten minutes where none watches it, which is what
// WatchdogSec of packaging/starlingd@.service says. That is far above a round and an evaluation,
// and above every deadline that could end it yet: a late neighbor is left out after some seconds
// (gossip/arrivals.h).
inline constexpr std::chrono::minutes kStandstillMax{10};
Duration standstill_max();

// Datagrams to $NOTIFY_SOCKET; without it nothing happens. io thread only.
//
// The watchdog ($WATCHDOG_USEC) is fed by progress and not by a clock: while the node trains, when
// it has done a round since it was fed last; while it waits, fetches or rests, always. So a node is
// started anew that does no round for so long, and not one whose operator has paused it.
class ServiceNotify {
 public:
  struct State {
    node::Phase phase;
    Time moved_at;     // when a round ended last, or the phase became another
    std::string text;  // one line, for `systemctl status`
  };
  using Look = std::function<State()>;

  ServiceNotify(asio::io_context& io, Look look);
  ~ServiceNotify();
  ServiceNotify(const ServiceNotify&) = delete;
  ServiceNotify& operator=(const ServiceNotify&) = delete;

  // Everything is listened on. From now on the state is told every few seconds.
  void ready();
  // The run file is being read again; ready() ends that, too.
  void reloading();
  void stopping();

 private:
  void send(const std::string& message) const;
  void tell();
  void wait();

  const Look look_;
  int socket_ = -1;  // connected; -1: nobody wants to know
  Duration every_;
  bool watched_ = false;
  std::optional<State> fed_;  // the state with which the watchdog was fed last
  asio::steady_timer timer_;
};

}  // namespace starling::daemon
