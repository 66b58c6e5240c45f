// The coordinates above a threshold that a fitted distribution gives: about k of them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "compress/compressor.h"
#include "compress/sparse.h"
#include "compress/tail_fit.h"
#include "compress/top_selector.h"

namespace starling::compress {

// How many stages to fit in, from what came of it: every 5 calls, where the mean of k̂/k is off 1
// by more than a fifth, one stage more or one less. First more where too many were kept (looking
// further into the tail raises the threshold of most), and turned around whenever the change before
// made the mean worse. The published rule has a fixed direction.
class StageControl {
 public:
  // Stages from 1 to `most`, at first `stages`.
  StageControl(unsigned stages, unsigned most) : stages_(stages), most_(most) {}

  unsigned stages() const { return stages_; }
  void kept(double ratio_to_target);
  void archive(Archive& archive);

 private:
  void adapt(double mean);

  unsigned stages_;
  const unsigned most_;
  int direction_ = 0;      // +1, -1, or 0 before the first change
  double deviation_ = -1;  // |mean - 1| before the last change; negative before the first
  double sum_ = 0;
  unsigned calls_ = 0;
};

// SIDCo (tail_fit.h): keeps every |x_i| >= η of a threshold η fitted to 65536 of the magnitudes (to
// all where d is below twice that), but the single largest if none reaches it, and the 2k largest
// where more do, k = max(1, round(ratio · d)). Never a zero. The message is that of sparse.h.
//
// What holds for every x: the largest coordinate is kept, hence contractive with δ = 1/d, less what
// the value format leaves of it. Of x with the fitted tail about k are kept, and δ is about k/d.
// That the dropped energy is below dη² holds too, but η depends on x.
//
// Keeps the number of stages and the counts that it follows from, changed by successful encodes
// only.
class Sidco final : public Compressor {
 public:
  // 0 < ratio <= 1.
  explicit Sidco(double ratio, TailModel model = TailModel::pareto,
                 SparseCoder coder = SparseCoder());

  unsigned stages() const { return control_.stages(); }

  Contract contract(std::size_t d) const override;
  std::size_t encoded_bytes_max(std::size_t d) const override;
  Result<std::size_t> encode(std::span<const float> x, std::uint64_t key,
                             std::span<std::byte> out) override;
  Result<std::size_t> encode_ef(std::span<float> e, std::span<const float> g, std::uint64_t key,
                                std::span<std::byte> out) override;
  Result<void> decode_add(std::span<const std::byte> bytes, float scale,
                          std::span<float> y) const override;
  void archive(Archive& archive) override {
    control_.archive(archive);
    coder_.archive(archive);
  }

 private:
  std::size_t most(std::size_t d) const;
  std::uint32_t threshold(std::span<const float> x, std::span<const float> g);
  Result<TopSelection> at_least_one(std::span<const float> x, const Result<TopSelection>& kept);
  void record(std::size_t kept, std::size_t d);

  const double ratio_;
  const TailModel model_;
  SparseCoder coder_;
  TopSelector selector_;
  StageControl control_;
  std::vector<float> sample_;
};

}  // namespace starling::compress
