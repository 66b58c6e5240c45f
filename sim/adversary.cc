#include "sim/adversary.h"

#include <fmt/format.h>

#include <algorithm>

#include "protocol/random.h"

namespace starling::sim {
namespace {

// Numbers of one seed, one after the other.
class Dice {
 public:
  explicit Dice(std::uint64_t seed) : random_(seed, Stream::faults) {}

  double uniform() { return random_.uniform(next_++); }
  bool chance(double p) { return uniform() < p; }
  std::size_t below(std::size_t bound) { return random_.below(next_++, bound); }
  Duration between(Duration low, Duration high) {
    const double range = static_cast<double>((high - low).count());
    return low + Duration{static_cast<Duration::rep>(uniform() * range)};
  }

 private:
  Random random_;
  std::uint64_t next_ = 0;
};

Duration calm_of(const Undisturbed& run) { return run.length * 7 / 10; }

// Most last for a few rounds, some longer than a silence that takes links down.
Duration length_of_fault(Dice& dice, Duration run, Duration silence) {
  if (dice.chance(0.25)) return dice.between(silence, 3 * silence);
  return dice.between(Duration{0}, run / 20);
}

Fault draw(FaultKind kind, Dice& dice, const Undisturbed& run) {
  const Duration calm = calm_of(run);
  const gossip::Topology& topology = run.topology;
  Fault fault{kind, dice.between(Duration{0}, calm), {}};
  fault.until = std::min(fault.at + length_of_fault(dice, run.length, run.silence), calm);
  const auto& edge = topology.edges()[dice.below(topology.edges().size())];
  fault.a = edge.low;
  fault.b = edge.high;
  if (kind == FaultKind::stall && dice.chance(0.5)) std::swap(fault.a, fault.b);
  if (kind == FaultKind::partition) {
    for (std::size_t i = 0; i < topology.nodes(); ++i) {
      if (dice.chance(0.5)) fault.side.push_back(node_id(i));
    }
  }
  if (kind == FaultKind::twin) fault.copied = dice.chance(0.5);
  if (kind == FaultKind::mismatch) fault.field = run.fields[dice.below(run.fields.size())];
  return fault;
}

// A twin gets only what is cut off, and begins to train when it has all links of the name.
Fault isolate(const Fault& twin, Dice& dice) {
  const Time at = dice.between(twin.at, twin.until);
  return {FaultKind::partition, at, dice.between(at, twin.until), twin.a, twin.b, {twin.a}};
}

bool is_of_node(FaultKind kind) {
  switch (kind) {
    case FaultKind::cut:
    case FaultKind::stall:
    case FaultKind::partition: return false;
    case FaultKind::pause:
    case FaultKind::restart:
    case FaultKind::join_late:
    case FaultKind::twin:
    case FaultKind::mismatch: return true;
  }
  return false;
}

}  // namespace

const char* name_of(FaultKind kind) {
  switch (kind) {
    case FaultKind::cut: return "cut";
    case FaultKind::stall: return "stall";
    case FaultKind::partition: return "partition";
    case FaultKind::pause: return "pause";
    case FaultKind::restart: return "restart";
    case FaultKind::join_late: return "join late";
    case FaultKind::twin: return "twin of";
    case FaultKind::mismatch: return "mismatch at";
  }
  return "?";
}

bool FaultPlan::loses_memory() const {
  return std::ranges::any_of(faults, [](const Fault& fault) {
    return fault.kind == FaultKind::restart || fault.kind == FaultKind::join_late ||
           fault.kind == FaultKind::twin || fault.kind == FaultKind::mismatch;
  });
}

std::string FaultPlan::describe() const {
  std::string text = fmt::format(
      "seed {}: loss {:.3f}, jitter {:.6f} s, {}", seed, loss, seconds(jitter),
      checkpoint_every > 0 ? fmt::format("a checkpoint every {} rounds, {:.0f} % of the "
                                         "disks' operations fail",
                                         checkpoint_every, 100 * disk_faults)
                           : "no checkpoints");
  for (const auto& [node, factor] : slow) {
    text += fmt::format(", n{} {:.1f} times slower", index_of(node), factor);
  }
  for (const Fault& f : faults) {
    text += fmt::format("\n  {:.6f} s to {:.6f} s: {} n{}", seconds(f.at), seconds(f.until),
                        name_of(f.kind), index_of(f.a));
    if (!is_of_node(f.kind) && f.side.empty()) text += fmt::format(" n{}", index_of(f.b));
    if (f.kind == FaultKind::partition) {
      text.resize(text.rfind(' '));
      for (const NodeId node : f.side) text += fmt::format(" n{}", index_of(node));
    }
    if (f.copied) text += ", with its checkpoints";
    if (!f.field.empty()) text += fmt::format(": another {}", f.field);
  }
  return text;
}

Undisturbed undisturbed(const node::Run& run, Duration length) {
  Undisturbed out{.topology = run.topology, .length = length, .silence = length / 3};
  for (FingerprintField& field : node::fingerprint_of(run)) {
    if (field.name != kAwayField) out.fields.push_back(std::move(field.name));
  }
  return out;
}

FaultPlan draw_faults(std::uint64_t seed, const Undisturbed& run) {
  Dice dice(seed);
  FaultPlan plan{.seed = seed, .calm = calm_of(run)};
  if (dice.chance(0.4)) plan.loss = 0.3 * dice.uniform() * dice.uniform();
  if (dice.chance(0.5)) plan.jitter = dice.between(Duration{0}, run.length / 50);
  if (dice.chance(0.3)) {
    plan.slow[node_id(dice.below(run.topology.nodes()))] = 1 + 9 * dice.uniform();
  }
  if (!dice.chance(1.0 / 3)) plan.checkpoint_every = 1 + dice.below(40);
  if (dice.chance(1.0 / 3)) plan.disk_faults = 0.02;
  if (run.topology.edges().empty()) return plan;
  for (const FaultKind kind : kAllFaults) {
    if (!dice.chance(0.4)) continue;
    const std::size_t count = 1 + dice.below(kind == FaultKind::cut ? 20 : 4);
    for (std::size_t i = 0; i < count; ++i) {
      plan.faults.push_back(draw(kind, dice, run));
      const Fault& fault = plan.faults.back();
      if (kind != FaultKind::twin || dice.chance(0.3)) continue;
      plan.faults.push_back(isolate(fault, dice));
    }
  }
  return plan;
}

SimulationOptions with_faults(SimulationOptions base, const FaultPlan& plan,
                              const Undisturbed& run) {
  base.link.jitter += plan.jitter;
  for (const auto& [node, factor] : plan.slow)
    base.slow.try_emplace(node, 1).first->second *= factor;
  base.silence = run.silence;
  base.loss = plan.loss;
  base.loss_until = plan.calm;
  base.checkpoints = {.every = plan.checkpoint_every};
  base.disk_faults = plan.disk_faults;
  base.fault_seed = plan.seed;
  return base;
}

void apply(const FaultPlan& plan, const gossip::Topology& topology, Simulation& simulation) {
  for (const Fault& fault : plan.faults) {
    switch (fault.kind) {
      case FaultKind::cut:
        simulation.cut(fault.a, fault.b, fault.at);
        simulation.heal(fault.a, fault.b, fault.until);
        break;
      case FaultKind::stall: simulation.stall(fault.a, fault.b, fault.at, fault.until); break;
      case FaultKind::partition:
        for (const gossip::Edge& edge : topology.edges()) {
          const auto inside = [&](NodeId n) { return std::ranges::count(fault.side, n) > 0; };
          if (inside(edge.low) == inside(edge.high)) continue;
          simulation.cut(edge.low, edge.high, fault.at);
          simulation.heal(edge.low, edge.high, fault.until);
        }
        break;
      case FaultKind::pause: simulation.pause(fault.a, fault.at, fault.until); break;
      case FaultKind::restart:
        simulation.kill(fault.a, fault.at);
        simulation.restart(fault.a, fault.until);
        break;
      case FaultKind::join_late: simulation.join_late(fault.a, fault.until); break;
      case FaultKind::twin: simulation.twin(fault.a, fault.at, fault.until, fault.copied); break;
      case FaultKind::mismatch:
        simulation.misconfigure(fault.a, fault.at, fault.until, fault.field);
        break;
    }
  }
}

}  // namespace starling::sim
