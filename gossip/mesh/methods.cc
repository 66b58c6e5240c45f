#include "gossip/mesh/methods.h"

#include <algorithm>
#include <utility>

#include "compress/count_sketch.h"
#include "compress/identity.h"
#include "compress/one_bit.h"
#include "compress/repeated.h"
#include "gossip/mesh/birder.h"
#include "gossip/mesh/diloco.h"
#include "gossip/mesh/down_legs.h"
#include "gossip/mesh/liec.h"
#include "gossip/mesh/mesh.h"
#include "gossip/mesh/one_bit_adam.h"
#include "gossip/mesh/sketched_amsgrad.h"
#include "gossip/mesh/up_legs.h"
#include "gossip/mesh/zero_one_adam.h"
#include "protocol/check.h"

namespace starling::gossip {
namespace {

using enum AlgorithmKind;
using Made = std::unique_ptr<compress::Compressor>;

// What codes a leg, from the operator of [compress] where there is one.
Made operator_of_leg(const GossipOptions& options, Made given, bool goes_down) {
  switch (options.algorithm) {
    case birder: return std::make_unique<compress::OneBit>(kBirderScale);
    case neolithic: return std::make_unique<compress::Repeated>(std::move(given), options.repeats);
    default: break;
  }
  if (goes_down && tells_the_mean(options.algorithm)) return std::make_unique<compress::Identity>();
  return given;
}

// By shards, from what is listed by nodes.
std::vector<double> participation_of(const GossipOptions& options,
                                     std::span<const NodeId> present) {
  std::vector<double> out;
  if (options.participation.empty()) return out;
  for (const NodeId node : present) out.push_back(options.participation[index_of(node)]);
  return out;
}

std::unique_ptr<UpLeg> make_up(const GossipOptions& options, LegInputs inputs) {
  switch (options.algorithm) {
    case ef_sgd:
    case doublesqueeze:
    case neolithic: return make_error_feedback_up(std::move(inputs));
    case ef21_sgdm: return make_shifted_up(std::move(inputs), {.momentum = options.eta.value()});
    case econtrol: return make_shifted_up(std::move(inputs), {.eta = options.eta.value()});
    case diana:
    case dore: return make_shifted_up(std::move(inputs), {.alpha = options.alpha.value()});
    case dcsgd: return make_plain_up(std::move(inputs));
    default: return make_shifted_up(std::move(inputs), {});  // ef21, ef21-bc, cd-adam
  }
}

std::unique_ptr<DownLeg> make_down(const GossipOptions& options, LegInputs inputs,
                                   std::span<float> model) {
  switch (options.algorithm) {
    case ef21_bc: return make_shifted_down(std::move(inputs), model);
    case cd_adam: return make_amsgrad_down(std::move(inputs), model);
    case dore:
      return make_error_feedback_down(std::move(inputs), model,
                                      {.keep = options.eta.value(), .gain = options.beta.value()});
    default: return make_error_feedback_down(std::move(inputs), model);
  }
}

Legs make_sketched(LegInputs inputs, std::span<float> model) {
  const auto* given = dynamic_cast<const compress::CountSketch*>(inputs.compressor.get());
  INVARIANT(given);  // Coding::sketch
  compress::CountSketchOptions options = given->options();
  const std::size_t keep = std::exchange(options.keep, 0);  // all estimates are looked at
  return make_sketched_amsgrad(std::move(inputs), std::make_unique<compress::CountSketch>(options),
                               keep, model);
}

Legs make_legs(const GossipOptions& options, LegInputs up, LegInputs down, std::span<float> model) {
  switch (options.algorithm) {
    case liec_sgd: return make_liec(std::move(up), std::move(down), model, options.period);
    case birder: return make_birder(std::move(up), std::move(down), model);
    case one_bit_adam:
      return make_one_bit_adam(std::move(up), std::move(down), model, options.freeze);
    case zero_one_adam:
      return make_zero_one_adam(std::move(up), std::move(down), model,
                                {.freeze = options.freeze, .period = options.period});
    case sketched_amsgrad: return make_sketched(std::move(up), model);
    case diloco:
      return make_diloco(std::move(up), std::move(down), model,
                         {.rate = options.outer_rate, .momentum = options.outer_momentum});
    case streaming_diloco:
      return make_diloco(std::move(up), std::move(down), model,
                         {.rate = options.outer_rate,
                          .momentum = options.outer_momentum,
                          .fragments = options.fragments,
                          .blend = options.blend});
    default:
      return {.up = make_up(options, std::move(up)),
              .down = make_down(options, std::move(down), model)};
  }
}

}  // namespace

bool tells_the_mean(AlgorithmKind kind) {
  return kind == ef_sgd || kind == ef21 || kind == diana || kind == dcsgd;
}

std::unique_ptr<Method> make_mesh_method(const GossipOptions& options, MeshMethodInputs in) {
  const Shards shards(in.start.size(), in.present.size());
  const auto at = std::ranges::find(in.present, in.self);
  INVARIANT(at != in.present.end());
  const auto self = static_cast<std::size_t>(at - in.present.begin());
  const Participation participation(participation_of(options, in.present), options.by_uptime,
                                    shards.owners(), self, in.seed);
  const auto leg = [&](Made given, bool goes_down) {
    return LegInputs{
        shards,       self, in.self, in.seed, operator_of_leg(options, std::move(given), goes_down),
        participation};
  };
  return make_mesh({.start = in.start,
                    .common = std::move(in.common),
                    .edges = std::move(in.edges),
                    .present = std::move(in.present),
                    .self = in.self,
                    .make_legs = [&](std::span<float> model) {
                      return make_legs(options, leg(std::move(in.up), false),
                                       leg(std::move(in.down), true), model);
                    }});
}

}  // namespace starling::gossip
