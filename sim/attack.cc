#include "sim/attack.h"

#include <algorithm>
#include <cmath>
#include <string>

#include "protocol/check.h"

namespace starling::sim {
namespace {

using Models = std::vector<std::span<const float>>;

// Of each coordinate over the honest nodes: mean + factor · standard deviation.
void shifted_mean(const Models& models, double factor, std::span<float> out) {
  for (std::size_t k = 0; k < out.size(); ++k) {
    double sum = 0, squares = 0, count = 0;
    for (const auto& x : models) {
      if (x.empty()) continue;
      sum += x[k];
      squares += static_cast<double>(x[k]) * x[k];
      ++count;
    }
    const double mean = sum / count;
    const double deviation = std::sqrt(std::max(0.0, squares / count - mean * mean));
    out[k] = static_cast<float>(mean + factor * deviation);
  }
}

void dissent(const gossip::Topology& topology, NodeId liar, const Models& models,
             std::span<float> out) {
  constexpr double kEpsilon = 1.5;
  const std::vector<NodeId> neighbors = topology.neighbors(liar);
  std::vector<double> sum(out.size(), 0.0);
  for (const NodeId i : neighbors) {
    const auto x = models[index_of(i)];
    for (std::size_t c = 0; c < out.size(); ++c) sum[c] += x[c];
    for (const NodeId k : topology.neighbors(i)) {
      if (k == liar) continue;
      const double step = kEpsilon * topology.weight(i, k) / topology.weight(i, liar);
      const auto y = models[index_of(k)];
      for (std::size_t c = 0; c < out.size(); ++c) sum[c] -= step * (y[c] - x[c]);
    }
  }
  for (std::size_t c = 0; c < out.size(); ++c) {
    out[c] = static_cast<float>(sum[c] / static_cast<double>(neighbors.size()));
  }
}

class Liar final : public train::Trainer {
 public:
  Liar(std::unique_ptr<train::Trainer> honest, Wanted wanted)
      : honest_(std::move(honest)), wanted_(std::move(wanted)) {}

  const TensorLayout& layout() const override { return honest_->layout(); }
  void initialize(std::span<float> x) const override { honest_->initialize(x); }
  double step(Round /*round*/, std::span<const float> x, std::span<float> update) override {
    wanted_(update);
    for (std::size_t i = 0; i < x.size(); ++i) update[i] = x[i] - update[i];
    return 0;
  }
  double learning_rate(Round round) const override { return honest_->learning_rate(round); }
  train::Evaluation evaluate(std::span<const float> x) override { return honest_->evaluate(x); }
  void archive(Archive& archive) override { honest_->archive(archive); }
  train::MemoryUse memory() const override { return honest_->memory(); }
  std::string describe() const override { return "a liar"; }

 private:
  const std::unique_ptr<train::Trainer> honest_;
  const Wanted wanted_;
};

}  // namespace

const char* name_of(AttackKind kind) {
  switch (kind) {
    case AttackKind::sign_flip: return "sign-flip";
    case AttackKind::constant: return "constant";
    case AttackKind::alie: return "alie";
    case AttackKind::dissensus: return "dissensus";
  }
  return "?";
}

std::optional<AttackKind> attack_of(std::string_view name) {
  for (const AttackKind kind : kAllAttacks) {
    if (name == name_of(kind)) return kind;
  }
  return std::nullopt;
}

void make_attack(AttackKind kind, const gossip::Topology& topology, NodeId liar,
                 const std::vector<std::span<const float>>& models, std::span<float> out) {
  INVARIANT(models.size() == topology.nodes() && models[index_of(liar)].empty());
  switch (kind) {
    case AttackKind::sign_flip:
      shifted_mean(models, 0, out);
      for (float& x : out) x *= -10;
      break;
    case AttackKind::constant: std::ranges::fill(out, 1e6f); break;
    case AttackKind::alie: shifted_mean(models, -1.5, out); break;
    case AttackKind::dissensus: dissent(topology, liar, models, out); break;
  }
}

std::unique_ptr<train::Trainer> make_liar(std::unique_ptr<train::Trainer> honest, Wanted wanted) {
  return std::make_unique<Liar>(std::move(honest), std::move(wanted));
}

}  // namespace starling::sim
