// Keeps messages out that are finite and yet longer than anything this run can have in it.
#pragma once

#include <cstddef>
#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace starling::gossip {

// Of one edge: the norms of the neighbor's messages that were let in, and what the next one may
// have (reliability specification, B.1 row 8):
//
//   ‖q‖ <= c · max(median of the newest 50 norms, ‖x_i‖, √d)
//
// with c = 100, and 0 for the median until 50 are known. It is there for what bugs, broken memory
// and crude malice produce, not for a message that is wrong by a factor: whoever comes closer than
// c biases the model, and clipping is against that (clipping.h).
//
// The floor is the model of this node, for the median alone refuses honest nodes: where a run has
// converged to innovations of 1e-7, an edge that heals makes the next message of both its ends, and
// of all who hear these, as long as the model itself. √d stands for models that begin at 0. The
// median lets in what is longer than the model by its kind: error feedback that sends in one
// message what it kept of many. Measured over the 2,000 seeds of the adversary
// (tests/sim/adversary_test.cc: every algorithm, heals, late joins, restarts), 7.5 million
// messages: the largest norm was 4.0 times the largest of the three; 250 times that of median and
// model without √d; 680 times the median alone.
//
// No I/O, no clock. It begins anew with the process and with the graph, for the floor does without
// what was seen; an honest run has the same bits with and without it.
class NormGate {
 public:
  static constexpr std::size_t kWindow = 50;
  static constexpr double kFactor = 100;  // c
  // Whatever was let in before: squares and sums of such values over any model are finite, and so
  // are all sums of messages in all rounds of a run.
  static constexpr double kCeiling = 0x1p60;

  // Why a message of that norm is kept out, if it is, as the end of a sentence; otherwise its norm
  // is remembered. `own`: the norm of this node's model; asked for where the rest does not decide.
  std::optional<std::string> judge(double norm, std::size_t floats,
                                   const std::function<double()>& own);

  // Of the norms remembered; 0: none are.
  double median() const;

 private:
  std::vector<double> norms_;  // at most kWindow, oldest first from next_ on
  std::size_t next_ = 0;
};

}  // namespace starling::gossip
