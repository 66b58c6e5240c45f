#include "gossip/replicas.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>

#include "gossip/delta.h"
#include "gossip/opening.h"
#include "protocol/check.h"
#include "protocol/parts.h"

namespace starling::gossip {
namespace {

// Message::start: a count, then the reference as raw floats where that is 0, else as many messages,
// each behind its length.
using Count = std::uint32_t;
constexpr std::size_t kCountBytes = sizeof(Count);

Count count_of(std::span<const std::byte> start) { return load<Count>(start.data()); }

void advance(std::span<float> x, const compress::Compressor& c, std::span<const std::byte> message,
             float step) {
  INVARIANT(c.decode_add(message, step, x).ok());
}

std::vector<float> copy_of(std::span<const float> x) { return {x.begin(), x.end()}; }

// Hands each message of a start to `take`; fails where it does, or where the bytes are no start.
template <class Take>
Result<void> for_each_message(std::span<const std::byte> start, const Take& take) {
  const Count count = count_of(start);
  PartReader messages(start.subspan(kCountBytes));
  for (Count i = 0; i < count; ++i) {
    const auto message = messages.next("missed message", i);
    if (!message) return message.error();
    if (Result<void> taken = take(*message); !taken) return taken;
  }
  return messages.end();
}

}  // namespace

Replicas::Replicas(Common common, std::size_t edges, std::vector<float> steps)
    : common_(std::move(common)),
      steps_(std::move(steps)),
      own_{.reference = SharedFloats(common_.value())},
      edges_(edges) {
  INVARIANT(!steps_.empty());
}

// Like a message before the first, which nobody has heard and no log keeps.
void Replicas::begin_at(std::span<const float> model) {
  INVARIANT(told_ == 0 && under_way_.size() == 0);
  std::ranges::copy(model, own_.reference.own().begin());
  told_ = 1;
}

// ---- edges ----------------------------------------------------------------------------------

void Replicas::open(std::size_t edge) {
  edges_[edge] = {.open = true};
  if (told_ == 0) edges_[edge].knows = 0;
}

void Replicas::suspend(std::size_t edge, bool pending) {
  INVARIANT(!pending || under_way_.size() > 0);
  edges_[edge].pending = pending;
}

void Replicas::resume(std::size_t edge) {
  edges_[edge].pending = false;
  edges_[edge].kept = nullptr;
}

std::uint64_t Replicas::hash_of_ours(const Edge& edge) const {
  return edge.knows == told_ ? hash_of_floats(own_.reference.values()) : edge.known_hash;
}

std::uint64_t Replicas::hash(std::size_t edge, bool self_is_low) const {
  const Edge& e = edges_[edge];
  if (!e.begun) return 0;  // neither end knows where the other begins
  return hash_of_both(hash_of_ours(e), hash_of_floats(e.theirs), self_is_low);
}

// ---- what a neighbor missed -----------------------------------------------------------------

std::size_t Replicas::start_bytes_max() const {
  return kCountBytes + common_.size() * sizeof(float);
}

Message Replicas::message_for(const Edge& edge, Message& whole) {
  if (edge.knows == told_) return {under_way_};
  const std::uint64_t missed = edge.knows ? told_ - *edge.knows : told_ + 1;
  if (missed <= log_.size()) {
    const auto first = log_.end() - static_cast<std::ptrdiff_t>(missed);
    std::size_t bytes = kCountBytes;
    for (auto m = first; m != log_.end(); ++m) bytes += kPartLengthBytes + m->size();
    if (bytes <= start_bytes_max()) {
      OpeningWriter writer(bytes, under_way_);
      std::span<std::byte> out = writer.start();
      store(static_cast<Count>(missed), out.data());
      out = out.subspan(kCountBytes);
      for (auto m = first; m != log_.end(); ++m) {
        store(static_cast<PartLength>(m->size()), out.data());
        std::ranges::copy(m->bytes(), out.subspan(kPartLengthBytes).begin());
        out = out.subspan(kPartLengthBytes + m->size());
      }
      return std::move(writer).message();
    }
  }
  if (whole.start.size() == 0) {
    OpeningWriter writer(start_bytes_max(), under_way_);
    store(Count{0}, writer.start().data());
    std::ranges::copy(std::as_bytes(own_.reference.values()),
                      writer.start().subspan(kCountBytes).begin());
    whole = std::move(writer).message();
    // In memory once until it advances.
    own_.reference.are_in(whole.start.slice(kCountBytes, whole.start.size() - kCountBytes));
  }
  return whole;
}

Result<double> Replicas::check(const Message& message, const MessageCoder& coder) const {
  if (message.start.size() > 0) coder.spare(true);
  const Result<double> start =
      message.start.size() > 0 ? check_start(message.start, coder) : Result<double>(0.0);
  if (!start) return start;
  const Result<double> body = coder.check(message.body.bytes());
  return body ? Result<double>(std::max(*start, *body)) : body;
}

Result<double> Replicas::check_start(const SharedBytes& start, const MessageCoder& coder) const {
  if (start.size() < kCountBytes || start.size() > start_bytes_max()) {
    return Error{ErrorCode::peer, fmt::format("a start of {} bytes, expected {} to {}",
                                              start.size(), kCountBytes, start_bytes_max())};
  }
  if (count_of(start.bytes()) == 0) {
    return norm_of_raw(start.slice(kCountBytes, start.size() - kCountBytes), common_.size());
  }
  double longest = 0;
  const auto taken = for_each_message(start.bytes(), [&](std::span<const std::byte> message) {
    const Result<double> norm = coder.check(message);
    if (!norm) return Result<void>(norm.error());
    longest = std::max(longest, *norm);
    return Result<void>();
  });
  return taken ? Result<double>(longest) : Result<double>(taken.error());
}

std::vector<float>& Replicas::replica_of(Edge& edge) const {
  if (edge.theirs.empty()) edge.theirs = common_.value();
  return edge.theirs;
}

void Replicas::take_start(std::size_t index, const SharedBytes& start,
                          const compress::Compressor& c) {
  Edge& edge = edges_[index];
  if (count_of(start.bytes()) == 0) {
    const std::span<const float> floats =
        start.slice(kCountBytes, start.size() - kCountBytes).floats();
    edge.theirs.assign(floats.begin(), floats.end());
    return;
  }
  std::vector<float>& theirs = replica_of(edge);
  const auto taken = for_each_message(start.bytes(), [&](std::span<const std::byte> message) {
    for (const float step : steps_) advance(theirs, c, message, step);
    return Result<void>();
  });
  INVARIANT(taken.ok());
}

// Of a large model no more than a part: its neighbors get the reference a little sooner.
std::size_t Replicas::log_bytes_max(std::size_t model_bytes) {
  constexpr std::size_t kLargeBytes = std::size_t{4} << 20;
  return kCountBytes + std::min(model_bytes, std::max(kLargeBytes, model_bytes / 8));
}

std::size_t Replicas::kept_max(std::size_t model_bytes) {
  constexpr std::size_t kKeptBytes = std::size_t{16} << 20;
  return 1 + kKeptBytes / model_bytes;
}

// The log is of use while it is shorter than the reference and some neighbor may ask for it.
void Replicas::trim_log() {
  std::uint64_t oldest = told_;
  for (const Edge& edge : edges_) {
    if (edge.open && edge.knows) oldest = std::min(oldest, *edge.knows);
  }
  const std::size_t log_most = log_bytes_max(common_.size() * sizeof(float));
  while (!log_.empty() && (log_.size() > told_ - oldest || kCountBytes + log_bytes_ > log_most)) {
    log_bytes_ -= kPartLengthBytes + log_.front().size();
    log_.pop_front();
  }
}

// ---- exchanges ------------------------------------------------------------------------------

Result<void> Replicas::encode(std::span<const std::size_t> edges, std::span<Message> out,
                              const MessageCoder& coder, const Make& make) {
  const auto is_behind = [&](std::size_t edge) { return edges_[edge].knows != told_; };
  if (std::ranges::any_of(edges, is_behind)) coder.spare(true);
  Result<SharedBytes> made = make(own_);
  if (!made) return made.error();
  under_way_ = std::move(*made);
  Message whole;
  for (std::size_t i = 0; i < edges.size(); ++i) {
    const Edge& edge = edges_[edges[i]];
    // Those that missed the same get the same bytes.
    std::size_t same = 0;
    while (same < i && edges_[edges[same]].knows != edge.knows) ++same;
    out[i] = same < i ? out[same] : message_for(edge, whole);
  }
  return {};
}

// Edges that are in step now and will not be when the reference moves.
void Replicas::note_those_behind(std::span<const Arrival> arrivals) {
  std::optional<std::uint64_t> hash;
  for (std::size_t e = 0; e < edges_.size(); ++e) {
    Edge& edge = edges_[e];
    const auto is_it = [e](const Arrival& a) { return a.edge == e; };
    if (!edge.open || edge.knows != told_ || std::ranges::any_of(arrivals, is_it)) continue;
    if (!hash) hash = hash_of_floats(own_.reference.values());
    edge.known_hash = *hash;
  }
}

std::size_t Replicas::kept() const {
  std::set<const Kept*> all;
  bool is_more = false;
  for (const Edge& edge : edges_) {
    if (edge.kept) all.insert(edge.kept.get());
    is_more = is_more || edge.pending;
  }
  return all.size() + (is_more ? 1 : 0);
}

std::vector<std::size_t> Replicas::relieve(std::span<const std::size_t> suspended,
                                           std::size_t elsewhere) const {
  std::map<std::uint64_t, std::vector<std::size_t>> oldest_first;  // one reference each
  for (const std::size_t e : suspended) {
    if (edges_[e].kept) oldest_first[edges_[e].kept->told].push_back(e);
  }
  std::vector<std::size_t> out;
  std::size_t left = kept() + elsewhere;
  for (const auto& [told, edges] : oldest_first) {
    if (left <= kept_max(common_.size() * sizeof(float))) break;
    out.insert(out.end(), edges.begin(), edges.end());
    --left;
  }
  return out;
}

bool Replicas::commit(std::span<const Arrival> arrivals, const compress::Compressor& c) {
  const bool advances = under_way_.size() > 0;
  if (advances) {
    note_those_behind(arrivals);
    advance(own_.reference.own(), c, under_way_.bytes(), steps_[0]);
    ++told_;
    log_bytes_ += kPartLengthBytes + under_way_.size();
    log_.push_back(under_way_);
    finishing_ = std::move(under_way_);
    under_way_ = {};
    for (Edge& edge : edges_) {
      if (!edge.pending) continue;
      edge.pending = false;
      if (!finishing_kept_)
        finishing_kept_ = std::make_shared<Kept>(Kept{copy_of(own_.reference.values()), told_});
      edge.kept = finishing_kept_;
    }
  }
  for (const Arrival& arrival : arrivals) {
    Edge& edge = edges_[arrival.edge];
    INVARIANT(advances || edge.kept);
    advance(replica_of(edge), c, arrival.theirs.body.bytes(), steps_[0]);
    edge.begun = true;
    edge.knows = advances ? told_ : edge.kept->told;
    if (!advances) edge.known_hash = edge.kept->hash;
  }
  trim_log();
  if (steps_.size() == 1) finish({}, c);
  return advances;
}

void Replicas::finish(std::span<const Arrival> arrivals, const compress::Compressor& c) {
  for (std::size_t s = 1; s < steps_.size(); ++s) {
    for (const Arrival& arrival : arrivals) {
      advance(edges_[arrival.edge].theirs, c, arrival.theirs.body.bytes(), steps_[s]);
    }
    if (finishing_.size() > 0) advance(own_.reference.own(), c, finishing_.bytes(), steps_[s]);
  }
  if (finishing_kept_) finishing_kept_->hash = hash_of_floats(own_.reference.values());
  finishing_kept_ = nullptr;
  finishing_ = {};
}

void Replicas::archive(Archive& archive, std::size_t body_bytes_max) {
  const Archive::Scope scope(archive, "replicas");
  const std::size_t d = common_.size();
  archive.fixed("reference", own_.reference.own());
  archive.floats("residual", own_.residual, d);
  archive.number("scale", own_.scale);
  archive.number("told", told_);
  std::size_t count = log_.size();
  archive.number("log", count, start_bytes_max());
  if (archive.loading()) log_.resize(count);
  log_bytes_ = 0;
  for (std::size_t i = 0; i < count; ++i) {
    const Archive::Scope message(archive, "log", i);
    archive.bytes("message", log_[i], body_bytes_max);
    log_bytes_ += kPartLengthBytes + log_[i].size();
  }
  for (std::size_t e = 0; e < edges_.size(); ++e) {
    const Archive::Member one(archive, "edge", e);
    if (!one) continue;
    Edge& edge = edges_[e];
    archive.number("open", edge.open);
    archive.number("knows", edge.knows);
    archive.floats("theirs", edge.theirs, d);
    archive.number("known_hash", edge.known_hash);
    archive_kept(archive, edge);
    archive.number("begun", edge.begun);
    if (archive.loading() && edge.begun && edge.theirs.empty()) {
      archive.refuse(fmt::format("edge {} has mixed, but there is no replica of its neighbor", e));
    }
    if (archive.loading() && edge.knows.value_or(0) > told_) {
      archive.refuse(fmt::format("edge {} knows more than the {} messages told", e, told_));
    }
  }
}

void Replicas::archive_kept(Archive& archive, Edge& edge) const {
  const Archive::Scope scope(archive, "kept");
  bool known = edge.kept != nullptr;
  archive.number("known", known);
  if (archive.loading())
    edge.kept = known ? std::make_shared<Kept>(Kept{std::vector<float>(common_.size())}) : nullptr;
  if (!edge.kept) return;
  archive.fixed("reference", edge.kept->reference);
  archive.number("told", edge.kept->told, told_);
  archive.number("hash", edge.kept->hash);
}

}  // namespace starling::gossip
