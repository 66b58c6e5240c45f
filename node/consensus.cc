#include "node/consensus.h"

#include <algorithm>
#include <cmath>

#include "protocol/random.h"

namespace starling::node {
namespace {

constexpr double kShareMax = 0.01;  // of what rounds send and compute

void keep(std::deque<ModelSketch>& kept, const ModelSketch& sketch) {
  std::erase_if(kept, [&](const ModelSketch& old) { return old.rounds == sketch.rounds; });
  if (kept.size() == Consensus::kKept) kept.pop_front();
  kept.push_back(sketch);
}

}  // namespace

ModelSketch sketch_model(std::span<const float> model, std::uint64_t seed, Round rounds) {
  const std::uint64_t key = Random(seed, Stream::consensus, {rounds}).bits(0);
  return {rounds, compress::sketch_norm(model, key)};
}

void SketchPace::made(const Progress& now, std::size_t neighbors, Duration took) {
  const auto spent = [&](auto of) { return of(now) - of(before_); };
  const double rounds =
      static_cast<double>(now.rounds_done) - static_cast<double>(before_.rounds_done);
  const double bytes = spent([](const Progress& p) { return static_cast<double>(p.sent_bytes); });
  const double worked = spent([](const Progress& p) { return seconds(p.compute + p.encode); });
  before_ = now;
  took_ = std::min(took_, took);
  if (rounds <= 0 || bytes <= 0 || worked <= 0) return;
  const double wanted =
      rounds / kShareMax *
      std::max(static_cast<double>(kFrameBytes * neighbors) / bytes, seconds(took_) / worked);
  // Twice as long at most: what was seen may have been a moment, and the next look is as far away.
  const Round most = std::min(2 * every_, kEveryMax);
  every_ = kEveryMin;
  while (static_cast<double>(every_) < wanted && every_ < most) every_ *= 2;
}

void Consensus::note_own(const ModelSketch& sketch) {
  keep(own_, sketch);
  for (auto& [peer, neighbor] : neighbors_) compare(neighbor);
}

Result<void> Consensus::note(NodeId peer, Round rounds, std::span<const std::byte> sketch) {
  const auto cells = compress::read_norm_sketch(sketch, "a heartbeat's sketch");
  if (!cells) return cells.error();
  Neighbor& neighbor = neighbors_[peer];
  keep(neighbor.sketches, {rounds, *cells});
  compare(neighbor);
  return {};
}

// One that was made of sketches that are gone is no longer said: it is old.
void Consensus::compare(Neighbor& neighbor) const {
  neighbor.distance.reset();
  for (const ModelSketch& ours : own_) {
    const auto theirs = std::ranges::find(neighbor.sketches, ours.rounds, &ModelSketch::rounds);
    if (theirs == neighbor.sketches.end()) continue;
    if (neighbor.distance && neighbor.distance->rounds > ours.rounds) continue;
    neighbor.distance = {ours.rounds, compress::relative_distance(ours.cells, theirs->cells)};
  }
}

std::optional<Consensus::Distance> Consensus::to(NodeId peer) const {
  const auto at = neighbors_.find(peer);
  return at == neighbors_.end() ? std::nullopt : at->second.distance;
}

std::optional<Consensus::Distance> Consensus::to_all() const {
  std::optional<Distance> all;
  double squares = 0, known = 0;
  for (const auto& [peer, neighbor] : neighbors_) {
    if (!neighbor.distance) continue;
    const Round rounds = neighbor.distance->rounds;
    all = {all ? std::min(all->rounds, rounds) : rounds};
    squares += std::pow(neighbor.distance->relative, 2);
    ++known;
  }
  if (all) all->relative = std::sqrt(squares / known);
  return all;
}

}  // namespace starling::node
