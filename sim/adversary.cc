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

// Most last for a few rounds, some longer than a silence that takes links down.
Duration length_of_fault(Dice& dice, Duration run, Duration silence) {
  if (dice.chance(0.25)) return dice.between(silence, 3 * silence);
  return dice.between(Duration{0}, run / 20);
}

Fault draw(FaultKind kind, Dice& dice, const gossip::Topology& topology, Duration run,
           Duration silence) {
  const Duration calm = run * 7 / 10;
  Fault fault{kind, dice.between(Duration{0}, calm), {}};
  fault.until = std::min(fault.at + length_of_fault(dice, run, silence), calm);
  const auto& edge = topology.edges()[dice.below(topology.edges().size())];
  fault.a = edge.low;
  fault.b = edge.high;
  if (kind == FaultKind::stall && dice.chance(0.5)) std::swap(fault.a, fault.b);
  if (kind == FaultKind::partition) {
    for (std::size_t i = 0; i < topology.nodes(); ++i) {
      if (dice.chance(0.5)) fault.side.push_back(node_id(i));
    }
  }
  return fault;
}

bool is_of_node(FaultKind kind) {
  return kind == FaultKind::pause || kind == FaultKind::restart || kind == FaultKind::join_late;
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
  }
  return "?";
}

bool FaultPlan::loses_memory() const {
  return std::ranges::any_of(faults, [](const Fault& fault) {
    return fault.kind == FaultKind::restart || fault.kind == FaultKind::join_late;
  });
}

std::string FaultPlan::describe() const {
  std::string text =
      fmt::format("seed {}: loss {:.3f}, jitter {:.6f} s", seed, loss, seconds(jitter));
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
  }
  return text;
}

FaultPlan draw_faults(std::uint64_t seed, const gossip::Topology& topology, Duration length,
                      Duration silence) {
  Dice dice(seed);
  FaultPlan plan{.seed = seed};
  if (dice.chance(0.4)) plan.loss = 0.3 * dice.uniform() * dice.uniform();
  if (dice.chance(0.5)) plan.jitter = dice.between(Duration{0}, length / 50);
  if (dice.chance(0.3)) {
    plan.slow[node_id(dice.below(topology.nodes()))] = 1 + 9 * dice.uniform();
  }
  for (const FaultKind kind : kAllFaults) {
    if (!dice.chance(0.4)) continue;
    const std::size_t count = 1 + dice.below(kind == FaultKind::cut ? 20 : 4);
    for (std::size_t i = 0; i < count; ++i) {
      plan.faults.push_back(draw(kind, dice, topology, length, silence));
    }
  }
  return plan;
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
    }
  }
}

}  // namespace starling::sim
