// The k largest coordinates of a vector, exactly, in about one sweep over it.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "compress/kernels/select.h"
#include "compress/kth_magnitude.h"
#include "protocol/result.h"

namespace starling::compress {

// Ascending indices; valid until the selector's next call.
struct TopSelection {
  std::span<const std::uint32_t> indices;
  std::span<const float> values;
};

// What the next threshold is likely to be a little above: the last one, moved as it moved before,
// less a gap that widens when that was too high and narrows when much more than k reached it.
class ThresholdGuess {
 public:
  bool any() const { return last_ > 0; }
  std::uint32_t bits() const;  // at least 1
  void too_high() { gap_ = std::min(0.25f, 4 * gap_); }
  void reached(std::size_t count, std::size_t k);
  void exact(std::uint32_t threshold);  // what it turned out to be

 private:
  float last_ = 0, before_ = 0, gap_ = 0.03f;
};

// Keeps its buffers, and a guess of the next call's threshold: both decide how fast a
// call is and never what it returns. Without a guess that holds, a sample gives a threshold that a
// little more than k elements reach; one sweep collects those, and the k-th largest of them is
// found by counting. Where the sample missed, counting over all of x does not.
class TopSelector {
 public:
  // min(k, nonzeros) entries; of equal magnitudes those of the lowest index. Fails
  // (ErrorCode::diverged) where x holds NaN or infinity. x.size() < 2^32.
  Result<TopSelection> select(std::span<const float> x, std::size_t k);

  // e += g, and the selection of the new e, in one sweep where the guess or the sample holds.
  Result<TopSelection> add_and_select(std::span<float> e, std::span<const float> g, std::size_t k);

  // The same, and e becomes 0 at what was selected, mostly within that sweep. After a failure e is
  // of no use.
  Result<TopSelection> add_and_take(std::span<float> e, std::span<const float> g, std::size_t k);

  // All entries of at least this magnitude, up to `most` of them: above that the largest `most`.
  Result<TopSelection> select_at_least(std::span<const float> x, std::uint32_t threshold,
                                       std::size_t most);

  // e += g, and the same of the new e.
  Result<TopSelection> add_and_select_at_least(std::span<float> e, std::span<const float> g,
                                               std::uint32_t threshold, std::size_t most);

  // The smallest magnitude that select kept last, 0 before the first call.
  std::uint32_t last_threshold() const { return last_; }

 private:
  struct Attempt {
    std::uint32_t threshold;  // at least 1, so that zeros are never kept
    std::size_t capacity;     // entries that are expected at most
  };
  using Vector = std::span<const float>;

  Attempt guessed(std::size_t d, std::size_t k) const;
  void judge_guess(std::size_t count, std::size_t k);
  std::optional<Result<TopSelection>> finish_guessed(Vector x, std::size_t k,
                                                     const Attempt& attempt, const Collected& kept);
  Attempt sampled(Vector x, Vector g, std::size_t k);
  Result<TopSelection> select_sampled(Vector x, std::size_t k);
  static bool holds(std::size_t k, const Attempt& attempt, const Collected& kept);
  TopSelection largest(std::size_t k, const Attempt& attempt, const Collected& kept,
                       std::span<float> taken_from);
  std::optional<Result<TopSelection>> finish(Vector x, std::size_t k, const Attempt& attempt,
                                             const Collected& kept);
  std::uint32_t exact_threshold(std::size_t count, std::size_t k, MagnitudeRange range);
  Result<TopSelection> finish_at_least(Vector x, std::size_t most, const Collected& kept);
  Result<TopSelection> by_counting(Vector x, std::size_t k);
  TopSelection first(std::size_t count) const;
  Slots buffers(std::size_t capacity);

  std::unique_ptr<std::uint32_t[]> indices_;
  std::unique_ptr<float[]> values_;
  std::size_t allocated_ = 0;
  std::vector<float> sample_, low_;
  std::vector<std::uint32_t> rest_;
  ThresholdGuess guess_;
  bool guess_is_close_ = false;  // the last one was
  bool misled_ = false;          // by the sample of a long error
  std::uint32_t last_ = 0;
};

}  // namespace starling::compress
