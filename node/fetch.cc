#include "node/fetch.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstring>

#include "compress/finite.h"
#include "protocol/bytes.h"
#include "protocol/frame.h"

namespace starling::node {
namespace {

Error wrong(std::string what) { return {ErrorCode::peer, std::move(what)}; }

}  // namespace

std::uint64_t snapshot_name(std::span<const float> model) {
  return std::max<std::uint64_t>(1, hash_of(std::as_bytes(model)));
}

std::string describe(const ModelFetched& f, const std::string& from) {
  const std::string breaks = f.resumed == 0 ? ""
                             : f.resumed == 1
                                 ? ", over one break of the link"
                                 : fmt::format(", over {} breaks of the link", f.resumed);
  return fmt::format("fetched the model of round {} from {}: {:.0f} KB in {} piece{}, {:.1f} s{}",
                     f.round, from, std::ceil(static_cast<double>(f.bytes) / 1e3), f.pieces,
                     f.pieces == 1 ? "" : "s", seconds(f.took), breaks);
}

Fetch::Fetch(std::size_t floats, Time now, FetchOptions options)
    : floats_(floats), options_(options), began_(now), heard_(now), progress_(now) {}

std::size_t Fetch::pieces() const {
  return (floats_ * sizeof(float) + kPieceBytes - 1) / kPieceBytes;
}

std::size_t Fetch::piece_bytes(std::size_t piece) const {
  return std::min(kPieceBytes, floats_ * sizeof(float) - piece * kPieceBytes);
}

// ---- whom to ask ----------------------------------------------------------------------------

void Fetch::up(NodeId peer, Time now, Asks& out) {
  if (state_ != State::running) return;
  Source& source = sources_[peer];
  source.up = true;
  source.asked = 0;
  if (source.barred) return;
  if (is_asked(peer)) {
    if (snapshot_ != 0) ++resumed_;
    turn_to(peer, now, out);
  } else if (!current_ || (!sources_[*current_].up && snapshot_ == 0)) {
    turn_to(peer, now, out);
  }
}

void Fetch::down(NodeId peer, Time now, Asks& out) {
  const auto at = sources_.find(peer);
  if (at == sources_.end()) return;
  at->second.up = false;
  at->second.asked = 0;
  if (state_ != State::running || !is_asked(peer)) return;
  heard_ = now;
  if (snapshot_ == 0) turn_to_another(now, out);
}

void Fetch::turn_to(NodeId peer, Time now, Asks& out) {
  if (!is_asked(peer)) forget();
  current_ = peer;
  heard_ = now;
  asked_ = received_;
  if (snapshot_ != 0) return ask_more(out);
  ++sources_[peer].asked;
  out.push_back({peer, 0, 0});
}

// The next one in the order of nodes, round and round.
bool Fetch::turn_to_another(Time now, Asks& out) {
  const auto usable = [&](const auto& entry) {
    return entry.second.up && !entry.second.barred && !is_asked(entry.first);
  };
  const auto behind = current_ ? sources_.upper_bound(*current_) : sources_.begin();
  auto next = std::find_if(behind, sources_.end(), usable);
  if (next == sources_.end()) next = std::find_if(sources_.begin(), behind, usable);
  if (next == sources_.end() || !usable(*next)) return false;
  turn_to(next->first, now, out);
  return true;
}

void Fetch::forget() {
  snapshot_ = 0;
  received_ = asked_ = resumed_ = 0;
}

void Fetch::ask_more(Asks& out) {
  Source& source = sources_[*current_];
  while (source.asked < options_.window && asked_ < pieces()) {
    ++source.asked;
    out.push_back({*current_, snapshot_, static_cast<std::uint32_t>(asked_++)});
  }
}

// ---- answers --------------------------------------------------------------------------------

Result<void> Fetch::receive(NodeId from, const gossip::Parcel& parcel, Time now, Asks& out) {
  Source& source = sources_[from];
  Result<void> taken;
  if (source.asked == 0) {
    taken = wrong(fmt::format("{} that was not asked for",
                              parcel.type == FrameType::piece
                                  ? fmt::format("piece {} of a model", parcel.exchange)
                                  : std::string("the snapshot of a model")));
  } else {
    --source.asked;
    if (state_ != State::running || !is_asked(from)) return {};  // it came too late
    heard_ = now;
    taken = parcel.type == FrameType::snapshot ? take_snapshot(source, parcel, now, out)
                                               : take_piece(parcel, now, out);
  }
  if (taken || state_ != State::running) return taken;
  source.barred = true;
  if (is_asked(from)) {
    forget();
    turn_to_another(now, out);
  }
  return taken;
}

Result<void> Fetch::take_snapshot(Source& source, const gossip::Parcel& parcel, Time now,
                                  Asks& out) {
  if (parcel.body.size() != kSnapshotBodyBytes) {
    return wrong(fmt::format("a snapshot's body has {} bytes, expected {}", parcel.body.size(),
                             kSnapshotBodyBytes));
  }
  if (parcel.base == 0) {
    source.barred = true;
    forget();
    turn_to_another(now, out);
    return {};
  }
  if (parcel.base == snapshot_) return {};  // the answer to another ask for one that is gone
  if (++source.snapshots > options_.snapshots_max) {
    return wrong(fmt::format("the {}th snapshot of a model, expected the pieces of one of {}",
                             source.snapshots, options_.snapshots_max));
  }
  forget();
  snapshot_ = parcel.base;
  std::memcpy(&round_, parcel.body.bytes().data(), sizeof round_);
  model_.resize(floats_);
  progress_ = now;
  ask_more(out);
  return {};
}

Result<void> Fetch::take_piece(const gossip::Parcel& parcel, Time now, Asks& out) {
  if (parcel.base != snapshot_ || parcel.exchange != received_) {
    return wrong(fmt::format("piece {} of the model {:016x}, expected piece {} of {:016x}",
                             parcel.exchange, parcel.base, received_, snapshot_));
  }
  if (parcel.body.size() != piece_bytes(received_)) {
    return wrong(fmt::format("piece {} of a model has {} bytes, expected {}", received_,
                             parcel.body.size(), piece_bytes(received_)));
  }
  std::ranges::copy(
      parcel.body.bytes(),
      std::as_writable_bytes(std::span(model_)).subspan(received_ * kPieceBytes).begin());
  progress_ = now;
  if (++received_ < pieces()) {
    ask_more(out);
    return {};
  }
  if (Result<void> whole = check_whole(); !whole) return whole;
  state_ = State::done;
  return {};
}

Result<void> Fetch::check_whole() const {
  if (const std::uint64_t name = snapshot_name(model_); name != snapshot_) {
    return wrong(fmt::format("the model's hash is {:016x}, expected {:016x}", name, snapshot_));
  }
  if (const auto at = compress::first_non_finite(model_)) {
    return wrong(
        fmt::format("the model holds {} at index {}, expected a finite number", model_[*at], *at));
  }
  return {};
}

// ---- time -----------------------------------------------------------------------------------

Time Fetch::deadline() const {
  const bool there = current_ && sources_.at(*current_).up && !sources_.at(*current_).barred;
  return std::min(heard_ + (there ? options_.answer_max : options_.return_max),
                  progress_ + options_.progress_max);
}

void Fetch::look_at_time(Time now, Asks& out) {
  if (state_ != State::running || now < deadline()) return;
  if (now >= progress_ + options_.progress_max) {
    return give_up(
        fmt::format("no neighbor has given anything for {:.0f} s", seconds(options_.progress_max)));
  }
  if (turn_to_another(now, out)) return;
  const Source& source = sources_[*current_];
  if (!source.up || source.barred) {
    return give_up("no neighbor is there that has a model to give");
  }
  heard_ = now;  // there is no other: its round may be long
}

void Fetch::give_up(std::string why) {
  state_ = State::given_up;
  why_ = std::move(why);
  let_go_of_model();
}

ModelFetched Fetch::outcome(Time now) const {
  return {.from = *current_,
          .round = round_,
          .bytes = floats_ * sizeof(float),
          .pieces = pieces(),
          .resumed = resumed_,
          .took = now - began_};
}

}  // namespace starling::node
