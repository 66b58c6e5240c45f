#include "gossip/mesh/mesh.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "compress/finite.h"
#include "gossip/delta.h"
#include "gossip/mesh/mesh_edge.h"
#include "gossip/opening.h"
#include "protocol/check.h"
#include "protocol/parts.h"

namespace starling::gossip {
namespace {

bool goes_up(Exchange exchange) { return exchange.index % 2 == 0; }

// Up: in the first exchange of some rounds a hash, then the piece. Down: the rate, then the
// message.
constexpr std::size_t kHashBytes = 8, kRateBytes = 4;
constexpr Round kHashEvery = 16;

std::size_t room_of(Exchange exchange) {
  if (!goes_up(exchange)) return kRateBytes;
  return exchange.index == 0 && exchange.round % kHashEvery == 0 ? kHashBytes : 0;
}

class Mesh final : public Method {
 public:
  explicit Mesh(MeshInputs inputs)
      : present_(std::move(inputs.present)),
        self_(place_of(inputs.self)),
        shards_(inputs.start.size(), present_.size()),
        start_(std::move(inputs.common)),
        x_(inputs.start.begin(), inputs.start.end()),
        legs_(inputs.make_legs(x_)),
        up_(*legs_.up),
        down_(*legs_.down),
        common_(down_.common()) {
    for (const EdgeEnd& end : inputs.edges) {
      edges_.push_back({.owner = place_of(end.peer)});
      owners_.push_back(edges_.back().owner);
    }
    INVARIANT(edges_.size() + 1 == present_.size());
    if (std::ranges::equal(x_, start_.value())) {
      down_.begin();
    } else {
      begin_at(inputs.start);
    }
  }

  std::uint32_t exchanges() const override { return 2 * legs_.pairs; }
  bool is_silent(Round round) const override { return legs_.is_silent && legs_.is_silent(round); }
  bool broadcasts() const override { return false; }
  std::size_t body_bytes_max() const override { return body_bytes_max(shards_.longest()); }
  std::size_t start_bytes_max() const override {
    return common_.size() * shards_.longest() * sizeof(float);
  }
  // Shards were longer where there were fewer nodes.
  Limits saved_limits() const override {
    return {body_bytes_max(x_.size()), common_.size() * x_.size() * sizeof(float)};
  }
  // A piece there and a shard back.
  std::size_t uncompressed_bytes() const override { return 2 * shards_.longest() * sizeof(float); }

  void begin_at(std::span<const float> model) override {
    std::ranges::copy(model, x_.begin());
    down_.begin();
    has_told_ = true;
    for (MeshEdge& edge : edges_) edge.is_untouched = false;
  }

  void adapt(const LocalStep& step) override { up_.adapt(step); }

  void open_edge(std::size_t edge, Epoch /*history*/) override {
    const MeshEdge& before = edges_[edge];
    edges_[edge] = {.owner = before.owner,
                    .is_untouched = before.is_untouched,
                    .open = true,
                    .in_use = true,
                    .has_heard = before.is_untouched,
                    .in_step = !has_told_};
    up_.open(edges_[edge].owner);
  }
  void suspend_edge(std::size_t edge, bool pending) override {
    edges_[edge].in_use = false;
    if (is_telling_) fall_behind(edges_[edge], pending);
  }
  void resume_edge(std::size_t edge) override { edges_[edge].in_use = true; }
  std::uint64_t edge_hash(std::size_t edge) const override {
    const MeshEdge& e = edges_[edge];
    const bool is_low = self_ < e.owner;
    std::uint64_t hash = up_.hash(e.owner, is_low);
    if (e.has_met && !common_.empty()) {
      // What is being told has not counted yet.
      const std::uint64_t in_step = is_telling_ ? before_ : hash_of_shard(self_),
                          ours = e.in_step ? in_step : e.known_hash;
      hash = 5 * hash + hash_of_both(ours, hash_of_shard(e.owner), is_low);
    }
    return hash;
  }

  Result<void> encode(Exchange exchange, std::span<const std::size_t> edges,
                      std::span<Message> out) override {
    under_way_ = exchange;
    // Finite messages do not keep it so, where a neighbor made up a rate or moments.
    if (auto finite = compress::check_finite(model()); !finite) return finite;
    return goes_up(exchange) ? encode_pieces(exchange, edges, out)
                             : encode_shard(exchange, edges, out);
  }

  Result<double> check(Exchange exchange, std::size_t edge, const Message& message) const override {
    const std::span<const std::byte> body = message.body.bytes();
    const std::size_t room = room_of(exchange);
    if (body.size() < room) {
      return Error{ErrorCode::peer,
                   fmt::format("a body of {} bytes, expected {} or more", body.size(), room)};
    }
    return goes_up(exchange) ? check_piece(exchange, edges_[edge], message)
                             : check_shard(exchange, edges_[edge], message);
  }

  void take_start(Exchange /*exchange*/, std::size_t edge, const SharedBytes& start) override {
    MeshEdge& e = edges_[edge];
    std::span<const float> rest = start.floats();
    if (!common_.empty()) down_.starts_anew(e.owner, rest.first(shards_.size(e.owner)));
    for (const std::span<float> whole : common_) {
      const std::span<float> shard = shards_.of(e.owner, whole);
      std::ranges::copy(rest.first(shard.size()), shard.begin());
      rest = rest.subspan(shard.size());
    }
    e.has_heard = true;
    e.is_untouched = false;
  }

  void mix(Exchange exchange, std::span<const Arrival> arrivals) override {
    const bool late = exchange != under_way_;
    if (goes_up(exchange)) {
      reduce(exchange, arrivals, late);
    } else {
      apply(exchange, arrivals, late);
    }
    if (!late) under_way_.reset();
  }

  std::span<const float> model() const override { return x_; }

  bool rewired() override {
    up_.rewired();
    down_.rewired();
    has_told_ = true;
    return false;
  }

  void archive(Archive& archive) override {
    archive.fixed("model", x_);
    archive.number("has_told", has_told_);
    newest_.archive(archive);
    {
      const Archive::Scope scope(archive, "up");
      up_.archive(archive, owners_);
    }
    {
      const Archive::Scope scope(archive, "down");
      down_.archive(archive);
    }
    for (std::size_t i = 0; i < edges_.size(); ++i) {
      const Archive::Member member(archive, "edge", i);
      if (member) edges_[i].archive(archive);
    }
  }

 private:
  std::size_t place_of(NodeId node) const {
    const auto at = std::ranges::find(present_, node);
    INVARIANT(at != present_.end());
    return static_cast<std::size_t>(at - present_.begin());
  }

  // Of all that is common.
  std::vector<std::span<const float>> shards_of(std::size_t owner) const {
    std::vector<std::span<const float>> all;
    for (const std::span<const float> whole : common_) all.push_back(shards_.of(owner, whole));
    return all;
  }

  std::uint64_t hash_of_shard(std::size_t owner) const {
    RunningHash hash;
    for (const std::span<const float> shard : shards_of(owner)) hash.add(std::as_bytes(shard));
    return hash.value();
  }

  // The neighbor will not have what is being told.
  void fall_behind(MeshEdge& edge, bool pending) {
    if (edge.in_step) edge.known_hash = before_;
    edge.in_step = false;
    if (pending) edge.pending_hash = hash_of_shard(self_);
  }

  std::size_t body_bytes_max(std::size_t floats) const {
    return std::max(kHashBytes + up_.bytes_max(floats), kRateBytes + down_.bytes_max(floats));
  }

  // ---- up

  Result<void> encode_pieces(Exchange exchange, std::span<const std::size_t> edges,
                             std::span<Message> out) {
    for (std::size_t i = 0; i < edges.size(); ++i) {
      const std::size_t owner = edges_[edges[i]].owner, room = room_of(exchange);
      Result<ByteBlock> piece = up_.encode(exchange, owner, room);
      if (!piece) return piece.error();
      if (room > 0) store(hash_of_shard(owner), piece->bytes().data());
      out[i] = {SharedBytes(std::move(*piece))};
    }
    Result<ByteBlock> own = up_.encode(exchange, self_, 0);
    if (!own) return own.error();
    own_ = std::move(*own);
    return {};
  }

  Result<double> check_piece(Exchange exchange, const MeshEdge& edge,
                             const Message& message) const {
    if (message.start.size() > 0) {
      return Error{ErrorCode::peer, "a start in front of a piece, expected none"};
    }
    const std::span<const std::byte> body = message.body.bytes();
    const std::size_t room = room_of(exchange);
    // Our shard is as the sender has to have it until this round's is told.
    if (room > 0 && edge.in_use && edge.in_step && edge.has_met && newest_ < exchange &&
        !common_.empty()) {
      const auto theirs = load<std::uint64_t>(body.data());
      if (const std::uint64_t ours = hash_of_shard(self_); theirs != ours) {
        return Error{ErrorCode::peer,
                     fmt::format("its copy of this node's shard has the hash {:016x}, expected "
                                 "{:016x}",
                                 theirs, ours)};
      }
    }
    return up_.check(exchange, body.subspan(room));
  }

  void reduce(Exchange exchange, std::span<const Arrival> arrivals, bool late) {
    bool own_is_due = !late;
    for (const Arrival& arrival : arrivals) {
      const std::size_t other = edges_[arrival.edge].owner;
      if (own_is_due && other > self_) take_own(exchange);
      if (other > self_) own_is_due = false;
      const std::size_t room = room_of(exchange);
      up_.take(exchange, other, arrival.theirs.body.bytes().subspan(room), late);
      up_.counted(exchange, other, arrival.ours.body.bytes().subspan(room), late);
    }
    if (own_is_due) take_own(exchange);
    if (late) return;
    mean_.resize(shards_.size(self_));
    up_.reduce(exchange, mean_);
  }

  void take_own(Exchange exchange) {
    up_.take(exchange, self_, std::as_const(own_).bytes(), false);
    up_.counted(exchange, self_, std::as_const(own_).bytes(), false);
  }

  // ---- down

  // The owner applies what it tells at once, as the others do when it arrives.
  Result<void> encode_shard(Exchange exchange, std::span<const std::size_t> edges,
                            std::span<Message> out) {
    const double rate = up_.rate();
    rate_max_ = std::max(rate_max_, rate);
    const bool opens = is_last(exchange) && is_any_behind(edges);
    if (opens) spare(true);
    Result<ByteBlock> told = down_.encode(exchange, mean_, rate, kRateBytes);
    if (!told) return told.error();
    if (opens) mean_ = std::vector<float>();  // {} would keep the memory
    store(static_cast<float>(rate), told->bytes().data());
    const SharedBytes body(std::move(*told));
    const std::span<const std::byte> message = body.bytes().subspan(kRateBytes);
    if (!is_last(exchange)) {
      for (std::size_t i = 0; i < edges.size(); ++i) out[i] = {body};
      down_.apply(exchange, self_, message, static_cast<float>(rate), false);
      return {};
    }
    const Message opening = opens ? opening_of(shards_of(self_), body) : Message{body};
    for (std::size_t i = 0; i < edges.size(); ++i) {
      out[i] = edges_[edges[i]].in_step ? Message{body} : opening;
    }
    before_ = hash_of_shard(self_);
    down_.apply(exchange, self_, message, static_cast<float>(rate), false);
    is_telling_ = has_told_ = true;
    newest_ = exchange;
    for (std::size_t e = 0; e < edges_.size(); ++e) {
      const bool is_told = std::ranges::find(edges, e) != edges.end();
      if (!is_told && edges_[e].open) fall_behind(edges_[e], false);
    }
    return {};
  }

  bool is_any_behind(std::span<const std::size_t> edges) const {
    const auto is_behind = [&](std::size_t e) { return !edges_[e].in_step; };
    return !common_.empty() && std::ranges::any_of(edges, is_behind);
  }

  // What is common may be several models: while openings are under way the legs hold no work
  // memory.
  void spare(bool on) const {
    up_.spare(on);
    down_.spare(on);
  }

  Result<double> check_shard(Exchange exchange, const MeshEdge& edge,
                             const Message& message) const {
    const auto rate = load<float>(message.body.bytes().data());
    const double most = kMeshRateFactor * std::max(rate_max_, up_.rate());
    if (!(rate >= 0 && rate <= most)) {
      return Error{ErrorCode::peer,
                   fmt::format("a rate of {:.4g}, expected 0 to {:.4g} ({:.0f} times this node's "
                               "own)",
                               rate, most, kMeshRateFactor)};
    }
    double longest = 0;
    if (message.start.size() > 0 && !is_last(exchange)) {
      return Error{ErrorCode::peer, "a start in the middle of a round, expected none"};
    }
    if (message.start.size() > 0) {
      spare(true);
      const Result<double> start =
          norm_of_raw(message.start, common_.size() * shards_.size(edge.owner));
      if (!start) return start;
      longest = *start;
    }
    const Result<double> norm =
        down_.check(exchange, edge.owner, message.body.bytes().subspan(kRateBytes));
    return norm ? Result<double>(std::max(longest, *norm)) : norm;
  }

  // Begins where all did: the neighbor has told nothing of what was before.
  void forget(std::size_t owner) {
    if (common_.empty()) return;
    const std::vector<float> start = start_.value();
    const std::span<const float> shard = shards_.of(owner, std::span<const float>(start));
    down_.starts_anew(owner, shard);
    for (const std::span<float> whole : common_) std::ranges::fill(shards_.of(owner, whole), 0.0f);
    std::ranges::copy(shard, shards_.of(owner, common_.front()).begin());
  }

  bool is_last(Exchange exchange) const { return exchange.index + 1 == exchanges(); }

  void apply(Exchange exchange, std::span<const Arrival> arrivals, bool late) {
    for (const Arrival& arrival : arrivals) {
      MeshEdge& edge = edges_[arrival.edge];
      if (is_last(exchange) && !edge.has_heard) forget(edge.owner);
      const std::span<const std::byte> body = arrival.theirs.body.bytes();
      down_.apply(exchange, edge.owner, body.subspan(kRateBytes), load<float>(body.data()), late);
      if (!is_last(exchange)) continue;
      edge.has_heard = edge.has_met = true;
      edge.is_untouched = false;
      // Where the exchange is made up for, others may have been told more since.
      edge.in_step = exchange == newest_;
      if (late) edge.known_hash = edge.pending_hash;
    }
    if (late || !is_last(exchange)) return;
    spare(false);
    for (std::size_t e = 0; e < edges_.size(); ++e) {
      const bool has_come = std::ranges::find(arrivals, e, &Arrival::edge) != arrivals.end();
      if (!has_come && edges_[e].open && edges_[e].in_step) fall_behind(edges_[e], false);
    }
    is_telling_ = false;
  }

  const std::vector<NodeId> present_;
  const std::size_t self_;
  const Shards shards_;
  const Common start_;
  std::vector<float> x_;
  const Legs legs_;
  UpLeg& up_;
  DownLeg& down_;
  const std::vector<std::span<float>> common_;  // down_'s
  std::vector<MeshEdge> edges_;
  std::vector<std::size_t> owners_;  // of the edges' other ends

  std::optional<Exchange> under_way_;  // encoded and not yet mixed
  ByteBlock own_;                      // this node's piece for itself, in exchange 0
  std::vector<float> mean_;            // of the own shard, from one exchange to the next
  double rate_max_ = 0;                // that this node told since it began
  bool is_telling_ = false;            // exchange 1 is encoded and not mixed
  std::uint64_t before_ = 0;           // hash of the own shard before what is being told
  Exchange newest_;                    // in which something was told
  bool has_told_ = false;              // of the own shard, so that it is not the start model's
};

}  // namespace

std::unique_ptr<Method> make_mesh(MeshInputs inputs) {
  return std::make_unique<Mesh>(std::move(inputs));
}

}  // namespace starling::gossip
