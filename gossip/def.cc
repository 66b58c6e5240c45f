#include "gossip/def.h"

#include "gossip/innovation_method.h"

namespace starling::gossip {
namespace {

class Def final : public InnovationMethod {
 public:
  Def(CompressedInputs inputs, const DefOptions& options)
      : InnovationMethod(std::move(inputs), {static_cast<float>(options.zeta)}),
        options_(options) {}

  void adapt(const LocalStep& step) override { step_down(step); }  // x is ψ until mix

  void mix(Exchange /*exchange*/, std::span<const Arrival> arrivals) override {
    if (commit(arrivals)) std::ranges::copy(replicas_.own().reference.values(), x_.begin());
    combine(arrivals, options_.gamma);
  }

 private:
  Result<SharedBytes> make_message(Exchange exchange, Replicas::Own& own) override {
    if (!options_.error_feedback) return coder_.encode(exchange, innovation(own));
    own.residual.resize(x_.size(), 0.0f);
    return coder_.encode_ef(exchange, own.residual, innovation(own));
  }

  const DefOptions options_;
};

}  // namespace

std::unique_ptr<Method> make_def(CompressedInputs inputs, const DefOptions& options) {
  return std::make_unique<Def>(std::move(inputs), options);
}

}  // namespace starling::gossip
