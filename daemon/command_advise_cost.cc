#include "daemon/command_advise_cost.h"

#include <algorithm>
#include <chrono>
#include <numeric>
#include <optional>
#include <utility>

#include "gossip/algorithms.h"
#include "protocol/check.h"

namespace starling::daemon {
namespace {

using compress::OperatorKind;
using compress::OperatorOptions;
using gossip::AlgorithmKind;

// Memory is warm then, and what an operator remembers is there.
constexpr Round kWarmRounds = 2;

constexpr AlgorithmKind kOffered[] = {
    AlgorithmKind::d_psgd, AlgorithmKind::powergossip, AlgorithmKind::powergossip_exact,
    AlgorithmKind::choco,  AlgorithmKind::def_atc,     AlgorithmKind::cold};
// Where all nodes are neighbors.
constexpr AlgorithmKind kOfferedInMesh[] = {AlgorithmKind::econtrol, AlgorithmKind::doublesqueeze};

std::vector<OperatorOptions> offered_operators() {
  return {{.kind = OperatorKind::top_k, .values = {{.kind = OperatorKind::bfloat16}}},
          {.kind = OperatorKind::quantize, .bucket = 128, .bits = 4},
          {.kind = OperatorKind::sign}};
}

bool takes_operator(AlgorithmKind algorithm) {
  return gossip::traits_of(algorithm).takes_operator();
}

std::string coding_of(const node::Config& config) {
  const gossip::AlgorithmTraits& traits = gossip::traits_of(config.gossip.algorithm);
  if (config.gossip.algorithm == AlgorithmKind::none) return "-";
  if (traits.takes(gossip::kPowerIteration) && traits.coding == gossip::Coding::own) {
    return "rank " + std::to_string(config.gossip.rank);
  }
  if (traits.coding == gossip::Coding::own) return "its own";
  return compress::describe(node::operator_of(config));
}

// What belongs to the file's own algorithm (steps, staleness) is not meant for another.
Candidate candidate(const node::Config& config, AlgorithmKind algorithm,
                    const OperatorOptions& coding) {
  Candidate one{.algorithm = gossip::traits_of(algorithm).name, .config = config};
  one.config.gossip = {.algorithm = algorithm};
  one.config.compress = coding;
  one.coding = coding_of(one.config);
  return one;
}

// Reads a clock each time the nodes have done as many rounds as there are nodes. All are in about
// the same round, so between two readings lies a round of each.
class Meter {
 public:
  Meter(std::size_t all, std::size_t present) : sent_(all), nodes_(present) {}

  void note(NodeId node, double now, const node::Progress& progress) {
    sent_[index_of(node)] = static_cast<double>(progress.sent_bytes);
    if (++node_rounds_ % nodes_ != 0 || node_rounds_ < kWarmRounds * nodes_) return;
    readings_.push_back({now, std::accumulate(sent_.begin(), sent_.end(), 0.0)});
  }
  bool is_done() const { return readings_.size() > kMeasuredRounds; }

  RoundCost mean() const {
    return {by_round(readings_.back().seconds - readings_[0].seconds), sent()};
  }
  // Of the seconds: what else the machine has to do meanwhile does not count.
  RoundCost median() const {
    std::vector<double> rounds;
    for (std::size_t i = 1; i < readings_.size(); ++i) {
      rounds.push_back(readings_[i].seconds - readings_[i - 1].seconds);
    }
    std::ranges::nth_element(rounds, rounds.begin() + kMeasuredRounds / 2);
    return {rounds[kMeasuredRounds / 2], sent()};
  }

 private:
  struct Reading {
    double seconds, sent;
  };
  static double by_round(double all) { return all / static_cast<double>(kMeasuredRounds); }
  double sent() const {
    return by_round(readings_.back().sent - readings_[0].sent) / static_cast<double>(nodes_);
  }

  std::vector<double> sent_;  // by node
  const std::size_t nodes_;
  std::uint64_t node_rounds_ = 0;
  std::vector<Reading> readings_;
};

// `read_clock`: of what is measured, at the end of a round that has come in virtual time.
template <class ReadClock>
Result<Meter> measure(const node::Run& run, sim::SimulationOptions options, ReadClock read_clock) {
  node::Config config = run.config;
  config.run.rounds = kWarmRounds + kMeasuredRounds + 4;  // it is stopped before it evaluates
  config.run.evaluate_every = 0;
  const auto few = node::with_config(run, std::move(config));
  if (!few) return few.error();
  sim::Simulation simulation(*few, std::move(options));
  Meter meter(few->config.nodes.size(), few->topology.present().size());
  simulation.observe([&](NodeId node, Time now, const node::Progress& progress) {
    if (meter.is_done()) return;
    meter.note(node, read_clock(now), progress);
    if (meter.is_done()) simulation.stop();
  });
  simulation.run();
  if (simulation.failure()) return Error{ErrorCode::diverged, *simulation.failure()};
  INVARIANT(meter.is_done());
  return meter;
}

}  // namespace

std::vector<Candidate> candidates_of(const node::Config& config) {
  Candidate own{.algorithm = gossip::traits_of(config.gossip.algorithm).name,
                .coding = coding_of(config),
                .own = true,
                .config = config};
  std::vector<Candidate> all = {std::move(own)};
  const auto add = [&](Candidate one) {
    const bool known = one.algorithm == all.front().algorithm && one.coding == all.front().coding;
    if (!known) all.push_back(std::move(one));
  };
  std::vector<AlgorithmKind> offered(std::begin(kOffered), std::end(kOffered));
  if (config.topology.kind == gossip::TopologyKind::complete) {
    offered.insert(offered.end(), std::begin(kOfferedInMesh), std::end(kOfferedInMesh));
  }
  for (const AlgorithmKind algorithm : offered) {
    if (!takes_operator(algorithm)) {
      add(candidate(config, algorithm, {}));
      continue;
    }
    for (const OperatorOptions& coding : offered_operators()) {
      add(candidate(config, algorithm, coding));
    }
  }
  return all;
}

Result<RoundCost> measure_work(const node::Run& run) {
  const auto meter = measure(run, {}, [](Time /*now*/) {
    return seconds(std::chrono::steady_clock::now().time_since_epoch());
  });
  if (!meter) return meter.error();
  RoundCost cost = meter->median();
  cost.seconds /= static_cast<double>(run.topology.present().size());
  return cost;
}

Result<RoundCost> predict(const node::Run& run, sim::SimulationOptions network, double work) {
  network.step = std::chrono::duration_cast<Duration>(std::chrono::duration<double>(work));
  const auto meter = measure(run, std::move(network), [](Time now) { return seconds(now); });
  if (!meter) return meter.error();
  return meter->mean();
}

Result<node::Run> alone(const node::Run& run) {
  return node::with_config(run, candidate(run.config, AlgorithmKind::none, {}).config);
}

}  // namespace starling::daemon
