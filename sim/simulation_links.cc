// Links as they come and go, and the faults that a simulation takes.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <utility>

#include "protocol/frame.h"
#include "protocol/random.h"
#include "sim/simulation.h"

namespace starling::sim {
namespace {

// Each host with the one opposite.
std::array<std::pair<NodeId, NodeId>, 2> both(const std::array<NodeId, 2>& ends) {
  return {{{ends[0], ends[1]}, {ends[1], ends[0]}}};
}

}  // namespace

const Simulation::Link* Simulation::link_between(NodeId a, NodeId b) const {
  const std::pair ends{std::min(a, b), std::max(a, b)};
  const auto ends_of = [](const Link& link) { return std::pair{link.low, link.high}; };
  const auto it = std::ranges::lower_bound(links_, ends, {}, ends_of);  // in order of the edges
  return it != links_.end() && ends_of(*it) == ends ? &*it : nullptr;
}

std::optional<NodeId> Simulation::partner(NodeId host, NodeId peer) const {
  const Link* link = link_between(name_of(host), peer);
  if (!link || link->epoch == 0 || !serves(*link, host)) return std::nullopt;
  return link->ends[1 - side(*link, host)];
}

void Simulation::transmit(NodeId from, node::Send send) {
  Link* link = link_of(from, send.to);
  if (!link->up || !serves(*link, from) || link->epoch != send.parcel.epoch) return;
  if (is_lost(*link, send.parcel)) return;
  const NodeId to = link->ends[1 - side(*link, from)];
  const NodeId sender = name_of(from);
  if (tamper_ && send.parcel.is_of_exchange()) tamper_(from, to, send.parcel);
  const std::uint64_t bytes = kFrameHeaderBytes + send.parcel.body.size();
  const auto arrive = [this, link, sender, to, send] {
    // What was sent before an orderly end still arrives; a cut loses it, and nothing comes behind.
    if (link->epoch != send.parcel.epoch || link->lost == send.parcel.epoch) return;
    if (is_forgotten(*link, to, send.parcel.epoch)) return;
    give(to, node::Received{sender, send.parcel});
  };
  const Time there = network_.reached(sender, send.to, bytes, now_);
  const Time free = is_between_nodes(*link) ? blocked_until(*link, from) : Time{0};
  schedule_at(to, std::max(there, free), [this, from, sender, to, send, bytes, arrive] {
    const Time received = network_.received(sender, send.to, bytes, now_);
    measure(from, send, bytes, received - now_);
    schedule_at(to, received, arrive);
  });
}

// A daemon sees how long its link is busy with a message; here it hears of it when that has come.
void Simulation::measure(NodeId from, const node::Send& send, std::uint64_t bytes, Duration busy) {
  if (!run_.config.rate.seconds_per_round || busy <= Duration{0}) return;
  const double rate = static_cast<double>(bytes) / seconds(busy);
  schedule_at(from, now_ + busy, [this, from, peer = send.to, rate] {
    give(from, node::LinkMeasured{peer, rate});
  });
}

void Simulation::close(NodeId host, NodeId peer) {
  Link* link = link_of(host, peer);
  if (link && serves(*link, host)) take_down(*link);
}

bool Simulation::is_lost(Link& link, const gossip::Parcel& parcel) {
  if (parcel.type != FrameType::exchange && parcel.type != FrameType::opening) return false;
  if (options_.loss <= 0 || now_ >= options_.loss_until) return false;
  const Random random(fault_seed(), Stream::link_loss, {index_of(link.low), index_of(link.high)});
  if (random.uniform(link.sent++) >= options_.loss) return false;
  take_down(link);  // what was sent the other way still arrives
  return true;
}

void Simulation::notice_silence(Link& link) {
  Time until = std::max(at(link.ends[0]).asleep_until, at(link.ends[1]).asleep_until);
  if (is_between_nodes(link))
    until = std::max({until, link.blocked_until[0], link.blocked_until[1]});
  if (until <= now_) return bring_up_when_possible(link);
  schedule(std::min(until, now_ + options_.silence), [this, &link, until, ends = link.ends] {
    if (now_ < until && link.ends == ends) take_down(link);
    notice_silence(link);
  });
}

// Both ends learn of it a moment later, behind whatever the other one had sent. Until then the link
// does not come up again, so that a node hears of the end of an epoch before the next one begins.
void Simulation::take_down(Link& link) {
  if (!link.up) return;
  link.up = false;
  link.unaware = 2;
  for (const auto& [host, other] : both(link.ends)) {
    const NodeId self = name_of(host), peer = name_of(other);
    const auto notice = [this, host, peer, &link, life = at(host).life, epoch = link.epoch] {
      const bool knows = at(host).life == life && !is_forgotten(link, host, epoch);
      if (at(host).alive && knows) give(host, node::PeerDown{peer});
      if (--link.unaware == 0) bring_up_when_possible(link);
    };
    schedule(network_.reached(peer, self, 0, now_), [this, host, self, peer, notice] {
      schedule_awake(host, network_.received(peer, self, 0, now_) + options_.notice, notice);
    });
  }
}

void Simulation::take_down_all(NodeId host) {
  for (Link& link : links_) {
    if (link.ends[0] == host || link.ends[1] == host) take_down(link);
  }
}

bool Simulation::is_ready(NodeId host) const {
  return at(host).alive && !at(host).finished && at(host).asleep_until <= now_;
}

bool Simulation::is_blocked(const Link& link) const {
  return link.cut || link.blocked_until[0] > now_ || link.blocked_until[1] > now_;
}

std::optional<std::array<NodeId, 2>> Simulation::candidates(const Link& link) const {
  const bool low = is_ready(link.low), high = is_ready(link.high);
  if (low && high && !is_blocked(link)) return std::array{link.low, link.high};
  for (std::size_t i = 0; i < hosts_.size(); ++i) {
    if (!is_twin(node_id(i)) || !is_ready(node_id(i))) continue;
    if (hosts_[i].name == link.low && high) return std::array{node_id(i), link.high};
    if (hosts_[i].name == link.high && low) return std::array{link.low, node_id(i)};
  }
  return std::nullopt;
}

void Simulation::bring_up_when_possible(Link& link) {
  if (link.up || link.unaware > 0) return;
  const auto ends = candidates(link);
  if (!ends || differ_in_who_is_away(*ends) || !have_edge(*ends) || !agree(*ends)) return;
  link.up = true;
  link.ends = *ends;
  ++link.epoch;
  const Time when = link.epoch == 1 ? now_ : now_ + options_.notice;
  for (const auto& [host, other] : both(link.ends)) {
    const Round theirs = at(other).core->progress(now_).rounds_done;
    const Round ours = at(host).core->progress(now_).rounds_done;
    const node::PeerUp up{name_of(other), link.epoch, theirs, ours};
    schedule_at(host, when, [this, host, &link, up] {
      if (!is_forgotten(link, host, up.epoch)) give(host, up);
    });
  }
}

// A node whose edge a twin had meanwhile.
void Simulation::try_again(Link& link, Time when) {
  if (!is_twin(node_id(hosts_.size() - 1))) return;  // twins are the last hosts
  schedule(when, [this, &link] { bring_up_when_possible(link); });
}

// ---- who is who -----------------------------------------------------------------------------

Fingerprint Simulation::fingerprint(NodeId host) const {
  Fingerprint all = fingerprint_;
  for (FingerprintField& field : all) {
    if (field.name == at(host).wrong_field) field.value += fmt::format(" (of n{})", index_of(host));
  }
  return all;
}

bool Simulation::have_edge(const std::array<NodeId, 2>& ends) const {
  const node::Run* const run = at(ends[0]).run;
  return run == at(ends[1]).run && run->topology.has_edge(name_of(ends[0]), name_of(ends[1]));
}

// Each end compares, as in peer/handshake.h.
bool Simulation::agree(const std::array<NodeId, 2>& ends) {
  if (!at(ends[0]).wrong_field && !at(ends[1]).wrong_field) return true;
  bool agreed = true;
  for (const auto& [by, whom] : both(ends)) {
    const auto mismatch = first_difference(fingerprint(by), fingerprint(whom));
    if (mismatch) refusals_.push_back({now_, by, whom, mismatch});
    agreed = agreed && !mismatch;
  }
  return agreed;
}

void Simulation::refuse(const Link& link, NodeId second) {
  refusals_.push_back({now_, link.ends[1 - side(link, second)], second, std::nullopt});
}

// ---- faults ---------------------------------------------------------------------------------

void Simulation::cut(NodeId a, NodeId b, Time when) {
  schedule(when, [this, a, b] {
    Link* link = link_between(a, b);
    if (!link) return;
    link->cut = true;
    if (!is_between_nodes(*link)) return;
    take_down(*link);
    link->lost = link->epoch;
  });
}

void Simulation::heal(NodeId a, NodeId b, Time when) {
  schedule(when, [this, a, b] {
    Link* link = link_between(a, b);
    if (!link) return;
    link->cut = false;
    if (link->up && !is_between_nodes(*link)) {
      refuse(*link, is_twin(link->ends[0]) ? link->low : link->high);
    }
    bring_up_when_possible(*link);
  });
}

void Simulation::die(NodeId host) {
  at(host).alive = false;
  take_down_all(host);
  for (Link& link : links_) {
    if (link.ends[0] == host || link.ends[1] == host) link.lost = link.epoch;
  }
}

void Simulation::kill(NodeId node, Time when) {
  schedule(when, [this, node] { die(node); });
}

void Simulation::restart(NodeId node, Time when) {
  schedule(when, [this, node] { restart_now(node, std::nullopt); });
}

void Simulation::restart_now(NodeId node, std::optional<std::string> wrong_field) {
  Host& host = at(node);
  die(node);
  auto disk = host.disk;
  if (disk) disk->store.restart();
  if (host.next) host.run = std::exchange(host.next, nullptr);
  host.run = file_of(host.run);
  auto core =
      disk && !wrong_field ? load_core(node, *disk) : node::make_core(*host.run, name_of(node));
  host = {.name = host.name,
          .wrong_field = std::move(wrong_field),
          .core = std::move(core),
          .run = host.run,
          .disk = std::move(disk),
          .missed = std::move(host.missed),
          .life = host.life + 1};
  schedule(now_, [this, node] { wake(node); });
  start(node);
}

void Simulation::misconfigure(NodeId node, Time when, Time until, const std::string& field) {
  schedule(when, [this, node, field] { restart_now(node, field); });
  restart(node, until);
}

NodeId Simulation::twin(NodeId node, Time when, Time until, bool copied) {
  const NodeId host = node_id(hosts_.size());
  hosts_.push_back({.name = node,
                    .core = node::make_core(*at(node).run, node),
                    .run = at(node).run,
                    .alive = false});
  schedule(when, [this, node, host, copied] {
    Host& self = at(host);
    if (copied && at(node).disk) {
      const Disk& disk = *at(node).disk;
      self.disk = std::make_shared<Disk>(Disk{disk.faults, FaultyStore(disk.store)});
      self.core = load_core(host, *self.disk);
      self.life = 1;
    }
    self.alive = true;
    start(host);
  });
  kill(host, until);
  return host;
}

void Simulation::stall(NodeId from, NodeId to, Time when, Time until) {
  schedule(when, [this, from, to, until] {
    Link* link = link_between(from, to);
    if (!link) return;
    Time& blocked = blocked_until(*link, from);
    blocked = std::max(blocked, until);
    notice_silence(*link);
    try_again(*link, until);
  });
}

void Simulation::pause(NodeId node, Time when, Time until) {
  schedule(when, [this, node, until] {
    at(node).asleep_until = std::max(at(node).asleep_until, until);
    for (Link& link : links_) {
      if (link.ends[0] == node || link.ends[1] == node) notice_silence(link);
      if (link.low == node || link.high == node) try_again(link, until);
    }
  });
}

// Of those that lie themselves or do not live it knows nothing.
void Simulation::attack(NodeId node, AttackKind kind) {
  at(node).lies = true;
  const auto wanted = [this, node, kind](std::span<float> out) {
    std::vector<std::span<const float>> models(run_.topology.nodes());
    for (std::size_t i = 0; i < models.size(); ++i) {
      if (!hosts_[i].lies) models[i] = hosts_[i].core->model();
    }
    make_attack(kind, run_.topology, node, models, out);
  };
  at(node).core =
      node::make_core(*at(node).run, node, options_.checkpoints,
                      make_liar(train::make_trainer(at(node).run->problem, node), wanted));
}

void Simulation::join_late(NodeId node, Time when) {
  at(node).alive = false;
  schedule(when, [this, node] {
    Host& host = at(node);
    if (host.has_begun) return;
    // Its run file may have changed meanwhile.
    host.core = node::make_core(*host.run, node, options_.checkpoints);
    host.alive = true;
    start(node);
  });
}

Epoch Simulation::epoch(NodeId a, NodeId b) const {
  const Link* link = link_between(a, b);
  return link ? link->epoch : 0;
}

}  // namespace starling::sim
