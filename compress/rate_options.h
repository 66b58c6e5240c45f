// What the run file says under [rate], as plain data. The loader in node/ fills these.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "compress/options.h"

namespace starling::compress {

enum class RateController { adaptive_top_k, drift, layers };

// How much may go over each link. One of the three budgets is set, or none: the operator of
// [compress] is used as it is then, and otherwise it is the lowest of a ladder of levels
// (ladder.h).
struct RateOptions {
  std::uint64_t bytes_per_round = 0;             // 0: not this one, as the next but one
  std::optional<double> seconds_per_round = {};  // by what was measured of the link
  std::uint64_t bytes_per_day = 0;
  std::optional<RateController> controller = {};  // unset: usual_controller()
  // V of drift-plus-penalty: about how many rounds' budget the queue of a link holds. Larger: less
  // error for the same bytes, and longer until the average of the cost has settled: where a queue
  // grows to 3 V, 2 V / 0.02 rounds until it is within 2 %, 500 by default.
  double patience = 5;

  bool any() const { return bytes_per_round > 0 || seconds_per_round || bytes_per_day > 0; }
  bool operator==(const RateOptions&) const = default;
};

std::string_view name_of(RateController controller);  // as in the run file

RateController usual_controller(const OperatorOptions& options);

}  // namespace starling::compress
