#include "gossip/choco.h"

#include "gossip/innovation_method.h"

namespace starling::gossip {
namespace {

class Choco final : public InnovationMethod {
 public:
  Choco(CompressedInputs inputs, const ChocoOptions& options)
      : InnovationMethod(std::move(inputs), {1}), gamma_(options.gamma) {}

  void adapt(const LocalStep& step) override { step_down(step); }

  void mix(Exchange /*exchange*/, std::span<const Arrival> arrivals) override {
    commit(arrivals);
    combine(arrivals, gamma_);
  }

 private:
  const double gamma_;
};

}  // namespace

std::unique_ptr<Method> make_choco(CompressedInputs inputs, const ChocoOptions& options) {
  return std::make_unique<Choco>(std::move(inputs), options);
}

}  // namespace starling::gossip
