// Nodes of a flock that follow the protocol to the letter and lie about their models.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "gossip/topology.h"
#include "train/trainer.h"

namespace starling::sim {

// What the liar makes of the newest models of the honest nodes, all of which it knows.
enum class AttackKind {
  sign_flip,  // -10 times the mean
  constant,   // 1e6 in every coordinate
  // A Little Is Enough (Baruch, Baruch, Goldberg 2019): the mean less 1.5 standard deviations in
  // each coordinate, which looks like one of them.
  alie,
  // He, Karimireddy, Jaggi 2022 (2202.01545), section 5: to its neighbor i the liar b would say
  //   x_i - ε Σ_k w_ik (x_k - x_i) / w_ib,  ε = 1.5
  // over the honest neighbors k of i, which takes back what they mix and more. Who sends the same
  // to all says the mean of these.
  dissensus,
};
inline constexpr AttackKind kAllAttacks[] = {AttackKind::sign_flip, AttackKind::constant,
                                             AttackKind::alie, AttackKind::dissensus};
const char* name_of(AttackKind kind);  // "sign-flip" …
std::optional<AttackKind> attack_of(std::string_view name);

// models[i] is that of node i; empty at `liar`, which `out` is for.
void make_attack(AttackKind kind, const gossip::Topology& topology, NodeId liar,
                 const std::vector<std::span<const float>>& models, std::span<float> out);

// A trainer whose steps lead to `wanted(model)` in place of down the loss. Where an exchange
// follows the step (adapt then combine) that is what the node tells its neighbors, by whatever
// algorithm.
using Wanted = std::function<void(std::span<float> out)>;
std::unique_ptr<train::Trainer> make_liar(std::unique_ptr<train::Trainer> honest, Wanted wanted);

}  // namespace starling::sim
