// A whole flock in one thread and in virtual time: the same node cores that the daemon drives.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <queue>
#include <utility>
#include <vector>

#include "node/checkpoint.h"
#include "node/core.h"
#include "node/report.h"
#include "node/run.h"
#include "sim/faulty_store.h"
#include "sim/network.h"

namespace starling::sim {

struct SimulationOptions {
  LinkModel link = {};
  std::vector<SingleLink> links = {};  // those that differ
  // Virtual time that a local step takes; coding and evaluation take none.
  Duration step{0};
  std::map<NodeId, double> slow = {};  // nodes whose step takes that many times as long
  // How long after a link was cut or a node killed the other end notices, and how long after both
  // ends are there again the edge comes up.
  Duration notice{std::chrono::milliseconds{1}};
  // A link on which nothing gets through for so long is down; heartbeats are not simulated.
  Duration silence{std::chrono::seconds{10}};
  // The chance of each message of an exchange that its link breaks while it is on its way: it and
  // all that is behind it are lost, and the link comes back as after a cut that heals at once.
  double loss = 0;
  Time loss_until = Time::max();
  // When nodes save, if at all, each on a disk of its own, which takes no time. A node that is
  // restarted goes on from its newest checkpoint; what its disk had not synced is lost or torn.
  node::CheckpointPlan checkpoints = {};
  double disk_faults = 0;  // the chance of each operation of a disk that it fails
};

// Called after every event that a node has handled.
using Watcher = std::function<void(NodeId node, const node::CoreEvent& event)>;

// Called after each round of each node, with its new progress; its model is that of the round's
// end. progress.sent_bytes are those of the rounds done, though the next one may have begun.
using Observer = std::function<void(NodeId node, Time now, const node::Progress& progress)>;

// One thread. Deterministic: the same run, options and faults give the same bits and the same
// virtual times. Events of one instant happen in the order in which they were caused.
class Simulation {
 public:
  Simulation(const node::Run& run, SimulationOptions options);

  void observe(Observer observer) { observer_ = std::move(observer); }
  void watch(Watcher watcher) { watcher_ = std::move(watcher); }

  // Faults, each from that time on. A killed node loses everything but its checkpoints; a restarted
  // one, alive or not, goes on from those or begins anew with the start model. A cut link loses
  // what is under way on it; an edge that heals or whose node comes back is a new epoch at both
  // ends. Links that the run has not are ignored.
  void cut(NodeId a, NodeId b, Time at);
  void heal(NodeId a, NodeId b, Time at);
  void kill(NodeId node, Time at);
  void restart(NodeId node, Time at);
  // Until then nothing gets from `from` to `to`; what is sent arrives behind it, in order, as TCP
  // has it. Longer than `silence`: the link goes down meanwhile.
  void stall(NodeId from, NodeId to, Time at, Time until);
  // The node stands still, as under SIGSTOP, and then does all at once what came to it meanwhile.
  void pause(NodeId node, Time at, Time until);
  // The node is not there before; to be called before run().
  void join_late(NodeId node, Time at);

  // Until every living node is finished or stop() was called and heeded.
  void run();
  // Asks every node to finish its round, as SIGTERM does; from the observer, or before run().
  void stop();

  Time now() const { return now_; }
  // Of a node that was killed and not restarted, or that diverged, the state it had.
  std::span<const float> model(NodeId node) const { return at(node).core->model(); }
  const node::Core& core(NodeId node) const { return *at(node).core; }
  // Restarts of the node so far.
  std::uint64_t life(NodeId node) const { return at(node).life; }
  node::Progress progress(NodeId node) const { return at(node).core->progress(now_); }
  bool alive(NodeId node) const { return at(node).alive; }
  // Of the newest life of the edge, up or not; 0: it never was up.
  Epoch epoch(NodeId a, NodeId b) const;
  // The first sentence with which a node gave up, if any did.
  const std::optional<std::string>& failure() const { return failure_; }
  node::RunReport report() const;

 private:
  struct Timer {
    std::uint64_t id;
    Time due;
  };
  struct Disk {
    StoreFaults faults;  // of saving; reading fails by damage alone
    FaultyStore store = FaultyStore(faults);
    std::unique_ptr<node::Checkpoints> checkpoints = {};
    Round acknowledged = 0;  // of the newest save that succeeded
  };
  struct Host {
    std::unique_ptr<node::Core> core;
    std::shared_ptr<Disk> disk = nullptr;
    bool alive = true, finished = false;
    Time asleep_until{0};
    std::uint64_t life = 0;  // counts restarts: what was meant for an earlier life is dropped
    std::optional<Timer> timer = std::nullopt;
    Time timer_looked_at = Time::max();  // the next time at which someone looks at the timer
  };
  struct Link {
    NodeId low, high;
    bool cut = false;
    Epoch lost = 0;  // the newest epoch whose messages under way were lost
    bool up = false;
    int unaware = 0;                      // ends that have not heard yet that it went down
    Epoch epoch = 0;                      // of the newest time it was up
    std::array<Time, 2> blocked_until{};  // from the low end, from the high end
    std::uint64_t sent = 0;               // messages, for the draw of the loss
  };
  struct Occurrence {
    Time at;
    std::uint64_t order;
    std::function<void()> happen;
    bool operator>(const Occurrence& o) const { return at != o.at ? at > o.at : order > o.order; }
  };

  Host& at(NodeId node) { return hosts_[index_of(node)]; }
  const Host& at(NodeId node) const { return hosts_[index_of(node)]; }
  void schedule(Time at, std::function<void()> happen);
  // When the node is awake.
  void schedule_awake(NodeId node, Time time, std::function<void()> happen);
  // The same, and only while it lives the life it has now.
  void schedule_at(NodeId node, Time time, std::function<void()> happen);
  void arm(NodeId node, const node::ArmTimer& timer);
  void wait_for_timer(NodeId node);
  void give(NodeId node, const node::CoreEvent& event);
  void carry_out(NodeId node, node::Effect& effect);
  void tell(NodeId node, const node::RoundDone& done);
  Duration step_of(NodeId node) const;
  void transmit(NodeId from, const node::Send& send);
  void start(NodeId node);
  bool saves() const {
    return options_.checkpoints.every > 0 || options_.checkpoints.every_while > Duration{0};
  }
  std::unique_ptr<node::Core> load_core(NodeId node, Disk& disk);
  void save(NodeId node);
  const Link* link_between(NodeId a, NodeId b) const;
  Link* link_between(NodeId a, NodeId b) {
    return const_cast<Link*>(std::as_const(*this).link_between(a, b));
  }
  Time& blocked_until(Link& link, NodeId from) {
    return link.blocked_until[from == link.low ? 0 : 1];
  }
  bool is_lost(Link& link, const gossip::Parcel& parcel);
  // Where nothing gets through any more the link goes down when that has lasted for `silence`.
  void notice_silence(Link& link);
  void take_down(Link& link);
  void take_down_all(NodeId node);
  void die(NodeId node);
  void bring_up_when_possible(Link& link);

  const node::Run& run_;
  const SimulationOptions options_;
  Network network_;
  std::vector<Host> hosts_;
  std::vector<Link> links_;
  Observer observer_;
  Watcher watcher_;
  std::optional<std::string> failure_;
  Time now_{0};
  std::uint64_t order_ = 0;
  std::priority_queue<Occurrence, std::vector<Occurrence>, std::greater<>> pending_;
};

}  // namespace starling::sim
