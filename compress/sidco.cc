#include "compress/sidco.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

#include "compress/sample_runs.h"

namespace starling::compress {
namespace {

constexpr std::size_t kSample = 65536;  // magnitudes
constexpr unsigned kCalls = 5;          // between changes
constexpr double kTolerance = 0.2;

// Halving once more than this would leave less than the ratio.
unsigned stages_max(double ratio) {
  return std::max(1u, static_cast<unsigned>(std::ceil(std::log2(1 / ratio))));
}

}  // namespace

void StageControl::archive(Archive& archive) {
  archive.number("stages", stages_, most_);
  std::int64_t direction = direction_;
  archive.number("direction", direction);
  direction_ = direction > 0 ? 1 : direction < 0 ? -1 : 0;
  archive.number("deviation", deviation_);
  archive.number("sum", sum_);
  archive.number("calls", calls_);
}

void StageControl::kept(double ratio_to_target) {
  sum_ += ratio_to_target;
  if (++calls_ < kCalls) return;
  adapt(sum_ / kCalls);
  sum_ = 0;
  calls_ = 0;
}

void StageControl::adapt(double mean) {
  const double deviation = std::fabs(mean - 1);
  if (deviation <= kTolerance) return;
  if (direction_ == 0) {
    direction_ = mean > 1 ? 1 : -1;
  } else if (deviation > deviation_) {
    direction_ = -direction_;
  }
  if (direction_ < 0 && stages_ == 1) direction_ = 1;
  if (direction_ > 0 && stages_ == most_) direction_ = -1;
  deviation_ = deviation;
  const int next = static_cast<int>(stages_) + direction_;
  stages_ = static_cast<unsigned>(std::clamp(next, 1, static_cast<int>(most_)));
}

Sidco::Sidco(double ratio, TailModel model, SparseCoder coder)
    : ratio_(ratio),
      model_(model),
      coder_(std::move(coder)),
      control_(std::min(2u, stages_max(ratio)), stages_max(ratio)) {
  INVARIANT(ratio > 0 && ratio <= 1);
}

std::size_t Sidco::most(std::size_t d) const { return std::min(d, 2 * entries_of(ratio_, d)); }

Contract Sidco::contract(std::size_t d) const {
  return coder_.contract_of_top(std::min<std::size_t>(1, d), d);
}

std::size_t Sidco::encoded_bytes_max(std::size_t d) const { return coder_.bytes_max(most(d), d); }

// Of x, or of x + g where g is not empty.
std::uint32_t Sidco::threshold(std::span<const float> x, std::span<const float> g) {
  if (x.size() >= 2 * kSample) {
    sample_runs(x, g, kSample / kRun, sample_);
  } else {
    sample_.resize(x.size());
    for (std::size_t i = 0; i < x.size(); ++i) sample_[i] = g.empty() ? x[i] : x[i] + g[i];
  }
  for (float& value : sample_) value = std::fabs(value);
  const TailFit fit{.model = model_, .stages = control_.stages(), .ratio = ratio_};
  const double eta = tail_threshold(sample_, fit);
  // Not a number where x is not finite; the sweep finds that.
  if (!(eta > 0)) return 1;
  return magnitude(static_cast<float>(std::min<double>(eta, std::numeric_limits<float>::max())));
}

// A threshold above all of them keeps the largest one.
Result<TopSelection> Sidco::at_least_one(std::span<const float> x,
                                         const Result<TopSelection>& kept) {
  return kept && kept->indices.empty() ? selector_.select(x, 1) : kept;
}

void Sidco::record(std::size_t kept, std::size_t d) {
  if (kept == 0) return;  // all zeros say nothing about the tail
  control_.kept(static_cast<double>(kept) / static_cast<double>(entries_of(ratio_, d)));
}

Result<std::size_t> Sidco::encode(std::span<const float> x, std::uint64_t key,
                                  std::span<std::byte> out) {
  const std::size_t d = x.size();
  const auto kept = at_least_one(x, selector_.select_at_least(x, threshold(x, {}), most(d)));
  if (!kept) return kept.error();
  const auto used = coder_.encode({d, kept->indices, kept->values}, key, out);
  if (used) record(kept->indices.size(), d);
  return used;
}

Result<std::size_t> Sidco::encode_ef(std::span<float> e, std::span<const float> g,
                                     std::uint64_t key, std::span<std::byte> out) {
  INVARIANT(e.size() == g.size());
  const std::size_t d = e.size();
  const auto kept =
      at_least_one(e, selector_.add_and_select_at_least(e, g, threshold(e, g), most(d)));
  if (!kept) return kept.error();
  const auto used = coder_.encode_ef({d, kept->indices, kept->values}, key, out, e);
  if (used) record(kept->indices.size(), d);
  return used;
}

Result<void> Sidco::decode_add(std::span<const std::byte> bytes, float scale,
                               std::span<float> y) const {
  return coder_.decode_add(bytes, most(y.size()), scale, y);
}

}  // namespace starling::compress
