// Drives a flock of algorithms in one thread without a network or a clock: every message arrives
// at once, in the order in which it was sent. The least that can run an Algorithm, for tests of
// the mathematics; sim/ has links, time and faults.
#pragma once

#include <algorithm>
#include <cmath>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <vector>

#include "gossip/algorithm.h"
#include "gossip/assembly.h"
#include "protocol/check.h"

namespace starling::test {

// Writes node i's update at its model into `update`.
using UpdateOf =
    std::function<void(std::size_t node, std::span<const float> model, std::span<float> update)>;

class Lockstep {
 public:
  // `starts[i]` is node i's start model; neighbors know nothing of it.
  Lockstep(const gossip::GossipOptions& options, const gossip::Topology& topology,
           const TensorLayout& layout, const std::vector<std::vector<float>>& starts,
           std::uint64_t seed = 7,
           const std::function<std::unique_ptr<compress::Compressor>()>& compressor = {})
      : done_(topology.nodes()) {
    const std::vector<float> common(layout.size(), 0.0f);
    for (std::size_t i = 0; i < topology.nodes(); ++i) {
      nodes_.push_back(gossip::make_algorithm(
          options, {topology, layout, starts[i], common, node_id(i), seed,
                    compressor ? compressor() : nullptr, compressor ? compressor() : nullptr}));
    }
    for (std::size_t i = 0; i < nodes_.size(); ++i) {
      connect(i, gossip::partners(options, topology, node_id(i)));
    }
  }
  // Of algorithms that were made elsewhere.
  Lockstep(std::vector<std::unique_ptr<gossip::Algorithm>> nodes, const gossip::Topology& topology)
      : nodes_(std::move(nodes)), done_(nodes_.size()) {
    for (std::size_t i = 0; i < nodes_.size(); ++i) connect(i, topology.neighbors(node_id(i)));
  }

  // `from`: the number of the first round where it is not the next one.
  void run(Round rounds, const UpdateOf& update_of, std::optional<Round> from = std::nullopt) {
    next_round_ = from.value_or(next_round_);
    for (Round r = 0; r < rounds; ++r, ++next_round_) {
      update_of_ = &update_of;
      std::fill(done_.begin(), done_.end(), false);
      for (std::size_t i = 0; i < nodes_.size(); ++i) give(i, gossip::BeginRound{next_round_});
      pump();
      for (const bool done : done_) INVARIANT(done);
    }
  }
  // Rounds whose local steps change nothing: pure gossip.
  void mix(Round rounds) {
    run(rounds, [](std::size_t, std::span<const float>, std::span<float> update) {
      std::fill(update.begin(), update.end(), 0.0f);
    });
  }

  std::span<const float> model(std::size_t node) const { return nodes_[node]->model(); }
  std::size_t size() const { return nodes_.size(); }
  gossip::Algorithm& algorithm(std::size_t node) { return *nodes_[node]; }
  std::uint64_t sent_bytes() const { return sent_bytes_; }

  double learning_rate = 1;  // that is in the updates

  // Called with everything that happens, in order.
  std::function<void(std::size_t node, const gossip::Event&)> on_event;
  std::function<void(std::size_t node, const gossip::Action&)> on_action;
  // May change what a node sends.
  std::function<void(std::size_t node, gossip::Send&)> tamper;

  void give(std::size_t node, const gossip::Event& event) {
    if (on_event) on_event(node, event);
    gossip::Outbox out;
    nodes_[node]->handle(event, Time{0}, out);
    for (auto& action : out) {
      if (on_action) on_action(node, action);
      queue_.push_back({node, std::move(action)});
    }
  }

  void pump() {
    while (!queue_.empty()) {
      auto [node, action] = std::move(queue_.front());
      queue_.pop_front();
      if (auto* send = std::get_if<gossip::Send>(&action)) {
        if (tamper) tamper(node, *send);
        sent_bytes_ += send->parcel.body.size();
        give(index_of(send->to), gossip::Received{node_id(node), send->parcel});
      } else if (std::holds_alternative<gossip::RunLocalStep>(action)) {
        std::vector<float>& update = updates_[node];
        update.resize(model(node).size());
        (*update_of_)(node, model(node), update);
        give(node, gossip::LocalStepDone{update, learning_rate});
      } else if (std::holds_alternative<gossip::RoundFinished>(action)) {
        done_[node] = true;
      }
    }
  }

  // Mean over the nodes, in double.
  std::vector<double> mean() const {
    std::vector<double> sum(model(0).size(), 0.0);
    for (std::size_t i = 0; i < size(); ++i) {
      for (std::size_t k = 0; k < sum.size(); ++k) sum[k] += model(i)[k];
    }
    for (double& s : sum) s /= static_cast<double>(size());
    return sum;
  }

  // Root mean square distance of the models from their mean, relative to `scale`.
  double consensus_distance(double scale) const {
    const std::vector<double> center = mean();
    double sum = 0;
    for (std::size_t i = 0; i < size(); ++i) {
      for (std::size_t k = 0; k < center.size(); ++k) {
        sum += (model(i)[k] - center[k]) * (model(i)[k] - center[k]);
      }
    }
    return std::sqrt(sum / static_cast<double>(size())) / scale;
  }

 private:
  void connect(std::size_t node, const std::vector<NodeId>& partners) {
    for (const NodeId peer : partners) give(node, gossip::PeerUp{peer, 1});
  }

  std::vector<std::unique_ptr<gossip::Algorithm>> nodes_;
  std::vector<bool> done_;
  std::deque<std::pair<std::size_t, gossip::Action>> queue_;
  std::map<std::size_t, std::vector<float>> updates_;  // the newest of each node
  const UpdateOf* update_of_ = nullptr;
  Round next_round_ = 0;
  std::uint64_t sent_bytes_ = 0;
};

}  // namespace starling::test
