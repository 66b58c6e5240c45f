#include "compress/top_selector.h"

#include <algorithm>
#include <bit>
#include <cmath>

#include "compress/finite.h"
#include "compress/kth_magnitude.h"
#include "compress/sample_runs.h"
#include "protocol/check.h"

namespace starling::compress {
namespace {

constexpr std::size_t kSmall = 8192;                 // below this no sample pays
constexpr std::size_t kSpare = 1024;                 // entries beyond those expected
constexpr std::size_t kLong = std::size_t{4} << 20;  // from here on a sample costs next to nothing
// Of the values behind the start of their buffer: at equal offsets in a page, stores to indices
// hold up loads of values.
constexpr std::size_t kOffset = 1040 / sizeof(float);
constexpr std::uint32_t kAnything = 0x80000000;  // above every magnitude

// Drops the last `surplus` of the n entries that equal the threshold, and writes them back to where
// they were taken from, if anywhere. Returns how many are left.
std::size_t drop_ties(Slots slots, std::size_t n, std::size_t surplus, std::uint32_t threshold,
                      std::span<float> taken_from) {
  std::size_t begin = n;
  while (surplus > 0) {
    const float value = slots.values[--begin];
    if (magnitude(value) != threshold) continue;
    --surplus;
    if (!taken_from.empty()) taken_from[slots.indices[begin]] = value;
  }
  std::size_t to = begin;
  for (std::size_t j = begin; j < n; ++j) {
    slots.indices[to] = slots.indices[j];
    slots.values[to] = slots.values[j];
    to += magnitude(slots.values[j]) != threshold;
  }
  return to;
}

}  // namespace

std::uint32_t ThresholdGuess::bits() const {
  const float trend = before_ > 0 ? std::clamp(last_ / before_, 0.5f, 2.0f) : 1.0f;
  return std::max(1u, magnitude((1 - gap_) * trend * last_));
}

void ThresholdGuess::reached(std::size_t count, std::size_t k) {
  if (count > k + k / 4) gap_ = std::max(0.005f, (count > 2 * k ? 0.75f : 0.875f) * gap_);
}

void ThresholdGuess::exact(std::uint32_t threshold) {
  before_ = last_;
  last_ = std::bit_cast<float>(threshold);
}

Slots TopSelector::buffers(std::size_t capacity) {
  const std::size_t needed = capacity + Slots::kSlack;
  if (allocated_ < needed) {
    indices_ = std::make_unique_for_overwrite<std::uint32_t[]>(needed);
    values_ = std::make_unique_for_overwrite<float[]>(needed + kOffset);
    allocated_ = needed;
  }
  return {{indices_.get(), needed}, {values_.get() + kOffset, needed}};
}

TopSelection TopSelector::first(std::size_t count) const {
  return {{indices_.get(), count}, {values_.get() + kOffset, count}};
}

// Error feedback piles entries up just below its threshold: room for many more than k costs less
// than another sweep.
TopSelector::Attempt TopSelector::guessed(std::size_t d, std::size_t k) const {
  return {guess_.bits(), std::min(d, std::max(3 * k, std::min(8 * k, d / 8)) + kSpare)};
}

void TopSelector::judge_guess(std::size_t count, std::size_t k) {
  if (count < k) guess_.too_high();
  guess_.reached(count, k);
  guess_is_close_ = count >= k && count <= k + k * 3 / 4;
}

std::optional<Result<TopSelection>> TopSelector::finish_guessed(Vector x, std::size_t k,
                                                                const Attempt& attempt,
                                                                const Collected& kept) {
  judge_guess(kept.count, k);
  return finish(x, k, attempt, kept);
}

TopSelector::Attempt TopSelector::sampled(Vector x, Vector g, std::size_t k) {
  const auto runs = static_cast<std::size_t>(std::sqrt(static_cast<double>(x.size())));
  sample_runs(x, g, runs, sample_);
  const auto d = static_cast<double>(x.size()), m = static_cast<double>(sample_.size());
  const double expected = m * static_cast<double>(k) / d;
  // Four standard deviations: elements of a run are alike in a real tensor.
  const double rank = std::ceil(expected + 4 * std::sqrt(expected) + 1);
  if (rank >= m) return {1, x.size()};
  const std::uint32_t threshold = kth_magnitude(sample_, static_cast<std::size_t>(rank), {}, rest_);
  const auto capacity = static_cast<std::size_t>(2 * rank * d / m) + k + kSpare;
  return {std::max(1u, threshold), std::min(x.size(), capacity)};
}

bool TopSelector::holds(std::size_t k, const Attempt& attempt, const Collected& kept) {
  return kept.count <= attempt.capacity && (kept.count >= k || attempt.threshold == 1);
}

TopSelection TopSelector::largest(std::size_t k, const Attempt& attempt, const Collected& kept,
                                  std::span<float> taken_from) {
  k = std::min(k, kept.count);
  if (k == 0) return {};
  const Slots buffer = buffers(attempt.capacity);
  last_ = exact_threshold(kept.count, k, {attempt.threshold, kept.largest});
  guess_.exact(last_);
  if (!taken_from.empty()) put_back_below(buffer, kept.count, last_, taken_from);
  const std::size_t n = keep_at_least(buffer, kept.count, last_);
  return first(n > k ? drop_ties(buffer, n, n - k, last_, taken_from) : n);
}

std::optional<Result<TopSelection>> TopSelector::finish(Vector x, std::size_t k,
                                                        const Attempt& attempt,
                                                        const Collected& kept) {
  if (kept.count > attempt.capacity) return std::nullopt;
  if (kept.largest >= kInfinity) return Result<TopSelection>(check_finite(x).error());
  if (!holds(k, attempt, kept)) return std::nullopt;
  return largest(k, attempt, kept, {});
}

// As only count - k are to go, the k-th largest mostly lies near the lower end. With a density that
// falls faster than 1/|x|, a fraction f of them is below (1 + f) times the lowest.
std::uint32_t TopSelector::exact_threshold(std::size_t count, std::size_t k, MagnitudeRange range) {
  const std::span<const float> values(values_.get() + kOffset, count);
  const float excess = static_cast<float>(count - k + 8) / static_cast<float>(count);
  const std::uint32_t bound =
      std::min(kInfinity, magnitude(std::bit_cast<float>(range.low) * (1 + excess)));
  if (low_.size() < count + Slots::kSlack) low_.resize(count + Slots::kSlack);
  const std::size_t below = values_below(values, bound, low_);
  if (count - below >= k) return kth_magnitude(values, k, range, rest_);
  return kth_magnitude(std::span(low_).first(below), k - (count - below), {range.low, bound - 1},
                       rest_);
}

Result<TopSelection> TopSelector::by_counting(Vector x, std::size_t k) {
  if (auto finite = check_finite(x); !finite) return finite.error();
  const auto zeros = std::ranges::count_if(x, [](float v) { return magnitude(v) == 0; });
  k = std::min(k, x.size() - static_cast<std::size_t>(zeros));
  if (k == 0) return TopSelection{};
  const std::uint32_t t = last_ = kth_magnitude(x, k, {}, rest_);
  guess_.exact(t);
  const auto above = std::ranges::count_if(x, [t](float v) { return magnitude(v) > t; });
  std::size_t ties = k - static_cast<std::size_t>(above);
  const Slots to = buffers(k);
  for (std::size_t i = 0, n = 0; n < k; ++i) {
    const std::uint32_t m = magnitude(x[i]);
    const bool keep = m > t || (m == t && ties > 0);
    ties -= keep && m == t;
    to.indices[n] = static_cast<std::uint32_t>(i);
    to.values[n] = x[i];
    n += keep;
  }
  return first(k);
}

Result<TopSelection> TopSelector::select_sampled(Vector x, std::size_t k) {
  const Attempt attempt = sampled(x, {}, k);
  const Collected kept = collect_at_least(x, attempt.threshold, buffers(attempt.capacity));
  if (auto done = finish(x, k, attempt, kept)) return *done;
  return by_counting(x, k);
}

Result<TopSelection> TopSelector::select(Vector x, std::size_t k) {
  k = std::min(k, x.size());
  if (k == 0 || x.size() < kSmall) return by_counting(x, k);
  if (guess_.any()) {
    const Attempt attempt = guessed(x.size(), k);
    const Collected kept = collect_at_least(x, attempt.threshold, buffers(attempt.capacity));
    if (auto done = finish_guessed(x, k, attempt, kept)) return *done;
  }
  return select_sampled(x, k);
}

Result<TopSelection> TopSelector::add_and_select(std::span<float> e, Vector g, std::size_t k) {
  INVARIANT(e.size() == g.size());
  k = std::min(k, e.size());
  if (k == 0 || e.size() < kSmall) {
    for (std::size_t i = 0; i < e.size(); ++i) e[i] += g[i];
    return by_counting(e, k);
  }
  if (guess_.any()) {
    const Attempt attempt = guessed(e.size(), k);
    const Collected kept = add_and_collect(e, g, attempt.threshold, buffers(attempt.capacity));
    if (auto done = finish_guessed(e, k, attempt, kept)) return *done;
    return select_sampled(e, k);
  }
  const Attempt attempt = sampled(e, g, k);
  const Collected kept = add_and_collect(e, g, attempt.threshold, buffers(attempt.capacity));
  if (auto done = finish(e, k, attempt, kept)) return *done;
  return by_counting(e, k);
}

// What is taken in vain has to be put back: by a guess that was close the last time, or by a
// sample, which pays off where the error is long.
Result<TopSelection> TopSelector::add_and_take(std::span<float> e, Vector g, std::size_t k) {
  INVARIANT(e.size() == g.size());
  k = std::min(k, e.size());
  const auto clear = [e](Result<TopSelection> top) {
    if (top) clear_at(top->indices, e);
    return top;
  };
  const bool by_guess = guess_is_close_ && e.size() >= kSmall;
  const bool by_sample = !by_guess && e.size() >= kLong && !misled_;
  if (k == 0 || !(by_guess || by_sample)) return clear(add_and_select(e, g, k));
  const Attempt attempt = by_guess ? guessed(e.size(), k) : sampled(e, g, k);
  const Slots buffer = buffers(attempt.capacity);
  const Collected kept = compress::add_and_take(e, g, attempt.threshold, buffer);
  if (by_guess) judge_guess(kept.count, k);
  const bool held = holds(k, attempt, kept);
  if (held && kept.largest < kInfinity) return largest(k, attempt, kept, e);
  if (by_sample && !held) misled_ = true;
  if (kept.count <= attempt.capacity) put_back_below(buffer, kept.count, kAnything, e);
  return clear(by_guess ? select_sampled(e, k) : select(e, k));
}

Result<TopSelection> TopSelector::finish_at_least(Vector x, std::size_t most,
                                                  const Collected& kept) {
  if (kept.count > most) return select(x, most);
  if (kept.largest >= kInfinity) return check_finite(x).error();
  return first(kept.count);
}

Result<TopSelection> TopSelector::select_at_least(Vector x, std::uint32_t threshold,
                                                  std::size_t most) {
  most = std::min(most, x.size());
  return finish_at_least(x, most, collect_at_least(x, std::max(1u, threshold), buffers(most)));
}

Result<TopSelection> TopSelector::add_and_select_at_least(std::span<float> e, Vector g,
                                                          std::uint32_t threshold,
                                                          std::size_t most) {
  INVARIANT(e.size() == g.size());
  most = std::min(most, e.size());
  return finish_at_least(e, most, add_and_collect(e, g, std::max(1u, threshold), buffers(most)));
}

}  // namespace starling::compress
