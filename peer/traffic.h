// What has moved on one connection, and when it last showed that it gets anywhere.
#pragma once

#include <cstdint>
#include <system_error>

#include "peer/limits.h"
#include "peer/net.h"

namespace starling::peer {

struct ReadSome {
  std::error_code error;
  std::size_t bytes = 0;
};
struct WroteSome {
  std::error_code error;
  std::size_t bytes = 0;
};

// Bytes on the wire, TLS's own included. A peer that is not getting anywhere does not count as
// hearing something: `heard` moves with every whole frame and with every kProgressBytes of a long
// one.
class Traffic {
 public:
  void count_sent(std::size_t bytes) { sent_bytes_ += bytes; }
  void count_received(std::size_t bytes) {
    received_bytes_ += bytes;
    progress_ += bytes;
    if (progress_ >= kProgressBytes) mark_heard();
  }
  void mark_heard() {
    heard_ = Clock::now();
    progress_ = 0;
  }

  Clock::time_point heard() const { return heard_; }
  std::uint64_t sent_bytes() const { return sent_bytes_; }
  std::uint64_t received_bytes() const { return received_bytes_; }

 private:
  std::uint64_t sent_bytes_ = 0, received_bytes_ = 0;
  std::size_t progress_ = 0;
  Clock::time_point heard_ = Clock::now();
};

}  // namespace starling::peer
