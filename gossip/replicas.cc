#include "gossip/replicas.h"

#include <fmt/format.h>

#include <algorithm>

#include "gossip/delta.h"
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
      begun_(edges, false),
      theirs_(edges) {
  if (with_self) join(self_, fresh_group());
}

// ---- groups ---------------------------------------------------------------------------------

// The group that has committed nothing yet, or a free one, or a new one.
std::size_t Replicas::fresh_group() {
  const auto usable = [](const Group& g) {
    return g.fresh && g.state == Group::State::resting && !g.members.empty();
  };
  auto at = std::ranges::find_if(groups_, usable);
  if (at == groups_.end()) {
    at = std::ranges::find_if(groups_, [](const Group& g) { return g.members.empty(); });
    if (at == groups_.end()) at = groups_.emplace(at);
    *at = Group{.reference = common_};
  }
  return static_cast<std::size_t>(at - groups_.begin());
}

// The one that most others know already: a reference and a message less to make.
std::size_t Replicas::group_to_join() {
  if (group_of_[self_] != kNone) return group_of_[self_];
  std::size_t best = kNone, most = 0;
  for (std::size_t g = 0; g < groups_.size(); ++g) {
    const Group& group = groups_[g];
    if (group.fresh || group.state != Group::State::resting || group.members.size() <= most) {
      continue;
    }
    best = g;
    most = group.members.size();
  }
  return best == kNone ? fresh_group() : best;
}

void Replicas::join(std::size_t member, std::size_t group) {
  group_of_[member] = group;
  groups_[group].members.push_back(member);
}

void Replicas::leave(std::size_t member) {
  if (group_of_[member] == kNone) return;
  Group& group = groups_[group_of_[member]];
  std::erase(group.members, member);
  if (group.members.empty()) group = Group{};
  group_of_[member] = kNone;
}

// ---- edges ----------------------------------------------------------------------------------

void Replicas::open(std::size_t edge) {
  leave(edge);
  join(edge, group_to_join());
  begun_[edge] = false;
  theirs_[edge] = common_;
}

// With its message pending the edge gets a group of its own, which nobody encodes for meanwhile.
void Replicas::suspend(std::size_t edge, bool pending) {
  if (!pending) return;
  INVARIANT(group(edge).state == Group::State::under_way);
  Group own = group(edge);
  own.members = {edge};
  own.state = Group::State::kept;
  leave(edge);
  group_of_[edge] = groups_.size();
  groups_.push_back(std::move(own));
}

void Replicas::resume(std::size_t edge) {
  Group& group = groups_[group_of_[edge]];
  if (group.state != Group::State::kept) return;
  group.state = Group::State::resting;
  group.message = {};
}

std::uint64_t Replicas::hash(std::size_t edge, bool self_is_low) const {
  if (!begun_[edge]) return 0;  // neither end knows yet where the other one begins
  RunningHash hash;
  hash.add(std::as_bytes(self_is_low ? ours(edge) : theirs(edge)));
  hash.add(std::as_bytes(self_is_low ? theirs(edge) : ours(edge)));
  return hash.value();
}

// ---- exchanges ------------------------------------------------------------------------------

Result<void> Replicas::encode(std::span<const std::size_t> edges, std::span<Message> out,
                              const Make& make) {
  for (Group& group : groups_) {
    if (group.state != Group::State::kept) group.state = Group::State::resting;
  }
  const auto message_of = [&](std::size_t member) -> Result<SharedBytes> {
    Group& group = groups_[group_of_[member]];
    if (group.state == Group::State::resting) {
      Result<SharedBytes> made = make(group);
      if (!made) return made.error();
      group.message = std::move(*made);
      group.state = Group::State::under_way;
    }
    return group.message;
  };
  if (group_of_[self_] != kNone) {
    if (Result<SharedBytes> made = message_of(self_); !made) return made.error();
  }
  for (std::size_t i = 0; i < edges.size(); ++i) {
    Result<SharedBytes> made = message_of(edges[i]);
    if (!made) return made.error();
    const Group& group = this->group(edges[i]);
    out[i] = {.body = std::move(*made)};
    if (!begun_[edges[i]] && !group.fresh) out[i].start = raw_message(group.reference);
  }
  return {};
}

bool Replicas::commit(std::span<const Arrival> arrivals, const compress::Compressor& c,
                      float step) {
  std::vector<bool> committed(self_ + 1, false);
  for (const Arrival& arrival : arrivals) {
    committed[arrival.edge] = true;
    begun_[arrival.edge] = true;
    std::vector<float>& theirs = theirs_[arrival.edge];
    if (arrival.theirs.start.size() > 0) {
      const auto start = arrival.theirs.start.floats();
      theirs.assign(start.begin(), start.end());
    }
    advance(theirs, c, arrival.theirs.body, step);
    Group& group = groups_[group_of_[arrival.edge]];
    if (group.state == Group::State::kept) group.state = Group::State::under_way;
  }
  const std::size_t self_group = group_of_[self_];
  committed[self_] = self_group != kNone && groups_[self_group].state == Group::State::under_way;
  moved_.clear();
  const std::size_t groups = groups_.size();
  for (std::size_t g = 0; g < groups; ++g) {
    if (groups_[g].state == Group::State::under_way) settle(g, committed, c, step);
  }
  return committed[self_];
}

void Replicas::move_committed(std::span<const Arrival> arrivals, const compress::Compressor& c,
                              float step) {
  for (const Arrival& arrival : arrivals) {
    advance(theirs_[arrival.edge], c, arrival.theirs.body, step);
  }
  for (const std::size_t g : moved_) advance(groups_[g].reference, c, groups_[g].message, step);
}

// The members that committed go on with the message; the others keep the reference as it was.
void Replicas::settle(std::size_t g, const std::vector<bool>& committed,
                      const compress::Compressor& c, float step) {
  groups_[g].state = Group::State::resting;
  std::vector<std::size_t> on, behind;
  for (const std::size_t member : groups_[g].members) {
    (committed[member] ? on : behind).push_back(member);
  }
  if (on.empty()) return;
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
  moved_.push_back(g);
}

// Groups without members are left out; the others keep their order.
void Replicas::archive(Archive& archive, std::size_t body_bytes_max) {
  const Archive::Scope scope(archive, "replicas");
  if (!archive.loading()) pack_groups();
  std::size_t groups = groups_.size();
  archive.number("groups", groups, 2 * (self_ + 1));
  if (archive.loading()) groups_.assign(groups, Group{.reference = common_});
  for (std::size_t g = 0; g < groups; ++g) {
    const Archive::Scope group(archive, "group", g);
    groups_[g].archive(archive, common_.size(), body_bytes_max);
  }
  for (std::size_t member = 0; member < group_of_.size(); ++member) {
    const Archive::Scope edge(archive, "edge", member);
    std::optional<std::size_t> group;
    if (group_of_[member] != kNone) group = group_of_[member];
    archive.number("group", group);
    if (archive.loading() && group && *group >= groups) {
      return archive.refuse(fmt::format("edge {} is in group {} of {}", member, *group, groups));
    }
    if (archive.loading()) {
      group_of_[member] = kNone;
      if (group) join(member, *group);
    }
    if (member == self_) continue;
    bool begun = begun_[member];
    archive.number("begun", begun);
    begun_[member] = begun;
    archive.floats("theirs", theirs_[member], common_.size());
  }
}

void Replicas::pack_groups() {
  std::vector<std::size_t> place(groups_.size(), kNone);
  std::size_t next = 0;
  for (std::size_t g = 0; g < groups_.size(); ++g) {
    if (groups_[g].members.empty()) continue;
    place[g] = next;
    if (next != g) groups_[next] = std::move(groups_[g]);
    ++next;
  }
  groups_.resize(next);
  for (std::size_t& group : group_of_) {
    if (group != kNone) group = place[group];
  }
}

void Replicas::Group::archive(Archive& archive, std::size_t size, std::size_t body_bytes_max) {
  archive.fixed("reference", reference);
  archive.floats("residual", residual, size);
  archive.number("scale", scale);
  archive.number("fresh", fresh);
  archive.number("state", state, State::kept);
  if (state != State::kept) return;
  archive.bytes("message", message, body_bytes_max);
  archive.floats("next_residual", next_residual, size);
}

// ---- duals ----------------------------------------------------------------------------------

void EdgeDuals::open(std::size_t edge) {
  duals_[edge] = {};
  duals_[edge].values.assign(size_, 0.0f);
}

void EdgeDuals::suspend(std::size_t edge) {
  if (!duals_[edge].suspended_at) duals_[edge].suspended_at = rate_;
}

void EdgeDuals::resume(std::size_t edge) { duals_[edge].suspended_at.reset(); }

float EdgeDuals::rate(std::size_t edge) const { return duals_[edge].suspended_at.value_or(rate_); }

void EdgeDuals::follow(double learning_rate) {
  if (learning_rate > 0) rate_ = static_cast<float>(learning_rate);
}

void EdgeDuals::add(std::size_t edge, float factor, std::span<const float> ours,
                    std::span<const float> theirs) {
  std::vector<float>& dual = duals_[edge].values;
  INVARIANT(dual.size() == ours.size() && dual.size() == theirs.size());
  const float step = factor / rate(edge);
  for (std::size_t i = 0; i < dual.size(); ++i) dual[i] += step * (ours[i] - theirs[i]);
}

void EdgeDuals::subtract_sum(std::span<float> x) const {
  for (const Dual& dual : duals_) {
    if (dual.suspended_at) continue;
    for (std::size_t i = 0; i < dual.values.size(); ++i) x[i] -= rate_ * dual.values[i];
  }
}

std::uint64_t EdgeDuals::hash(std::size_t edge, bool self_is_low) const {
  std::vector<float> of_low = duals_[edge].values;
  for (float& value : of_low) value = (self_is_low ? value : -value) + 0.0f;  // -0 becomes 0
  return hash_of(std::as_bytes(std::span(of_low)));
}

void EdgeDuals::archive(Archive& archive) {
  const Archive::Scope scope(archive, "duals");
  archive.number("rate", rate_);
  for (std::size_t e = 0; e < duals_.size(); ++e) {
    const Archive::Scope edge(archive, "edge", e);
    archive.floats("dual", duals_[e].values, size_);
    archive.number("suspended_at", duals_[e].suspended_at);
  }
}

}  // namespace starling::gossip
