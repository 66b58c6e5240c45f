#include "gossip/arrivals.h"

namespace starling::gossip {

void ArrivalEstimate::observe(Duration wait) {
  if (!observed_) {
    observed_ = true;
    mean_ = wait;
    deviation_ = wait / 2;
    return;
  }
  const Duration error = wait - mean_;
  mean_ += error / 8;
  deviation_ += ((error < Duration{0} ? -error : error) - deviation_) / 4;
}

Duration ArrivalEstimate::deadline() const {
  return observed_ ? kFloor + 4 * (mean_ + 4 * deviation_) : kFirstDeadline;
}

}  // namespace starling::gossip
