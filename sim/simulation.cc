#include "sim/simulation.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>

#include "gossip/assembly.h"
#include "protocol/frame.h"
#include "protocol/random.h"

namespace starling::sim {
namespace {

// Each end of a link with the one opposite.
std::array<std::pair<NodeId, NodeId>, 2> both_ends(NodeId low, NodeId high) {
  return {{{low, high}, {high, low}}};
}

}  // namespace

Simulation::Simulation(const node::Run& run, SimulationOptions options)
    : run_(run),
      options_(options),
      network_(run.topology.nodes(),
               {.model = options.link, .links = options.links, .seed = run.config.run.seed}),
      hosts_(run.topology.nodes()) {
  if (run.config.gossip.algorithm != gossip::AlgorithmKind::none) {
    for (const gossip::Edge& edge : run.topology.edges()) links_.push_back({edge.low, edge.high});
  }
  for (std::size_t i = 0; i < hosts_.size(); ++i) {
    if (saves()) {
      const StoreFaults faults{.seed = run.config.run.seed + i, .fail_rate = options.disk_faults};
      hosts_[i].disk = std::make_shared<Disk>(Disk{faults});
      hosts_[i].core = load_core(node_id(i), *hosts_[i].disk);
    } else {
      hosts_[i].core = node::make_core(run, node_id(i));
    }
    schedule_at(node_id(i), Time{0}, [this, i] { start(node_id(i)); });
  }
}

// ---- time -----------------------------------------------------------------------------------

void Simulation::schedule(Time at, std::function<void()> happen) {
  pending_.push({at, order_++, std::move(happen)});
}

void Simulation::schedule_awake(NodeId node, Time time, std::function<void()> happen) {
  schedule(time, [this, node, happen = std::move(happen)] {
    const Time wakes = at(node).asleep_until;
    wakes > now_ ? schedule_awake(node, wakes, happen) : happen();
  });
}

void Simulation::schedule_at(NodeId node, Time time, std::function<void()> happen) {
  schedule_awake(node, time, [this, node, life = at(node).life, happen = std::move(happen)] {
    if (at(node).alive && at(node).life == life) happen();
  });
}

// A node has one timer. At most one occurrence waits for it, however often it is armed again, so
// that deadlines of long ago do not fill the queue.
void Simulation::arm(NodeId node, const node::ArmTimer& timer) {
  at(node).timer = {timer.timer, now_ + timer.after};
  wait_for_timer(node);
}

void Simulation::wait_for_timer(NodeId node) {
  Host& host = at(node);
  if (!host.timer || host.timer_looked_at <= host.timer->due) return;
  host.timer_looked_at = host.timer->due;
  schedule_at(node, host.timer->due, [this, node, &host] {
    host.timer_looked_at = Time::max();
    if (!host.timer || now_ < host.timer->due) return wait_for_timer(node);
    const std::uint64_t id = host.timer->id;
    host.timer.reset();
    give(node, node::TimerFired{id});
  });
}

void Simulation::run() {
  while (!pending_.empty()) {
    const bool idle =
        std::ranges::all_of(hosts_, [](const Host& host) { return !host.alive || host.finished; });
    if (idle) break;
    const Occurrence next = pending_.top();
    pending_.pop();
    now_ = next.at;
    next.happen();
  }
}

void Simulation::stop() {
  for (std::size_t i = 0; i < hosts_.size(); ++i) {
    schedule_at(node_id(i), now_, [this, i] { give(node_id(i), node::StopRequested{false}); });
  }
}

// ---- nodes ----------------------------------------------------------------------------------

void Simulation::start(NodeId node) {
  give(node, node::Start{});
  for (Link& link : links_) {
    if (link.low == node || link.high == node) bring_up_when_possible(link);
  }
}

void Simulation::give(NodeId node, const node::CoreEvent& event) {
  node::Effects effects;
  at(node).core->handle(event, now_, effects);
  for (node::Effect& effect : effects) carry_out(node, effect);
  if (watcher_) watcher_(node, event);
}

void Simulation::carry_out(NodeId node, node::Effect& effect) {
  Host& host = at(node);
  if (auto* send = std::get_if<node::Send>(&effect)) {
    transmit(node, *send);
  } else if (std::holds_alternative<node::RunLocalStep>(effect)) {
    const Duration step = step_of(node);
    schedule_at(node, now_ + step, [this, node, &host, step] {
      host.core->compute_step();
      give(node, node::StepComputed{step});
    });
  } else if (std::holds_alternative<node::RunEvaluation>(effect)) {
    schedule_at(node, now_, [this, node, &host] {
      host.core->evaluate();
      give(node, node::Evaluated{Duration{0}});
    });
  } else if (std::holds_alternative<node::SaveCheckpoint>(effect)) {
    schedule_at(node, now_, [this, node] { save(node); });
  } else if (auto* timer = std::get_if<node::ArmTimer>(&effect)) {
    arm(node, *timer);
  } else if (auto* late = std::get_if<node::LeaveOut>(&effect)) {
    if (Link* link = link_between(node, late->peer)) take_down(*link);
  } else if (auto* wrong = std::get_if<node::Reject>(&effect)) {
    if (Link* link = link_between(node, wrong->peer)) take_down(*link);
  } else if (const auto* done = std::get_if<node::RoundDone>(&effect)) {
    tell(node, *done);
  } else if (auto* finished = std::get_if<node::Finished>(&effect)) {
    host.finished = true;
    if (finished->failure && !failure_) {
      failure_ = run_.config.nodes[index_of(node)].name + ": " + *finished->failure;
    }
    take_down_all(node);  // behind its last messages the neighbors see it leave
  }
}

// As a process that starts does it.
std::unique_ptr<node::Core> Simulation::load_core(NodeId node, Disk& disk) {
  disk.checkpoints = std::make_unique<node::Checkpoints>(
      disk.store, run_.config.nodes[index_of(node)].name, node::fingerprint_of(run_, node));
  std::unique_ptr<node::Core> core;
  disk.store.set_faults({.seed = disk.faults.seed});
  const auto loaded = disk.checkpoints->load([&](Archive& archive) {
    core = node::make_core(run_, node, options_.checkpoints);
    core->archive(archive, now_);
  });
  disk.store.set_faults(disk.faults);
  const Round round = loaded && *loaded ? (*loaded)->round : 0;
  if (round < disk.acknowledged && !failure_) {
    failure_ = fmt::format("n{}: the checkpoint of round {} was acknowledged, loaded is {}",
                           index_of(node), disk.acknowledged,
                           loaded ? fmt::to_string(round) : loaded.error().message);
  }
  return loaded && *loaded ? std::move(core) : node::make_core(run_, node, options_.checkpoints);
}

void Simulation::save(NodeId node) {
  Host& host = at(node);
  const Round round = host.core->progress(now_).rounds_done;
  const auto saved = host.disk->checkpoints->save(
      round, [&](Archive& archive) { host.core->archive(archive, now_); });
  if (saved) host.disk->acknowledged = round;
  give(node, node::CheckpointSaved{Duration{0}, saved.ok()});
}

void Simulation::tell(NodeId node, const node::RoundDone& done) {
  if (!observer_) return;
  node::Progress progress = at(node).core->progress(now_);
  progress.sent_bytes = done.sent_bytes;
  observer_(node, now_, progress);
}

Duration Simulation::step_of(NodeId node) const {
  const auto slow = options_.slow.find(node);
  if (slow == options_.slow.end()) return options_.step;
  const double nanoseconds = static_cast<double>(options_.step.count()) * slow->second;
  return Duration{static_cast<Duration::rep>(std::llround(nanoseconds))};
}

// ---- links ----------------------------------------------------------------------------------

const Simulation::Link* Simulation::link_between(NodeId a, NodeId b) const {
  const std::pair ends{std::min(a, b), std::max(a, b)};
  const auto ends_of = [](const Link& link) { return std::pair{link.low, link.high}; };
  const auto it = std::ranges::lower_bound(links_, ends, {}, ends_of);  // in order of the edges
  return it != links_.end() && ends_of(*it) == ends ? &*it : nullptr;
}

void Simulation::transmit(NodeId from, const node::Send& send) {
  Link* link = link_between(from, send.to);
  if (!link->up || link->epoch != send.parcel.epoch || is_lost(*link, send.parcel)) return;
  const std::uint64_t bytes = kFrameHeaderBytes + send.parcel.body.size();
  const auto arrive = [this, link, from, send] {
    // What was sent before an orderly end still arrives; a cut loses it, and nothing comes behind.
    if (link->epoch != send.parcel.epoch || link->lost == send.parcel.epoch) return;
    give(send.to, node::Received{from, send.parcel});
  };
  const Time there =
      std::max(network_.reached(from, send.to, bytes, now_), blocked_until(*link, from));
  schedule_at(send.to, there, [this, from, send, bytes, arrive] {
    schedule_at(send.to, network_.received(from, send.to, bytes, now_), arrive);
  });
}

bool Simulation::is_lost(Link& link, const gossip::Parcel& parcel) {
  if (parcel.type != FrameType::exchange && parcel.type != FrameType::opening) return false;
  if (options_.loss <= 0 || now_ >= options_.loss_until) return false;
  const Random random(run_.config.run.seed, Stream::link_loss,
                      {index_of(link.low), index_of(link.high)});
  if (random.uniform(link.sent++) >= options_.loss) return false;
  take_down(link);  // what was sent the other way still arrives
  return true;
}

void Simulation::notice_silence(Link& link) {
  const Time until = std::max({link.blocked_until[0], link.blocked_until[1],
                               at(link.low).asleep_until, at(link.high).asleep_until});
  if (until <= now_) return bring_up_when_possible(link);
  schedule(std::min(until, now_ + options_.silence), [this, &link, until] {
    if (now_ < until) take_down(link);
    notice_silence(link);
  });
}

// Both ends learn of it a moment later, behind whatever the other one had sent. Until then the link
// does not come up again, so that a node hears of the end of an epoch before the next one begins.
void Simulation::take_down(Link& link) {
  if (!link.up) return;
  link.up = false;
  link.unaware = 2;
  for (const auto& [node, peer] : both_ends(link.low, link.high)) {
    const auto notice = [this, node, peer, &link, life = at(node).life] {
      if (at(node).alive && at(node).life == life) give(node, node::PeerDown{peer});
      if (--link.unaware == 0) bring_up_when_possible(link);
    };
    schedule(network_.reached(peer, node, 0, now_), [this, node, peer, notice] {
      schedule_awake(node, network_.received(peer, node, 0, now_) + options_.notice, notice);
    });
  }
}

void Simulation::take_down_all(NodeId node) {
  for (Link& link : links_) {
    if (link.low == node || link.high == node) take_down(link);
  }
}

void Simulation::bring_up_when_possible(Link& link) {
  const auto ready = [&](NodeId node) {
    const Host& host = at(node);
    return host.alive && !host.finished && host.asleep_until <= now_ &&
           blocked_until(link, node) <= now_;
  };
  if (link.up || link.unaware > 0 || link.cut || !ready(link.low) || !ready(link.high)) return;
  link.up = true;
  ++link.epoch;
  const Time when = link.epoch == 1 ? now_ : now_ + options_.notice;
  for (const auto& [node, peer] : both_ends(link.low, link.high)) {
    const Round round = at(peer).core->progress(now_).rounds_done;
    schedule_at(node, when, [this, node, peer, round, epoch = link.epoch] {
      give(node, node::PeerUp{peer, epoch, round});
    });
  }
}

// ---- faults ---------------------------------------------------------------------------------

void Simulation::cut(NodeId a, NodeId b, Time when) {
  schedule(when, [this, a, b] {
    Link* link = link_between(a, b);
    if (!link) return;
    take_down(*link);
    link->cut = true;
    link->lost = link->epoch;
  });
}

void Simulation::heal(NodeId a, NodeId b, Time when) {
  schedule(when, [this, a, b] {
    Link* link = link_between(a, b);
    if (!link) return;
    link->cut = false;
    bring_up_when_possible(*link);
  });
}

void Simulation::die(NodeId node) {
  at(node).alive = false;
  take_down_all(node);
  for (Link& link : links_) {
    if (link.low == node || link.high == node) link.lost = link.epoch;
  }
}

void Simulation::kill(NodeId node, Time when) {
  schedule(when, [this, node] { die(node); });
}

void Simulation::restart(NodeId node, Time when) {
  schedule(when, [this, node] {
    Host& host = at(node);
    die(node);
    auto disk = host.disk;
    if (disk) disk->store.restart();
    auto core = disk ? load_core(node, *disk) : node::make_core(run_, node);
    host = {.core = std::move(core), .disk = std::move(disk), .life = host.life + 1};
    start(node);
  });
}

void Simulation::stall(NodeId from, NodeId to, Time when, Time until) {
  schedule(when, [this, from, to, until] {
    Link* link = link_between(from, to);
    if (!link) return;
    Time& blocked = blocked_until(*link, from);
    blocked = std::max(blocked, until);
    notice_silence(*link);
  });
}

void Simulation::pause(NodeId node, Time when, Time until) {
  schedule(when, [this, node, until] {
    at(node).asleep_until = std::max(at(node).asleep_until, until);
    for (Link& link : links_) {
      if (link.low == node || link.high == node) notice_silence(link);
    }
  });
}

void Simulation::join_late(NodeId node, Time when) {
  at(node).alive = false;
  schedule(when, [this, node] {
    Host& host = at(node);
    if (host.life > 0) return;  // a restart came first
    host.alive = true;
    start(node);
  });
}

Epoch Simulation::epoch(NodeId a, NodeId b) const {
  const Link* link = link_between(a, b);
  return link ? link->epoch : 0;
}

// ---- report ---------------------------------------------------------------------------------

node::RunReport Simulation::report() const {
  node::RunReport report;
  report.run = run_.config.run.name;
  report.algorithm = gossip::name_of(run_.config.gossip.algorithm);
  report.virtual_seconds = seconds(now_);
  std::vector<std::span<const float>> models;
  for (std::size_t i = 0; i < hosts_.size(); ++i) {
    const std::string& name = run_.config.nodes[i].name;
    if (!hosts_[i].alive) {
      report.missing.push_back(name);
      continue;
    }
    models.push_back(hosts_[i].core->model());
    report.nodes.push_back(node::report_of(name, hosts_[i].core->progress(now_), models.back()));
  }
  report.consensus_distance = node::consensus_distance(models);
  node::summarize(report);
  return report;
}

}  // namespace starling::sim
