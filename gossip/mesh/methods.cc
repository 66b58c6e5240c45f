#include "gossip/mesh/methods.h"

#include <algorithm>
#include <utility>

#include "compress/identity.h"
#include "gossip/mesh/down_legs.h"
#include "gossip/mesh/mesh.h"
#include "gossip/mesh/up_legs.h"
#include "protocol/check.h"

namespace starling::gossip {
namespace {

std::unique_ptr<UpLeg> make_up(const GossipOptions& options, LegInputs inputs) {
  switch (options.algorithm) {
    case AlgorithmKind::ef_sgd:
    case AlgorithmKind::doublesqueeze: return make_error_feedback_up(std::move(inputs));
    case AlgorithmKind::ef21_sgdm:
      return make_shifted_up(std::move(inputs), {.momentum = options.eta.value()});
    case AlgorithmKind::econtrol:
      return make_shifted_up(std::move(inputs), {.eta = options.eta.value()});
    case AlgorithmKind::diana:
      return make_shifted_up(std::move(inputs), {.alpha = options.alpha.value()});
    case AlgorithmKind::dcsgd: return make_plain_up(std::move(inputs));
    default: return make_shifted_up(std::move(inputs), {});  // ef21, ef21-bc, cd-adam
  }
}

std::unique_ptr<DownLeg> make_down(AlgorithmKind kind, LegInputs inputs, std::span<float> model) {
  switch (kind) {
    case AlgorithmKind::ef21_bc: return make_shifted_down(std::move(inputs), model);
    case AlgorithmKind::cd_adam: return make_amsgrad_down(std::move(inputs), model);
    default: return make_error_feedback_down(std::move(inputs), model);
  }
}

}  // namespace

bool tells_the_mean(AlgorithmKind kind) {
  switch (kind) {
    case AlgorithmKind::ef_sgd:
    case AlgorithmKind::ef21:
    case AlgorithmKind::diana:
    case AlgorithmKind::dcsgd: return true;
    default: return false;
  }
}

std::unique_ptr<Method> make_mesh_method(const GossipOptions& options, MeshMethodInputs in) {
  const Shards shards(in.start.size(), in.present.size());
  const auto at = std::ranges::find(in.present, in.self);
  INVARIANT(at != in.present.end());
  const auto self = static_cast<std::size_t>(at - in.present.begin());
  if (tells_the_mean(options.algorithm)) in.down = std::make_unique<compress::Identity>();
  const auto leg = [&](std::unique_ptr<compress::Compressor> c) {
    return LegInputs{shards, self, in.self, in.seed, std::move(c)};
  };
  return make_mesh({.start = in.start,
                    .common = std::move(in.common),
                    .edges = std::move(in.edges),
                    .present = std::move(in.present),
                    .self = in.self,
                    .up = make_up(options, leg(std::move(in.up))),
                    .make_down = [&](std::span<float> model) {
                      return make_down(options.algorithm, leg(std::move(in.down)), model);
                    }});
}

}  // namespace starling::gossip
