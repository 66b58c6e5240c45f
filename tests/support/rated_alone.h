// An operator under a budget of its own, of one link.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

#include "compress/rated.h"

namespace starling::test {

class RatedAlone final : public compress::Compressor {
 public:
  RatedAlone(std::unique_ptr<compress::Ladder> ladder, std::uint64_t bytes_per_round,
             compress::RateController controller = compress::RateController::drift)
      : budget_({.bytes_per_round = bytes_per_round}, controller, 1, {.rounds = 100}),
        rated_(std::move(ladder), budget_, {}) {}

  compress::Contract contract(std::size_t d) const override { return rated_.contract(d); }
  std::size_t encoded_bytes_max(std::size_t d) const override {
    return rated_.encoded_bytes_max(d);
  }
  Result<std::size_t> encode(std::span<const float> x, std::uint64_t key,
                             std::span<std::byte> out) override {
    return rated_.encode(x, key, out);
  }
  Result<void> decode_add(std::span<const std::byte> bytes, float scale,
                          std::span<float> y) const override {
    return rated_.decode_add(bytes, scale, y);
  }

 private:
  compress::Budget budget_;
  compress::Rated rated_;
};

}  // namespace starling::test
