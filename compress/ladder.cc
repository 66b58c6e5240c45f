#include "compress/ladder.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <utility>
#include <vector>

#include "compress/sample_runs.h"
#include "compress/top_selector.h"
#include "protocol/check.h"

namespace starling::compress {
namespace {

constexpr std::size_t kSample = 65536;

// Energy by magnitude: a bin for each eighth of an octave or less.
class Magnitudes {
 public:
  explicit Magnitudes(std::span<const float> x) {
    for (const float value : x) {
      if (!std::isfinite(value)) continue;
      const std::uint32_t bits = std::bit_cast<std::uint32_t>(value) & 0x7fffffff;
      Bin& bin = bins_[bits >> kShift];
      bin.count += 1;
      bin.energy += static_cast<double>(value) * value;
      energy_ += static_cast<double>(value) * value;
    }
  }

  // What the largest `kept[i]` of the vector leave, for ascending numbers of them.
  void tails(std::span<const double> kept, std::span<double> out) const {
    double count = 0, energy = 0;
    std::size_t b = bins_.size();
    for (std::size_t i = 0; i < kept.size(); ++i) {
      while (b > 0 && count + bins_[b - 1].count <= kept[i]) {
        --b;
        count += bins_[b].count;
        energy += bins_[b].energy;
      }
      double taken = energy;
      if (b > 0) taken += (kept[i] - count) / bins_[b - 1].count * bins_[b - 1].energy;
      out[i] = std::max(0.0, energy_ - taken);
    }
  }

 private:
  static constexpr unsigned kShift = 20;  // sign apart: 8 bits of exponent, 3 of mantissa
  struct Bin {
    double count = 0, energy = 0;
  };
  std::array<Bin, (0x7f800000 >> kShift)> bins_{};
  double energy_ = 0;
};

class TopKLadder final : public Ladder {
 public:
  TopKLadder(double ratio, SparseCoder coder) : coder_(std::move(coder)) {
    constexpr double kStep = 1.0905077326652577;  // 2^(1/8)
    for (; ratio <= kLadderRatioMax; ratio *= kStep) ratios_.push_back(ratio);
    INVARIANT(!ratios_.empty());
  }

  std::size_t levels() const override { return ratios_.size(); }
  bool is_fine() const override { return true; }
  Contract contract(std::size_t level, std::size_t d) const override {
    return coder_.contract_of_top(entries(level, d), d);
  }
  std::size_t bytes_max(std::size_t level, std::size_t d) const override {
    return coder_.bytes_max(entries(level, d), d);
  }

  void errors(std::span<const float> x, std::span<double> out) override {
    const bool samples = x.size() > kSample;
    if (samples) sample_runs(x, {}, kSample / kRun, sample_);
    const Magnitudes magnitudes(samples ? std::span<const float>(sample_) : x);
    const double scale = samples ? static_cast<double>(x.size()) / kSample : 1;
    kept_.clear();
    for (std::size_t l = 0; l < levels(); ++l) {
      kept_.push_back(static_cast<double>(entries(l, x.size())) / scale);
    }
    magnitudes.tails(kept_, out);
    for (double& error : out) error *= scale;
  }

  Result<std::size_t> encode(std::size_t level, std::span<const float> x, std::uint64_t key,
                             std::span<std::byte> out) override {
    const auto top = selector_.select(x, entries(level, x.size()));
    if (!top) return top.error();
    return coder_.encode({x.size(), top->indices, top->values}, key, out);
  }
  Result<void> decode_add(std::size_t level, std::span<const std::byte> bytes, float scale,
                          std::span<float> y) const override {
    return coder_.decode_add(bytes, entries(level, y.size()), scale, y);
  }
  void archive(Archive& archive) override { coder_.archive(archive); }

 private:
  std::size_t entries(std::size_t level, std::size_t d) const {
    return entries_of(ratios_[level], d);
  }

  std::vector<double> ratios_;
  SparseCoder coder_;
  TopSelector selector_;
  std::vector<float> sample_;  // work memory, as the next
  std::vector<double> kept_;
};

class QuantizeLadder final : public Ladder {
 public:
  explicit QuantizeLadder(const QuantizeParams& lowest) {
    for (const unsigned bits : {2u, 4u, 8u}) {
      if (bits < lowest.bits) continue;
      QuantizeParams params = lowest;
      params.bits = bits;
      levels_.push_back({params, std::make_unique<Quantize>(params)});
    }
  }

  std::size_t levels() const override { return levels_.size(); }
  bool is_fine() const override { return false; }
  Contract contract(std::size_t level, std::size_t d) const override {
    return levels_[level].code->contract(d);
  }
  std::size_t bytes_max(std::size_t level, std::size_t d) const override {
    return levels_[level].code->encoded_bytes_max(d);
  }

  // Whole buckets, evenly spread, for a scale belongs to one.
  void errors(std::span<const float> x, std::span<double> out) override {
    std::ranges::fill(out, 0.0);
    const std::size_t bucket = levels_.front().params.bucket;
    const std::size_t buckets = (x.size() + bucket - 1) / bucket;
    const std::size_t looked_at = std::min(buckets, std::max<std::size_t>(1, kSample / bucket));
    std::size_t seen = 0;
    for (std::size_t i = 0; i < looked_at; ++i) {
      const std::size_t begin = i * buckets / looked_at * bucket;
      const auto part = x.subspan(begin, std::min(bucket, x.size() - begin));
      seen += part.size();
      for (std::size_t l = 0; l < levels(); ++l) out[l] += error_of(levels_[l].params, part);
    }
    if (seen == 0) return;
    const double scale = static_cast<double>(x.size()) / static_cast<double>(seen);
    for (double& error : out) error *= scale;
  }

  Result<std::size_t> encode(std::size_t level, std::span<const float> x, std::uint64_t key,
                             std::span<std::byte> out) override {
    return levels_[level].code->encode(x, key, out);
  }
  Result<void> decode_add(std::size_t level, std::span<const std::byte> bytes, float scale,
                          std::span<float> y) const override {
    return levels_[level].code->decode_add(bytes, scale, y);
  }
  void archive(Archive& /*archive*/) override {}

 private:
  struct Level {
    QuantizeParams params;
    std::unique_ptr<Quantize> code;
  };

  // Between two levels a fraction f apart from the lower one the variance is f(1 - f) steps²,
  // the error of the nearest one min(f, 1 - f)².
  static double error_of(const QuantizeParams& params, std::span<const float> x) {
    double largest = 0, energy = 0;
    for (const float value : x) {
      if (!std::isfinite(value)) continue;
      largest = std::max(largest, std::abs(static_cast<double>(value)));
      energy += static_cast<double>(value) * value;
    }
    const double norm = params.norm == BucketNorm::l2 ? std::sqrt(energy) : largest;
    if (norm < 0x1p-120) return energy;
    const double step = norm / ((1u << (params.bits - 1)) - 1);
    double error = 0;
    for (const float value : x) {
      if (!std::isfinite(value)) continue;
      const double place = std::abs(static_cast<double>(value)) / step;
      const double f = place - std::floor(place), near = std::min(f, 1 - f);
      error += params.rounding == Rounding::nearest ? near * near : f * (1 - f);
    }
    return error * step * step;
  }

  std::vector<Level> levels_;
};

}  // namespace

std::unique_ptr<Ladder> make_top_k_ladder(double ratio, SparseCoder coder) {
  return std::make_unique<TopKLadder>(ratio, std::move(coder));
}

std::unique_ptr<Ladder> make_quantize_ladder(const QuantizeParams& lowest) {
  return std::make_unique<QuantizeLadder>(lowest);
}

}  // namespace starling::compress
