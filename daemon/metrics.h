// The figures of a node in Prometheus' words: https://prometheus.io/docs/practices/naming/
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "node/consensus.h"
#include "node/core.h"
#include "peer/links.h"
#include "peer/net.h"
#include "protocol/ids.h"

namespace prometheus {
struct MetricFamily;
}

namespace starling::daemon {

// What only shows when it is noted as it happens. io thread only.
class Tally {
 public:
  static constexpr std::size_t kParts = 5;
  static constexpr std::array<const char*, kParts> kPartNames{"compute", "encode", "evaluate",
                                                              "checkpoint", "wait"};
  // Upper bounds of a histogram's buckets, in seconds; one without a bound follows.
  static constexpr std::array kBounds{0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25,
                                      0.5,   1.0,    2.5,   5.0,  10.0,  30.0, 60.0};
  // Seconds that one part of a round took, over all rounds of this process.
  struct Histogram {
    std::array<std::uint64_t, kBounds.size() + 1> counts{};
    std::uint64_t count = 0;
    double sum = 0;
  };
  struct TurnedAway {
    std::uint64_t late = 0;  // the neighbor missed a deadline and was left out
    std::uint64_t invalid =
        0;  // what it sent broke a rule: length, order, a value that is no number
  };

  // Where the first round of this process begins.
  void begin(const node::Progress& before) { before_ = before; }
  // `after`: at the end of a round.
  void round_done(const node::Progress& after);
  void left_out(NodeId peer) { ++turned_away_[peer].late; }
  void rejected(NodeId peer) { ++turned_away_[peer].invalid; }
  void checkpointed(bool saved);

  const std::array<Histogram, kParts>& parts() const { return parts_; }
  TurnedAway turned_away(NodeId peer) const;
  std::uint64_t checkpoints_failed() const { return checkpoints_failed_; }
  // Of the newest checkpoint that this process has saved.
  std::optional<double> checkpoint_age_seconds() const;

 private:
  node::Progress before_;
  std::array<Histogram, kParts> parts_{};
  std::map<NodeId, TurnedAway> turned_away_;
  std::uint64_t checkpoints_failed_ = 0;
  std::optional<peer::Clock::time_point> saved_at_;
};

// One neighbor, for its label and what is not the links' affair.
struct PeerFigures {
  std::string name;
  double weight = 0;
  peer::LinkStatus link;
  node::EdgeCounts counts{};
};

struct Figures {
  std::string run, node, algorithm;
  Round rounds = 0;  // asked for
  double uptime_seconds = 0;
  std::uint64_t memory_forecast_bytes = 0;
  const node::Progress& progress;
  const Tally& tally;
  const node::Consensus& consensus;
  std::vector<PeerFigures> peers;
};

// Every sample has the label `node`, so that those of several nodes stand side by side; `peer` is a
// name of the run file, so there are as many as neighbors. Reads this process's memory and time
// from the kernel. Any thread that may read what `figures` refers to.
std::vector<prometheus::MetricFamily> families_of(const Figures& figures);

// Text format 0.0.4.
std::string text_of(const std::vector<prometheus::MetricFamily>& families);

// The same families of several nodes, each as text_of() made them, under one heading each.
std::string joined(const std::vector<std::string>& texts);

}  // namespace starling::daemon
