// How long one neighbor usually makes us wait, and from when on it counts as gone.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "gossip/algorithm.h"
#include "protocol/ids.h"

namespace starling::gossip {

// Mean and mean deviation of the waits, smoothed as TCP smooths its round-trip times (Jacobson
// 1988: gains 1/8 and 1/4), and the longest wait, which fades over some hundreds of them: a
// neighbor that is slow every fiftieth round, because it evaluates then, is slow and not gone.
class ArrivalEstimate {
 public:
  // Before anything was observed: long enough for a first round on a slow machine.
  static constexpr Duration kFirstDeadline = std::chrono::seconds{30};
  // Above every pause that a busy machine makes by itself; below it a late neighbor is no fault.
  static constexpr Duration kFloor = std::chrono::seconds{3};

  // A neighbor that was left out is given twice the time, again and again, up to this.
  static constexpr Duration kCeiling = std::chrono::minutes{5};

  void observe(Duration wait);
  // The neighbor was left out after this long: the next time it is given more.
  void gave_up(Duration waited);
  // kFloor + the larger of 4 · (mean + 4 · deviation) and 2 · longest, at most kCeiling: a neighbor
  // that is later than that is left out.
  Duration deadline() const;
  Duration mean() const { return mean_; }

 private:
  bool observed_ = false;
  Duration mean_{0}, deviation_{0}, longest_{0};
};

// A node waits for some of its neighbors, with one timer for the deadlines of all.
class Patience {
 public:
  explicit Patience(std::size_t edges) : estimates_(edges) {}

  ArrivalEstimate& estimate(std::size_t edge) { return estimates_[edge]; }

  void start(Time now) { since_ = now; }
  Duration waited(Time now) const { return now - since_; }
  // Until the first of the deadlines of those that are missing.
  void arm(std::span<const std::size_t> missing, Time now, Outbox& out);
  // Whatever is armed is outdated.
  void end() { ++timer_; }
  bool is_armed(const TimerFired& event) const { return event.timer == timer_; }
  bool is_over(std::size_t edge, Time now) const {
    return waited(now) >= estimates_[edge].deadline();
  }

 private:
  std::vector<ArrivalEstimate> estimates_;
  Time since_{0};
  std::uint64_t timer_ = 0;  // the newest; older ones are ignored
};

}  // namespace starling::gossip
