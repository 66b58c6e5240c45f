#include "node/healing.h"

#include <fmt/format.h>

#include <algorithm>

#include "protocol/frame.h"

namespace starling::node {

std::string describe(const EdgeHealed& h) {
  const gossip::Reunion& r = h.reunion;
  const std::uint64_t all = h.settling_bytes + h.replay_bytes + h.opening_bytes;
  return fmt::format(
      "is back after {:.3g} s and {} rounds apart: the models are {:.3g} from each other, {:.2g} % "
      "of this one; the edge {}; healing took {} bytes ({} to settle, {} replayed, {} to open)",
      seconds(h.apart), h.rounds, r.distance, 100 * r.relative, r.how, all, h.settling_bytes,
      h.replay_bytes, h.opening_bytes);
}

// One that breaks again before it was of use has been apart since the first break.
void Healing::broke(Time now, Round round) {
  if (!break_) break_ = {now, round};
}

void Healing::link_up() {
  healed_ = {};
  settled_ = sent_exchange_ = received_exchange_ = false;
}

void Healing::count(const gossip::Parcel& parcel, bool& exchanged) {
  if (!break_ || !is_of_edge(parcel.type)) return;
  const std::uint64_t bytes = kFrameHeaderBytes + parcel.body.size();
  if (parcel.type == FrameType::settlement || parcel.type == FrameType::joining) {
    healed_.settling_bytes += bytes;
  } else if (!settled_) {
    healed_.replay_bytes += bytes;
  } else if (!exchanged) {
    exchanged = true;
    if (parcel.type == FrameType::opening) healed_.opening_bytes += bytes;
  }
}

bool Healing::settled(const gossip::Reunion& reunion, Time now, Round round) {
  settled_ = true;
  healed_.reunion = reunion;
  if (!break_) return false;
  healed_.apart = now - break_->at;
  healed_.rounds = round - std::min(round, break_->round);
  return true;
}

std::optional<EdgeHealed> Healing::healed(NodeId peer) {
  if (!break_ || !settled_ || !sent_exchange_ || !received_exchange_) return std::nullopt;
  break_.reset();
  healed_.peer = peer;
  return healed_;
}

}  // namespace starling::node
