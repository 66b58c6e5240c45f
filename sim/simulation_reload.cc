// Run files that change while a simulated flock runs.
#include <utility>

#include "node/reload.h"
#include "protocol/check.h"
#include "sim/simulation.h"

namespace starling::sim {

void Simulation::reload(const node::Run& run, NodeId node, Time when) {
  INVARIANT(now_ == Time{0} && !run.topology.has_left(node));
  INVARIANT(hosts_.empty() || !is_twin(node_id(hosts_.size() - 1)));
  network_.grow(run.topology.nodes());
  add_links(run);
  for (std::size_t i = hosts_.size(); i < run.topology.nodes(); ++i) {
    hosts_.push_back({.name = node_id(i),
                      .core = node::make_core(run, node_id(i), options_.checkpoints),
                      .run = &run,
                      .alive = false});
    if (saves()) {
      const StoreFaults faults{.seed = fault_seed() + i, .fail_rate = options_.disk_faults};
      hosts_[i].disk = std::make_shared<Disk>(Disk{faults});
      hosts_[i].core = load_core(node_id(i), *hosts_[i].disk);
    }
  }
  schedule_awake(node, when, [this, &run, node] { read_again(node, run); });
}

void Simulation::read_again(NodeId node, const node::Run& run) {
  Host& host = at(node);
  const bool starts = !host.alive && host.run == &run;
  if (host.alive) {
    host.next = &run;
    host.begins_anew = false;
    return give(node, node::HandOverRequested{});
  }
  host.run = &run;
  if (!starts || host.life > 0) return;
  host.alive = true;
  start(node);
}

// As Engine and Daemon do it between them. What the node has sent still arrives.
void Simulation::hand_over(NodeId node) {
  Host& host = at(node);
  host.hands_over = false;
  take_down_all(node);
  for (Link& link : links_) {
    if (link.low == node) link.forgotten[0] = link.epoch;
    if (link.high == node) link.forgotten[1] = link.epoch;
  }
  host.run = std::exchange(host.next, nullptr);
  host.core = node::succeed(*host.core, {.run = *host.run, .begins_anew = host.begins_anew},
                            name_of(node), options_.checkpoints, now_);
  host.timer.reset();
  start(node);
}

}  // namespace starling::sim
