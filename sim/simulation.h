// A whole flock in one thread and in virtual time: the same node cores that the daemon drives.
#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <queue>
#include <string>
#include <utility>
#include <vector>

#include "node/checkpoint.h"
#include "node/core.h"
#include "node/report.h"
#include "node/run.h"
#include "protocol/fingerprint.h"
#include "sim/attack.h"
#include "sim/faulty_store.h"
#include "sim/network.h"

namespace starling::sim {

struct SimulationOptions {
  LinkModel link = {};
  std::vector<SingleLink> links = {};           // those that differ
  std::vector<BandwidthChange> bandwidth = {};  // in the course of time
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
  // Of losses, jitter and disks; none: the run's own.
  std::optional<std::uint64_t> fault_seed = std::nullopt;
};

// A link that did not come up because the two ends did not take each other for what they said.
struct Refusal {
  Time at;
  NodeId by, whom;                   // hosts
  std::optional<Mismatch> mismatch;  // as `by` sees it; none: another host has the edge of the name
};

// Called after every event that a node has handled; also with the hosts that twin() made.
using Watcher = std::function<void(NodeId node, const node::CoreEvent& event)>;

// Called with everything that a node wants done or told, before it is done.
using Listener = std::function<void(NodeId node, const node::Effect& effect)>;

// May change what a node sends in an exchange on its way out, behind the node's back: bugs, broken
// memory, malice.
using Tamper = std::function<void(NodeId from, NodeId to, gossip::Parcel& parcel)>;

// Called after each round of each node, with its new progress; its model is that of the round's
// end. progress.sent_bytes are those of the rounds done, though the next one may have begun.
using Observer = std::function<void(NodeId node, Time now, const node::Progress& progress)>;

// One thread. Deterministic: the same run, options and faults give the same bits and the same
// virtual times. Events of one instant happen in the order in which they were caused.
class Simulation {
 public:
  Simulation(const node::Run& run, SimulationOptions options);

  void observe(Observer observer) { observer_ = std::move(observer); }
  void listen(Listener listener) { listener_ = std::move(listener); }
  void watch(Watcher watcher) { watcher_ = std::move(watcher); }
  void tamper(Tamper tamper) { tamper_ = std::move(tamper); }

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
  // Another host claims the node's name in between, from elsewhere: what is cut or stalled for the
  // node is not for it. A neighbor that has the edge of that name up refuses whoever comes second,
  // and takes who comes first when it is down. `copied`: it begins with a copy of the node's disk,
  // if there is one, otherwise with nothing. Returns the host, which the methods below take as they
  // take nodes. Two twins have no link. To be called before run().
  NodeId twin(NodeId node, Time at, Time until, bool copied);
  // The node is restarted from a run file in which one field of the fingerprint differs, and again
  // from the right one. Its neighbors compare it as peer/handshake.h does. It saves nothing then.
  void misconfigure(NodeId node, Time at, Time until, const std::string& field);

  // The node lies about its model from its first step on. To be called before run(), once for a
  // node; one that is killed comes back honest.
  void attack(NodeId node, AttackKind kind);

  // The node reloads its run file, which says `run` from then on: at the end of its round, as a
  // daemon does it (node/reload.h); at once where it does not live, or has no part in the run so
  // far, and then it starts. Of a node that has left in `run` kill() is the way. Links are up
  // between nodes that have the same Run, by its address, so give all of them one object, which has
  // to outlive this. To be called before run(), and before twin().
  void reload(const node::Run& run, NodeId node, Time at);

  // Until every living node is finished or stop() was called and heeded.
  void run();
  // Asks every node to finish its round, as SIGTERM does; from the observer, or before run().
  void stop();

  Time now() const { return now_; }
  // Of a node that was killed and not restarted, or that diverged, the state it had.
  std::span<const float> model(NodeId node) const { return at(node).core->model(); }
  const node::Core& core(NodeId node) const { return *at(node).core; }
  // Nodes, and behind them their twins.
  std::size_t hosts() const { return hosts_.size(); }
  // Whose name the host bears: a node is its own.
  NodeId name_of(NodeId host) const { return at(host).name; }
  bool is_twin(NodeId host) const { return name_of(host) != host; }
  // The host at the other end of the newest epoch of that edge, where this host was at this end.
  std::optional<NodeId> partner(NodeId host, NodeId peer) const;
  // The field in which its run file differs now.
  const std::optional<std::string>& wrong_field(NodeId host) const { return at(host).wrong_field; }
  // The run among those that the host knows to take part.
  const node::Run& run_of(NodeId host) const { return *at(host).run; }
  const std::vector<Refusal>& refusals() const { return refusals_; }
  // The first sentence with which a host closed an edge for what its neighbor sent (node::Reject).
  const std::optional<std::string>& rejection() const { return rejection_; }
  // Restarts of the node so far; a twin with a copied disk begins its second life.
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
    NodeId name{};
    std::optional<std::string> wrong_field = std::nullopt;
    std::unique_ptr<node::Core> core;
    const node::Run* run;
    const node::Run* next = nullptr;  // what it has read or heard and not taken up yet
    bool begins_anew = false;         // with that
    bool hands_over = false;          // its core has said HandOver
    std::shared_ptr<Disk> disk = nullptr;
    bool alive = true, finished = false;
    bool lies = false;       // see attack()
    bool has_begun = false;  // it lived at some time
    Time asleep_until{0};
    std::vector<std::function<void()>> missed = {};  // while it slept
    std::uint64_t life = 0;  // counts restarts: what was meant for an earlier life is dropped
    std::optional<Timer> timer = std::nullopt;
    Time timer_looked_at = Time::max();  // the next time at which someone looks at the timer
  };
  struct Link {
    NodeId low, high;
    // The hosts at the ends in the newest epoch.
    std::array<NodeId, 2> ends = {low, high};
    bool cut = false;
    Epoch lost = 0;  // the newest epoch whose messages under way were lost
    bool up = false;
    int unaware = 0;                      // ends that have not heard yet that it went down
    Epoch epoch = 0;                      // of the newest time it was up
    std::array<Time, 2> blocked_until{};  // from the low end, from the high end
    std::array<Epoch, 2> forgotten{};     // by the core of that end, with all before
    std::uint64_t sent = 0;               // messages, for the draw of the loss
  };
  struct Grouping {
    const node::Run* file;  // as nodes have read it: everybody takes part
    node::Run run;
  };
  struct Occurrence {
    Time at;
    std::uint64_t order;
    std::function<void()> happen;
    bool operator>(const Occurrence& o) const { return at != o.at ? at > o.at : order > o.order; }
  };

  std::uint64_t fault_seed() const { return options_.fault_seed.value_or(run_.config.run.seed); }
  Host& at(NodeId node) { return hosts_[index_of(node)]; }
  const Host& at(NodeId node) const { return hosts_[index_of(node)]; }
  void schedule(Time at, std::function<void()> happen);
  // When the node is awake.
  void wake(NodeId node);
  void schedule_awake(NodeId node, Time time, std::function<void()> happen);
  // The same, and only while it lives the life it has now.
  void schedule_at(NodeId node, Time time, std::function<void()> happen);
  void arm(NodeId node, const node::ArmTimer& timer);
  void wait_for_timer(NodeId node);
  void give(NodeId node, const node::CoreEvent& event);
  void carry_out(NodeId node, node::Effect& effect);
  void tell(NodeId node, const node::RoundDone& done);
  Duration step_of(NodeId node) const;
  std::string label_of(NodeId host) const;
  void transmit(NodeId from, node::Send send);
  // The host closes its link with the neighbor.
  void close(NodeId host, NodeId peer);
  void start(NodeId node);
  void hand_over(NodeId node);
  void read_again(NodeId node, const node::Run& run);
  void add_links(const node::Run& run);
  // simulation_groups.cc: who is away, by what nodes have heard.
  const node::Run* file_of(const node::Run* run) const;
  // Runs of the same file and the same nodes are the same object.
  const node::Run* grouping(const node::Run* file, node::Run run);
  void regroup(NodeId host, const node::Membership& told);
  // Whether they know of different nodes that those are away: then each hears of the other's.
  bool differ_in_who_is_away(const std::array<NodeId, 2>& ends);
  bool saves() const {
    return options_.checkpoints.every > 0 || options_.checkpoints.every_while > Duration{0};
  }
  // Also sets with whom the host takes part.
  std::unique_ptr<node::Core> load_core(NodeId host, Disk& disk);
  void save(NodeId node);
  const Link* link_between(NodeId a, NodeId b) const;
  Link* link_between(NodeId a, NodeId b) {
    return const_cast<Link*>(std::as_const(*this).link_between(a, b));
  }
  // What is of that epoch is not for the core that `host` has now.
  bool is_forgotten(const Link& link, NodeId host, Epoch epoch) const {
    return epoch <= link.forgotten[side(link, host)];
  }
  Link* link_of(NodeId host, NodeId peer) { return link_between(name_of(host), peer); }
  std::size_t side(const Link& link, NodeId host) const {
    return name_of(host) == link.low ? 0 : 1;
  }
  bool serves(const Link& link, NodeId host) const { return link.ends[side(link, host)] == host; }
  // Stalls and cuts are of the way between the nodes themselves.
  bool is_between_nodes(const Link& link) const {
    return !is_twin(link.ends[0]) && !is_twin(link.ends[1]);
  }
  Time& blocked_until(Link& link, NodeId from) { return link.blocked_until[side(link, from)]; }
  bool is_ready(NodeId host) const;
  bool is_blocked(const Link& link) const;
  // Who can have the edge now; nodes come before their twins.
  std::optional<std::array<NodeId, 2>> candidates(const Link& link) const;
  void refuse(const Link& link, NodeId second);
  // Both have read the same run file, and it has an edge between them.
  bool have_edge(const std::array<NodeId, 2>& ends) const;
  bool agree(const std::array<NodeId, 2>& ends);
  Fingerprint fingerprint(NodeId host) const;
  void measure(NodeId from, const node::Send& send, std::uint64_t bytes, Duration busy);
  bool is_lost(Link& link, const gossip::Parcel& parcel);
  // Where nothing gets through any more the link goes down when that has lasted for `silence`.
  void notice_silence(Link& link);
  void take_down(Link& link);
  void take_down_all(NodeId node);
  void die(NodeId node);
  void bring_up_when_possible(Link& link);
  void try_again(Link& link, Time when);
  void restart_now(NodeId node, std::optional<std::string> wrong_field);

  const node::Run& run_;
  const SimulationOptions options_;
  Network network_;
  const Fingerprint fingerprint_;
  std::deque<Host> hosts_;  // those that there are stay where they are
  std::vector<Link> links_;
  std::deque<Grouping> groupings_;  // those that there are stay where they are
  std::vector<Refusal> refusals_;
  Observer observer_;
  Watcher watcher_;
  Listener listener_;
  Tamper tamper_;
  std::optional<std::string> failure_, rejection_;
  Time now_{0};
  std::uint64_t order_ = 0;
  std::priority_queue<Occurrence, std::vector<Occurrence>, std::greater<>> pending_;
};

}  // namespace starling::sim
