// Keeps a log readable when somebody insists.
#pragma once

#include <algorithm>
#include <string>
#include <vector>

#include "peer/net.h"

namespace starling::peer {

// Lets a sentence pass the first time, on a change, and then once every kRepeatAfter. However many
// different ones there are, at most kSentencesMax pass in that time.
class LogGate {
 public:
  bool passes(const std::string& sentence, Clock::time_point now) {
    std::erase_if(passed_, [&](const Passed& p) { return now - p.at >= kRepeatAfter; });
    const bool known = std::any_of(passed_.begin(), passed_.end(),
                                   [&](const Passed& p) { return p.sentence == sentence; });
    if (known || passed_.size() >= kSentencesMax) return false;
    passed_.push_back({sentence, now});
    return true;
  }

 private:
  static constexpr std::chrono::seconds kRepeatAfter{10};
  static constexpr std::size_t kSentencesMax = 16;
  struct Passed {
    std::string sentence;
    Clock::time_point at;
  };
  std::vector<Passed> passed_;
};

}  // namespace starling::peer
