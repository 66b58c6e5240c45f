#include "gossip/cold.h"

#include "gossip/innovation_method.h"

namespace starling::gossip {
namespace {

class Cold final : public DualMethod {
 public:
  Cold(CompressedInputs inputs, const ColdOptions& options)
      : DualMethod(std::move(inputs), options.alpha), gamma_(options.gamma) {}

  // x is y between adapt and here.
  void mix(Exchange /*exchange*/, std::span<const Arrival> arrivals) override {
    integrate(arrivals, gamma_ / 2);
    combine(arrivals, gamma_ / 2);
    damp(arrivals);
  }

 private:
  const double gamma_;
};

}  // namespace

std::unique_ptr<Method> make_cold(CompressedInputs inputs, const ColdOptions& options) {
  return std::make_unique<Cold>(std::move(inputs), options);
}

}  // namespace starling::gossip
