#include "gossip/replicas.h"

#include <algorithm>

#include "protocol/check.h"

namespace starling::gossip {
namespace {

constexpr std::size_t kNone = SIZE_MAX;

void advance(std::span<float> x, const compress::Compressor& c, const SharedBytes& message,
             float step) {
  INVARIANT(c.decode_add(message.bytes(), step, x).ok());
}

}  // namespace

Replicas::Replicas(std::span<const float> common, std::size_t edges, bool with_self)
    : common_(common.begin(), common.end()),
      self_(edges),
      group_of_(edges + 1, kNone),
      theirs_(edges) {
  if (!with_self) return;
  group_of_[self_] = fresh_group();
  groups_[group_of_[self_]].members.push_back(self_);
}

// The group that has committed nothing yet, or a free one, or a new one.
std::size_t Replicas::fresh_group() {
  const auto usable = [](const Group& g) { return g.fresh && !g.members.empty(); };
  auto at = std::ranges::find_if(groups_, usable);
  if (at == groups_.end()) {
    at = std::ranges::find_if(groups_, [](const Group& g) { return g.members.empty(); });
    if (at == groups_.end()) at = groups_.emplace(at);
    *at = Group{.reference = common_};
  }
  return static_cast<std::size_t>(at - groups_.begin());
}

void Replicas::leave(std::size_t member) {
  if (group_of_[member] == kNone) return;
  Group& group = groups_[group_of_[member]];
  std::erase(group.members, member);
  if (group.members.empty()) group = Group{};
  group_of_[member] = kNone;
}

void Replicas::open(std::size_t edge) {
  leave(edge);
  group_of_[edge] = fresh_group();
  groups_[group_of_[edge]].members.push_back(edge);
  theirs_[edge] = common_;
}

void Replicas::close(std::size_t edge) {
  leave(edge);
  theirs_[edge] = {};
}

Result<void> Replicas::encode(std::span<const std::size_t> edges, std::span<SharedBytes> out,
                              const Make& make) {
  for (Group& group : groups_) group.message = {};
  const auto message_of = [&](std::size_t member) -> Result<SharedBytes> {
    Group& group = groups_[group_of_[member]];
    if (group.message.size() == 0) {
      Result<SharedBytes> made = make(group);
      if (!made) return made.error();
      group.message = std::move(*made);
    }
    return group.message;
  };
  if (group_of_[self_] != kNone) {
    if (Result<SharedBytes> made = message_of(self_); !made) return made.error();
  }
  for (std::size_t i = 0; i < edges.size(); ++i) {
    Result<SharedBytes> made = message_of(edges[i]);
    if (!made) return made.error();
    out[i] = std::move(*made);
  }
  return {};
}

void Replicas::commit(std::span<const Arrival> arrivals, const compress::Compressor& c,
                      float step) {
  std::vector<bool> committed(self_ + 1, false);
  for (const Arrival& arrival : arrivals) {
    committed[arrival.edge] = true;
    advance(theirs_[arrival.edge], c, arrival.body, step);
  }
  committed[self_] = true;
  const std::size_t groups = groups_.size();
  for (std::size_t g = 0; g < groups; ++g) {
    if (!groups_[g].members.empty()) settle(g, committed, c, step);
  }
}

void Replicas::move_committed(std::span<const Arrival> arrivals, const compress::Compressor& c,
                              float step) {
  for (const Arrival& arrival : arrivals) advance(theirs_[arrival.edge], c, arrival.body, step);
  for (Group& group : groups_) {
    if (group.message.size() > 0) advance(group.reference, c, group.message, step);
  }
}

// The members that committed go on with the message; the others keep the reference as it was.
void Replicas::settle(std::size_t g, const std::vector<bool>& committed,
                      const compress::Compressor& c, float step) {
  std::vector<std::size_t> on, behind;
  for (const std::size_t member : groups_[g].members) {
    (committed[member] ? on : behind).push_back(member);
  }
  if (on.empty()) {
    groups_[g].message = {};
    return;
  }
  INVARIANT(groups_[g].message.size() > 0);
  if (!behind.empty()) {
    for (const std::size_t member : behind) group_of_[member] = groups_.size();
    Group& old = groups_.emplace_back(groups_[g]);
    old.members = std::move(behind);
    old.message = {};
  }
  Group& group = groups_[g];
  group.members = std::move(on);
  group.fresh = false;
  advance(group.reference, c, group.message, step);
  std::swap(group.residual, group.next_residual);
}

void EdgeDuals::add(std::size_t edge, float factor, std::span<const float> ours,
                    std::span<const float> theirs) {
  std::vector<float>& dual = duals_[edge];
  INVARIANT(dual.size() == ours.size() && dual.size() == theirs.size());
  for (std::size_t i = 0; i < dual.size(); ++i) dual[i] += factor * (ours[i] - theirs[i]);
}

void EdgeDuals::follow(double learning_rate) {
  const bool changed = learning_rate_ > 0 && learning_rate > 0 && learning_rate != learning_rate_;
  if (changed) {
    const auto ratio = static_cast<float>(learning_rate / learning_rate_);
    for (std::vector<float>& dual : duals_) {
      for (float& value : dual) value *= ratio;
    }
  }
  if (learning_rate > 0) learning_rate_ = learning_rate;
}

void EdgeDuals::subtract_sum(std::span<float> x) const {
  for (const std::vector<float>& dual : duals_) {
    for (std::size_t i = 0; i < dual.size(); ++i) x[i] -= dual[i];
  }
}

}  // namespace starling::gossip
