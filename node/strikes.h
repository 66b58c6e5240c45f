// How often a neighbor may send what no correct node can send, and how long it is left out then.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>

#include "protocol/ids.h"

namespace starling::node {

// Of one neighbor. Every refusal closes its link, which is dialled again after seconds; one whose
// messages are refused again and again would cost a handshake and an edge that begins anew each
// time. So the third strike within kWithin leaves it out for kFirst, then for twice as long each
// time, up to kLongest. It is tried again for ever: a bug may be mended at the other end. One that
// gave no reason for twice kLongest begins at kFirst again.
//
// No I/O and no clock. Begins anew with the process: three more tries are no danger.
class Strikes {
 public:
  static constexpr std::size_t kMost = 3;
  static constexpr Duration kWithin = std::chrono::minutes{10};
  static constexpr Duration kFirst = std::chrono::seconds{30};
  static constexpr Duration kLongest = std::chrono::hours{1};

  // Returns for how long the neighbor is left out from now on, if this was one too many. Times do
  // not descend from call to call.
  std::optional<Duration> strike(Time now);

  bool is_out(Time now) const { return left(now) > Duration{0}; }
  // Until it is tried again.
  Duration left(Time now) const { return until_ && now < *until_ ? *until_ - now : Duration{0}; }
  std::uint64_t total() const { return total_; }
  // Those that count towards the next time that it is left out.
  std::size_t fresh(Time now) const;

 private:
  std::deque<Time> fresh_;
  std::optional<Time> last_, until_;
  Duration next_ = kFirst;
  std::uint64_t total_ = 0;
};

}  // namespace starling::node
