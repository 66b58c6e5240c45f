// How long one neighbor usually makes us wait, and from when on it counts as gone.
#pragma once

#include <chrono>

#include "protocol/ids.h"

namespace starling::gossip {

// Mean and mean deviation of the waits, smoothed as TCP smooths its round-trip times (Jacobson
// 1988: gains 1/8 and 1/4).
class ArrivalEstimate {
 public:
  // Before anything was observed: long enough for a first round on a slow machine.
  static constexpr Duration kFirstDeadline = std::chrono::seconds{30};
  // Above every pause that a busy machine makes by itself; below it a late neighbor is no fault.
  static constexpr Duration kFloor = std::chrono::seconds{3};

  void observe(Duration wait);
  // kFloor + 4 · (mean + 4 · deviation): a neighbor that is later than that is left out.
  Duration deadline() const;
  Duration mean() const { return mean_; }

 private:
  bool observed_ = false;
  Duration mean_{0}, deviation_{0};
};

}  // namespace starling::gossip
