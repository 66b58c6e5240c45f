#include "node/giver.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>

#include "node/fetch.h"
#include "protocol/frame.h"

namespace starling::node {
namespace {

gossip::Parcel snapshot_frame(std::uint64_t name, Round round) {
  ByteBlock body(kSnapshotBodyBytes);
  std::memcpy(body.bytes().data(), &round, sizeof round);
  return {.type = FrameType::snapshot, .base = name, .body = std::move(body)};
}

}  // namespace

gossip::Parcel Giver::nothing() { return snapshot_frame(0, 0); }

gossip::Parcel Giver::announce(const Snapshot& snapshot) {
  return snapshot_frame(snapshot.name, snapshot.round);
}

bool Giver::may_share(NodeId with, Round round) const {
  const auto other = [with](NodeId node) { return node != with; };
  return snapshot_ &&
         (std::ranges::any_of(fetching_, other) || round <= snapshot_->round + options_.share);
}

Result<std::optional<gossip::Parcel>> Giver::answer(NodeId from, const gossip::Parcel& ask,
                                                    Round round, Time now) {
  used_ = now;
  if (snapshot_ && ask.base == snapshot_->name) {
    Result<gossip::Parcel> found = piece(from, ask.exchange);
    if (!found) return found.error();
    return std::optional(std::move(*found));
  }
  if (may_share(from, round)) {
    fetching_.insert(from);
    return std::optional(announce(*snapshot_));
  }
  if (++waiting_[from] > options_.waiting_max) {
    return Error{ErrorCode::peer, fmt::format("{} asks for a model at once, expected at most {}",
                                              waiting_[from], options_.waiting_max)};
  }
  return std::optional<gossip::Parcel>();
}

Result<gossip::Parcel> Giver::piece(NodeId from, std::uint32_t index) {
  const SharedBytes& model = snapshot_->model;
  const std::size_t count = (model.size() + kPieceBytes - 1) / kPieceBytes;
  if (index >= count) {
    return Error{ErrorCode::peer,
                 fmt::format("an ask for piece {}, expected one below {}", index, count)};
  }
  interrupted_.erase(from);
  if (index + 1 == count) {
    fetching_.erase(from);
  } else {
    fetching_.insert(from);
  }
  const std::size_t begin = index * kPieceBytes;
  return gossip::Parcel{.type = FrameType::piece,
                        .exchange = index,
                        .base = snapshot_->name,
                        .body = model.slice(begin, std::min(kPieceBytes, model.size() - begin))};
}

std::vector<std::pair<NodeId, gossip::Parcel>> Giver::give(std::span<const float> model,
                                                           Round round) {
  ByteBlock copy(model.size_bytes());
  std::ranges::copy(model, copy.floats().begin());
  snapshot_ = {snapshot_name(model), round, std::move(copy)};
  fetching_.clear();
  interrupted_.clear();
  std::vector<std::pair<NodeId, gossip::Parcel>> answers;
  for (const auto& [node, asks] : waiting_) {
    fetching_.insert(node);
    answers.insert(answers.end(), asks, {node, announce(*snapshot_)});
  }
  waiting_.clear();
  return answers;
}

void Giver::down(NodeId peer) {
  waiting_.erase(peer);
  if (fetching_.erase(peer) > 0) interrupted_.insert(peer);
}

void Giver::look_at_time(Time now) {
  const bool is_wanted = !fetching_.empty() || !interrupted_.empty();
  if (!snapshot_ || (is_wanted && now - used_ < options_.keep)) return;
  snapshot_.reset();
  fetching_.clear();
  interrupted_.clear();
}

}  // namespace starling::node
