// What a run plans to spend in each of its rounds, before the first.
#pragma once

#include <span>
#include <vector>

namespace starling::compress {

// A round with learning rate η may have so many even budgets: in proportion to √η, no less than the
// lowest level takes, and 1 in the mean over the run. Why √η (ours): what is sent has η² in its
// energy, of which k entries leave some 1/k, and an error weighs 1/η (budget.h); the price of a
// byte is the same in all rounds where k ∝ √η. Any thread.
class RatePlan {
 public:
  RatePlan() = default;  // 1 in every round
  // `learning_rates`: of the rounds of a run, or of some that lie evenly in it. `least`: what the
  // lowest level takes of an even budget; where that is all of it, every round has 1.
  RatePlan(std::span<const double> learning_rates, double least);

  double share(double learning_rate) const;
  // Of the even budgets of the whole run, what the rounds behind that part of it have above the
  // least: so much can still be saved.
  double free_behind(double part) const;

 private:
  double unit_ = 0;  // √η at which a round has 1; 0: each has
  double least_ = 0;
  std::vector<double> free_;  // of the whole run behind each of its rates, and 0 behind the last
};

}  // namespace starling::compress
