#include "sim/simulation.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "gossip/assembly.h"

namespace starling::sim {

Simulation::Simulation(const node::Run& run, SimulationOptions options)
    : run_(run),
      options_(options),
      network_(run.topology.nodes(), {.model = options.link,
                                      .links = options.links,
                                      .changes = options.bandwidth,
                                      .seed = fault_seed()}),
      fingerprint_(node::fingerprint_of(run)),
      hosts_(run.topology.nodes()) {
  add_links(run);
  for (std::size_t i = 0; i < hosts_.size(); ++i) {
    hosts_[i].name = node_id(i);
    hosts_[i].run = &run;
    hosts_[i].alive = !run.topology.has_left(node_id(i));
    if (saves()) {
      const StoreFaults faults{.seed = fault_seed() + i, .fail_rate = options.disk_faults};
      hosts_[i].disk = std::make_shared<Disk>(Disk{faults});
      hosts_[i].core = load_core(node_id(i), *hosts_[i].disk);
    } else {
      hosts_[i].core = node::make_core(run, node_id(i));
    }
    schedule_at(node_id(i), Time{0}, [this, i] { start(node_id(i)); });
  }
}

// In the order of the edges, each once.
void Simulation::add_links(const node::Run& run) {
  if (run.config.gossip.algorithm == gossip::AlgorithmKind::none) return;
  for (const gossip::Edge& edge : run.topology.edges()) {
    if (!link_between(edge.low, edge.high)) links_.push_back({edge.low, edge.high});
    std::ranges::sort(links_, {}, [](const Link& link) { return std::pair{link.low, link.high}; });
  }
}

// ---- time -----------------------------------------------------------------------------------

void Simulation::schedule(Time at, std::function<void()> happen) {
  pending_.push({at, order_++, std::move(happen)});
}

void Simulation::schedule_awake(NodeId node, Time time, std::function<void()> happen) {
  schedule(time, [this, node, happen = std::move(happen)] {
    Host& host = at(node);
    if (host.asleep_until <= now_ && host.missed.empty()) return happen();
    if (host.missed.empty()) schedule(host.asleep_until, [this, node] { wake(node); });
    host.missed.push_back(happen);
  });
}

// In the order in which it came, also where the sleep was prolonged meanwhile.
void Simulation::wake(NodeId node) {
  Host& host = at(node);
  if (host.asleep_until > now_) {
    schedule(host.asleep_until, [this, node] { wake(node); });
    return;
  }
  for (const auto& happen : std::exchange(host.missed, {})) happen();
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

void Simulation::start(NodeId host) {
  at(host).has_begun = true;
  give(host, node::Start{});
  for (Link& link : links_) {
    if (link.low != name_of(host) && link.high != name_of(host)) continue;
    if (link.up && !serves(link, host)) {
      refuse(link, host);
    } else {
      bring_up_when_possible(link);
    }
  }
}

void Simulation::give(NodeId node, const node::CoreEvent& event) {
  node::Effects effects;
  at(node).core->handle(event, now_, effects);
  for (node::Effect& effect : effects) {
    if (listener_) listener_(node, effect);
    carry_out(node, effect);
  }
  if (watcher_) watcher_(node, event);
  if (at(node).hands_over) hand_over(node);
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
    close(node, late->peer);
  } else if (auto* wrong = std::get_if<node::Reject>(&effect)) {
    if (!rejection_) rejection_ = label_of(node) + ": " + wrong->why;
    close(node, wrong->peer);
  } else if (const auto* done = std::get_if<node::RoundDone>(&effect)) {
    tell(node, *done);
  } else if (std::holds_alternative<node::HandOver>(effect)) {
    host.hands_over = true;
  } else if (const auto* away = std::get_if<node::NodesAway>(&effect)) {
    node::Membership left = host.run->membership.without(away->nodes);
    schedule_at(node, now_, [this, node, left = std::move(left)] { regroup(node, left); });
  } else if (auto* finished = std::get_if<node::Finished>(&effect)) {
    host.finished = true;
    if (finished->failure && !failure_) {
      failure_ = label_of(node) + ": " + *finished->failure;
    }
    take_down_all(node);  // behind its last messages the neighbors see it leave
  }
}

// As a process that starts does it.
std::unique_ptr<node::Core> Simulation::load_core(NodeId host, Disk& disk) {
  const node::Run* const file = file_of(at(host).run);
  const NodeId name = name_of(host);
  disk.checkpoints = std::make_unique<node::Checkpoints>(
      disk.store, file->config.nodes[index_of(name)].name, node::fingerprint_of(*file, name));
  std::unique_ptr<node::Core> core;
  disk.store.set_faults({.seed = disk.faults.seed});
  const auto loaded = disk.checkpoints->load([&](Archive& archive) {
    at(host).run = grouping(file, node::with_saved_membership(*file, archive));
    core = node::make_core(*at(host).run, name, options_.checkpoints);
    core->archive(archive, now_);
  });
  disk.store.set_faults(disk.faults);
  const Round round = loaded && *loaded ? (*loaded)->round : 0;
  if (round < disk.acknowledged && !failure_) {
    failure_ = fmt::format("n{}: the checkpoint of round {} was acknowledged, loaded is {}",
                           index_of(host), disk.acknowledged,
                           loaded ? fmt::to_string(round) : loaded.error().message);
  }
  if (loaded && *loaded) return core;
  at(host).run = file;
  return node::make_core(*file, name, options_.checkpoints);
}

void Simulation::save(NodeId node) {
  Host& host = at(node);
  const Round round = host.core->progress(now_).rounds_done;
  const auto saved = host.disk->checkpoints->save(round, [&](Archive& archive) {
    node::save_membership(*host.run, archive);
    host.core->archive(archive, now_);
  });
  if (saved) host.disk->acknowledged = round;
  give(node, node::CheckpointSaved{Duration{0}, saved.ok()});
}

void Simulation::tell(NodeId node, const node::RoundDone& done) {
  if (!observer_ || is_twin(node)) return;
  node::Progress progress = at(node).core->progress(now_);
  progress.sent_bytes = done.sent_bytes;
  observer_(node, now_, progress);
}

std::string Simulation::label_of(NodeId host) const {
  const std::string& name = at(host).run->config.nodes[index_of(name_of(host))].name;
  return is_twin(host) ? name + " (twin)" : name;
}

Duration Simulation::step_of(NodeId node) const {
  const auto slow = options_.slow.find(name_of(node));
  if (slow == options_.slow.end()) return options_.step;
  const double nanoseconds = static_cast<double>(options_.step.count()) * slow->second;
  return Duration{static_cast<Duration::rep>(std::llround(nanoseconds))};
}

// ---- report ---------------------------------------------------------------------------------

node::RunReport Simulation::report() const {
  node::RunReport report;
  report.run = run_.config.run.name;
  report.algorithm = gossip::name_of(run_.config.gossip.algorithm);
  report.virtual_seconds = seconds(now_);
  std::vector<std::span<const float>> models;
  for (std::size_t i = 0; i < hosts_.size(); ++i) {
    if (is_twin(node_id(i)) || hosts_[i].run->topology.has_left(node_id(i))) continue;
    const std::string& name = hosts_[i].run->config.nodes[i].name;
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
