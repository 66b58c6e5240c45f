// Keeps a log readable when somebody insists.
#pragma once

#include <fmt/format.h>

#include <algorithm>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "peer/net.h"

namespace starling::peer {

// Of each code one line passes every kApart; the next one says how many were held back. Codes are
// few: no word of a peer is in one.
class LogGate {
 public:
  static constexpr std::chrono::seconds kApart{10};

  // What to put behind the line, if it may be written now: nothing, or how many were not.
  std::optional<std::string> passes(const std::string& code, Clock::time_point now) {
    auto at = std::ranges::find(codes_, code, &Code::name);
    if (at == codes_.end()) at = codes_.insert(at, {code});
    if (at->next && now < *at->next) {
      ++at->held_back;
      return std::nullopt;
    }
    at->next = now + kApart;
    const std::uint64_t held_back = std::exchange(at->held_back, 0);
    if (held_back == 0) return "";
    return fmt::format(" ({} more like this since the last such line)", held_back);
  }

 private:
  struct Code {
    std::string name;
    std::optional<Clock::time_point> next = std::nullopt;  // none: it was never said
    std::uint64_t held_back = 0;
  };
  std::vector<Code> codes_;
};

}  // namespace starling::peer
