#include "gossip/budgeted.h"

#include <algorithm>
#include <utility>

#include "compress/header.h"
#include "gossip/algorithms.h"
#include "gossip/mesh/methods.h"
#include "protocol/check.h"
#include "protocol/frame.h"

namespace starling::gossip {
namespace {

// In front of a piece the hash of what both hold, in front of what is told back its rate.
constexpr double kMeshPrefixBytes = 8 + 4;

}  // namespace

compress::RoundShape round_shape(const GossipOptions& options, const TensorLayout& coded,
                                 double raw_bytes, Round rounds) {
  const AlgorithmKind kind = options.algorithm;
  constexpr double kFrame = kFrameHeaderBytes;
  if (traits_of(kind).is_mesh()) {
    const bool raw_back = tells_the_mean(kind);
    const auto mean = static_cast<double>(coded.size() * sizeof(float) + compress::kHeaderBytes);
    const std::size_t repeats = kind == AlgorithmKind::neolithic ? options.repeats : 1;
    return {.messages = repeats * (raw_back ? 1 : 2),
            .fixed_bytes = 2 * kFrame + kMeshPrefixBytes + (raw_back ? mean : 0),
            .rounds = rounds};
  }
  const std::size_t messages = kind == AlgorithmKind::beer ? 2 : 1;
  return {.messages = messages,
          .fixed_bytes = static_cast<double>(messages) * (kFrame + raw_bytes),
          .rounds = rounds};
}

Budgeted::Budgeted(std::unique_ptr<compress::Budget> budget, std::vector<NodeId> peers,
                   std::unique_ptr<Algorithm> algorithm)
    : budget_(std::move(budget)), peers_(std::move(peers)), algorithm_(std::move(algorithm)) {
  INVARIANT(budget_->links() == peers_.size());
}

std::size_t Budgeted::link_of(NodeId peer) const {
  const auto at = std::ranges::lower_bound(peers_, peer);
  INVARIANT(at != peers_.end() && *at == peer);
  return static_cast<std::size_t>(at - peers_.begin());
}

void Budgeted::handle(Event event, Time now, Outbox& out) {
  before(event, now);
  const std::size_t had = out.size();
  algorithm_->handle(std::move(event), now, out);
  for (std::size_t i = had; i < out.size(); ++i) after(out[i]);
}

void Budgeted::before(const Event& event, Time now) {
  if (const auto* begin = std::get_if<BeginRound>(&event)) {
    for (const LinkRate& link : begin->rates) {
      budget_->measured(link_of(link.peer), link.bytes_per_second);
    }
    budget_->begin_round(begin->round, now);
  } else if (const auto* step = std::get_if<LocalStepDone>(&event)) {
    budget_->set_learning_rate(step->learning_rate);
  }
}

void Budgeted::after(const Action& action) {
  if (const auto* send = std::get_if<Send>(&action)) {
    if (!send->parcel.is_of_exchange()) return;
    budget_->sent(link_of(send->to), kFrameHeaderBytes + send->parcel.body.size());
  } else if (std::holds_alternative<RoundFinished>(action)) {
    budget_->end_round();
  }
}

std::vector<RateStatus> Budgeted::rates() const {
  std::vector<RateStatus> all;
  for (std::size_t i = 0; i < peers_.size(); ++i) {
    all.push_back({peers_[i], budget_->queue(i), budget_->mean_cost(i)});
  }
  return all;
}

void Budgeted::archive(Archive& archive) {
  algorithm_->archive(archive);
  const Archive::Scope scope(archive, "rate");
  std::vector<std::uint64_t> names;
  for (const NodeId peer : peers_) names.push_back(index_of(peer));
  budget_->archive(archive, names);
}

}  // namespace starling::gossip
