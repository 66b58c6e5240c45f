// How much each link of a node has cost against what it may, and what a byte has to bring.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "compress/layer_plan.h"
#include "compress/rate_options.h"
#include "compress/rate_plan.h"
#include "protocol/archive.h"
#include "protocol/ids.h"

namespace starling::compress {

// What a round of an algorithm sends over a link.
struct RoundShape {
  std::size_t messages = 1;  // of the operator
  double fixed_bytes = 0;    // of everything else, headers included
  std::uint64_t rounds = 0;  // of the run
  RatePlan plan = {};        // for adaptive_top_k alone
};

// The controllers of specification §3 and §4, without I/O and clock: what comes in is what went
// over the links, what was measured of them, and the learning rate; what comes out is the price of
// a byte, with which each message finds its level (rated.h).
//
// Every link has a virtual queue Z, in rounds of its budget: Z <- Z + cost - 1 after a round in
// which something went over it, cost = bytes / budget, where a budget in seconds is worth
// seconds · goodput bytes, and one a day what the time since the round before is worth. A message
// that goes to all neighbors is held against the tightest link where the budget is in seconds, and
// against the mean of the queues otherwise.
//
// The weight w of an error is 1/η, the learning rate: messages are in units of the model and hold η
// as a factor, so ‖C(x) - x‖²/η is η times the error of the gradient, as the bounds of a biased
// operator have it. It is 100 times the smallest at most.
//
//   drift           (Cui et al. 2112.06694 in the form of Wang et al., INFOCOM 2023) A level is
//       argmin V·w·error + Z·bytes/budget in units in which Z = V where rounds are alike: the
//       reference is what a round's budget of bytes last brought at the margin, averaged over 4V
//       rounds. Z >= V/1000.
//   adaptive_top_k  (2210.13532, in the derived form of §3) The same price in every round, so that
//       Σ w·error is least under the total: |x_i|² >= price · bytes per entry / w. What that comes
//       to by the schedule of the learning rate is planned (rate_plan.h). Around it the reference
//       is averaged over a fifth of the run, and the price follows what is left of the total, so
//       that it lasts to the end of the run and is spent there.
//   layers          (L-GreCo) Levels of the tensors by dynamic programming (layer_plan.h), for an
//       equal budget in every round.
//
// Engine thread only. Deterministic in the sequence of calls.
class Budget {
 public:
  // `options` has one budget; links are numbered 0 … links - 1.
  Budget(const RateOptions& options, RateController controller, std::size_t links,
         const RoundShape& shape);

  RateController controller() const { return controller_; }

  // ---- inputs ----
  void begin_round(std::uint64_t round, Time now);
  // Of the link's goodput; what is not positive and finite is no measurement.
  void measured(std::size_t link, double bytes_per_second);
  void set_learning_rate(double rate);
  // Bytes that went over the link in this round.
  void sent(std::size_t link, std::uint64_t bytes);
  void end_round();

  // ---- for a message ----
  // Bytes of one message that costs what every one may if all cost the same, on the tightest link;
  // none where nothing is known of any link yet.
  std::optional<double> even_bytes() const;
  // Error that a byte has to take away, for a message at whose even_bytes() a further byte takes
  // away `margin` of it; part of a stream of messages that are alike.
  double price(std::size_t stream, double margin) const;
  // The message was made: the margin counts for the prices of later rounds, with this weight.
  void learn(std::size_t stream, double margin, double weight);
  // Of the tensors of a message, under Controller::layers.
  LayerPlan& plan(std::size_t stream);

  // ---- for people ----
  // The link's cost a round so far, in budgets; 1 is what it may be. None before its first round.
  std::optional<double> mean_cost(std::size_t link) const;
  double queue(std::size_t link) const { return links_[link].queue; }
  std::size_t links() const { return links_.size(); }

  // `names`: numbers that tell the links apart, also where they are others than when it was saved.
  void archive(Archive& archive, const std::vector<std::uint64_t>& names);

 private:
  struct Link {
    double queue;
    double goodput = 0;        // bytes a second; 0: not measured
    std::uint64_t bytes = 0;   // in this round
    bool in_use = true;        // in the newest round in which any link was
    double cost = 0;           // of all rounds
    std::uint64_t rounds = 0;  // that counted
  };
  struct Stream {
    double reference = 0;          // mean of the logs of the rounds' gains
    double seen = 0;               // rounds in it, at most the horizon
    double gains = 0, weight = 0;  // of this round
    LayerPlan plan;
    void end_round(double horizon);
  };

  double first_queue() const;
  double horizon() const;
  void keep_positive();
  double mean_queue() const;
  double asked(double queue) const;
  double pressure(double even) const;
  std::optional<double> round_bytes(const Link& link) const;
  std::optional<double> message_bytes(const Link& link) const;
  double planned() const;
  double planned_bytes(double even_round) const;
  double left_over(double queue) const;
  Stream& stream(std::size_t number);

  const RateOptions options_;
  const RateController controller_;
  const RoundShape shape_;
  std::vector<Link> links_;
  std::vector<Stream> streams_;
  std::uint64_t round_ = 0;
  double weight_ = 1, largest_rate_ = 0;
  // bytes_per_day alone: of the newest round, and the mean of all.
  std::optional<Time> began_;
  double round_seconds_ = 0, mean_seconds_ = 0;
};

}  // namespace starling::compress
