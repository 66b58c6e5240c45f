#include "gossip/lessbit.h"

#include "gossip/innovation_method.h"

namespace starling::gossip {
namespace {

class LessBit final : public DualMethod {
 public:
  LessBit(CompressedInputs inputs, const LessBitOptions& options)
      : DualMethod(std::move(inputs), options.alpha),
        gamma_(options.gamma),
        exact_(options.exact) {}

  void adapt(const LocalStep& step) override {
    if (exact_) {
      subtract(x_, step.update);  // D was in the problem that was solved
    } else {
      DualMethod::adapt(step);
    }
  }

  std::optional<std::span<const float>> slope() override {
    if (!exact_) return std::nullopt;
    slope_.resize(x_.size());
    dual_sum(slope_);
    return slope_;
  }

  void mix(Exchange /*exchange*/, std::span<const Arrival> arrivals) override {
    integrate(arrivals, gamma_);
    damp(arrivals);
  }

 private:
  const double gamma_;
  const bool exact_;
  std::vector<float> slope_;
};

}  // namespace

std::unique_ptr<Method> make_lessbit(CompressedInputs inputs, const LessBitOptions& options) {
  return std::make_unique<LessBit>(std::move(inputs), options);
}

}  // namespace starling::gossip
