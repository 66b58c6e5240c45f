#include "gossip/cold.h"

#include <algorithm>
#include <cmath>

#include "compress/one_bit.h"
#include "gossip/innovation_method.h"

namespace starling::gossip {
namespace {

class Cold : public DualMethod {
 public:
  Cold(CompressedInputs inputs, const ColdOptions& options)
      : DualMethod(std::move(inputs), options.alpha), options_(options) {}

  // x is y between adapt and here.
  void mix(Exchange /*exchange*/, std::span<const Arrival> arrivals) final {
    integrate(arrivals, options_.beta * options_.gamma / 2);
    combine(arrivals, options_.gamma / 2);
    damp(arrivals);
  }

 private:
  const ColdOptions options_;
};

float largest(std::span<const float> x) {
  float most = 0;
  for (const float value : x) most = std::max(most, std::fabs(value));
  return most;
}

class DynaCold final : public Cold {
 public:
  DynaCold(CompressedInputs inputs, compress::OneBit& quantizer, const DynaColdOptions& options)
      : Cold(std::move(inputs), {.gamma = options.gamma}),
        quantizer_(quantizer),
        rho_(static_cast<float>(options.rho)) {}

 private:
  static constexpr float kFloor = 0x1p-21f;  // four ulp of the largest |y_i|
  static constexpr float kOutgrown = 2;

  Result<SharedBytes> make_message(Exchange exchange, Replicas::Own& own) override {
    const auto x = innovation(own);
    const float most = largest(x);
    own.scale = std::max(rho_ * own.scale, kFloor * largest(x_));
    if (most > kOutgrown * own.scale) own.scale = most;
    if (std::isfinite(own.scale)) quantizer_.set_scale(own.scale);
    return coder_.encode(exchange, x);  // refuses what is not finite
  }

  compress::OneBit& quantizer_;  // the coder's
  const float rho_;
};

}  // namespace

std::unique_ptr<Method> make_cold(CompressedInputs inputs, const ColdOptions& options) {
  return std::make_unique<Cold>(std::move(inputs), options);
}

std::unique_ptr<Method> make_dyna_cold(CompressedInputs inputs, const DynaColdOptions& options) {
  auto quantizer = std::make_unique<compress::OneBit>(0.0f);
  compress::OneBit& used = *quantizer;
  inputs.compressor = std::move(quantizer);
  return std::make_unique<DynaCold>(std::move(inputs), used, options);
}

}  // namespace starling::gossip
