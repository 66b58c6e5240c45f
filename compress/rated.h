// An operator whose level of rate follows a budget.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "compress/budget.h"
#include "compress/compressor.h"
#include "compress/ladder.h"

namespace starling::compress {

// Which of a node's messages these are.
struct RatedPlace {
  std::size_t stream = 0;   // the first of those that follow each other in turns, and
  std::size_t streams = 1;  // how many do: one for each exchange of a round
  std::size_t part = 0;     // the tensor, of a message that has several,
  double share = 1;         // and what part of the message it is
};

// C = the operator of a ladder at the level that the budget chooses for this x: where
// w · ‖C_l(x) - x‖² + price · bytes is least, or as the plan of the layers has it. On a ladder of
// few levels the last one stays unless another is better by a tenth.
//
// Bytes: header (param = level, count = levels), then the level's message. So both ends agree on
// the level whatever each of them knows; one that does not exist is refused.
//
// State: the mean of how much of their largest size messages take, the level and the turn; and the
// budget, which it shares with the node's other operators, and which outlives it.
class Rated final : public Compressor {
 public:
  Rated(std::unique_ptr<Ladder> ladder, Budget& budget, const RatedPlace& place);

  // That of the lowest level, which is the weakest.
  Contract contract(std::size_t d) const override;
  std::size_t encoded_bytes_max(std::size_t d) const override;
  Result<std::size_t> encode(std::span<const float> x, std::uint64_t key,
                             std::span<std::byte> out) override;
  Result<void> decode_add(std::span<const std::byte> bytes, float scale,
                          std::span<float> y) const override;
  void archive(Archive& archive) override;

  std::size_t level() const { return level_; }  // of the last message

 private:
  struct Choice {
    std::size_t level;
    double margin;  // 0: nothing is to be learned
  };
  Choice choose(std::span<const float> x);
  double margin_at(double bytes) const;
  std::size_t cheapest(double price) const;
  std::size_t stream() const { return place_.stream + turn_ % place_.streams; }

  const std::unique_ptr<Ladder> ladder_;
  Budget& budget_;
  const RatedPlace place_;
  std::vector<double> errors_;
  std::vector<LevelCost> costs_;  // of the message that is being made
  double fill_ = 1;
  std::size_t level_ = 0;
  std::uint64_t turn_ = 0;
};

}  // namespace starling::compress
