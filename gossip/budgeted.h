// An algorithm whose messages follow a budget: counts what goes over each link and tells the
// controller.
#pragma once

#include <memory>
#include <vector>

#include "compress/budget.h"
#include "gossip/algorithm.h"
#include "gossip/options.h"
#include "protocol/tensor_layout.h"

namespace starling::gossip {

// What a round of the algorithm sends over a link of a node, frame headers included: messages of
// the operator, for vectors of coded_layout(), and what goes beside them. `raw_bytes`: of each of
// them what goes without the operator (compress::raw_tensors).
compress::RoundShape round_shape(const GossipOptions& options, const TensorLayout& coded,
                                 double raw_bytes, Round rounds);

// Any other algorithm, whose events and actions pass through unchanged. Its compressors refer to
// `budget` (compress/rated.h). The controller hears of the learning rate and the links before the
// algorithm does, and of what was sent after.
class Budgeted final : public Algorithm {
 public:
  // `peers`: of the links, ascending, in the order in which the budget numbers them.
  Budgeted(std::unique_ptr<compress::Budget> budget, std::vector<NodeId> peers,
           std::unique_ptr<Algorithm> algorithm);

  void handle(Event event, Time now, Outbox& out) override;
  std::span<const float> model() const override { return algorithm_->model(); }
  void begin_at(std::span<const float> model) override { algorithm_->begin_at(model); }
  std::vector<double> conserved() const override { return algorithm_->conserved(); }
  std::optional<std::span<const float>> slope() override { return algorithm_->slope(); }
  std::size_t body_bytes_max() const override { return algorithm_->body_bytes_max(); }
  std::size_t uncompressed_bytes() const override { return algorithm_->uncompressed_bytes(); }
  void archive(Archive& archive) override;
  void wind_up() override { algorithm_->wind_up(); }
  void rewired() override { algorithm_->rewired(); }
  std::vector<EdgeStatus> edges() const override { return algorithm_->edges(); }
  std::uint64_t edge_hash(NodeId peer) const override { return algorithm_->edge_hash(peer); }
  Round alone_from(Round round) const override { return algorithm_->alone_from(round); }
  std::vector<NodeId> waiting_for() const override { return algorithm_->waiting_for(); }
  std::vector<RateStatus> rates() const override;

 private:
  std::size_t link_of(NodeId peer) const;
  void before(const Event& event, Time now);
  void after(const Action& action);

  const std::unique_ptr<compress::Budget> budget_;  // outlives the compressors in algorithm_
  const std::vector<NodeId> peers_;
  const std::unique_ptr<Algorithm> algorithm_;
};

}  // namespace starling::gossip
