#include "gossip/lessbit.h"

#include "gossip/innovation_method.h"

namespace starling::gossip {
namespace {

class LessBit final : public DualMethod {
 public:
  LessBit(CompressedInputs inputs, const LessBitOptions& options)
      : DualMethod(std::move(inputs), options.alpha), gamma_(options.gamma) {}

  void mix(Exchange /*exchange*/, std::span<const Arrival> arrivals) override {
    integrate(arrivals, gamma_);
    damp(arrivals);
  }

 private:
  const double gamma_;
};

}  // namespace

std::unique_ptr<Method> make_lessbit(CompressedInputs inputs, const LessBitOptions& options) {
  return std::make_unique<LessBit>(std::move(inputs), options);
}

}  // namespace starling::gossip
