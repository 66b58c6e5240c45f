#include "compress/rated.h"

#include "decoder.h"

namespace starling::fuzz {
namespace {

using namespace compress;

// With the budget that it refers to.
class Owned final : public Compressor {
 public:
  explicit Owned(std::unique_ptr<Ladder> ladder)
      : budget_({.bytes_per_round = 200}, RateController::drift, 1, {.rounds = 100}),
        rated_(std::move(ladder), budget_, {}) {}
  Contract contract(std::size_t d) const override { return rated_.contract(d); }
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
  Budget budget_;
  Rated rated_;
};

}  // namespace

std::vector<Case> cases() {
  std::vector<Case> all;
  for (const std::size_t d : {0, 1, 17, 200}) {
    all.push_back({d, [] {
                     return std::make_unique<Owned>(
                         make_top_k_ladder(0.01, SparseCoder(ValueFormat::bfloat16)));
                   }});
    all.push_back(
        {d,
         [] { return std::make_unique<Owned>(make_quantize_ladder({.bits = 2, .bucket = 128})); }});
  }
  return all;
}

}  // namespace starling::fuzz
