#include "gossip/def.h"

#include "gossip/innovation_method.h"

namespace starling::gossip {
namespace {

class Def final : public InnovationMethod {
 public:
  Def(CompressedInputs inputs, const DefOptions& options)
      : InnovationMethod(std::move(inputs), true), options_(options) {}

  void adapt(const LocalStep& step) override { subtract(x_, step.update); }  // x is ψ until mix

  void mix(Exchange /*exchange*/, std::span<const Arrival> arrivals) override {
    if (commit(arrivals, options_.zeta)) x_ = replicas_.self().reference;
    combine(arrivals, options_.gamma);
  }

 private:
  Result<SharedBytes> make_message(Exchange exchange, Replicas::Group& group) override {
    if (!options_.error_feedback) return coder_.encode(exchange, innovation(group));
    group.residual.resize(x_.size(), 0.0f);
    group.next_residual = group.residual;
    return coder_.encode_ef(exchange, group.next_residual, innovation(group));
  }

  const DefOptions options_;
};

}  // namespace

std::unique_ptr<Method> make_def(CompressedInputs inputs, const DefOptions& options) {
  return std::make_unique<Def>(std::move(inputs), options);
}

}  // namespace starling::gossip
