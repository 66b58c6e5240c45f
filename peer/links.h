// The neighbors of one node on the wire: who is connected, and whole messages to and from them.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "peer/logger.h"
#include "protocol/bytes.h"
#include "protocol/fingerprint.h"
#include "protocol/frame.h"
#include "protocol/ids.h"
#include "protocol/key_pin.h"
#include "protocol/result.h"

namespace asio {
class io_context;
}

namespace starling::peer {

class Tls;  // tls.h

struct Neighbor {
  NodeId id;
  std::string name;
  std::string address;            // "host:port", "[v6]:port"
  std::vector<KeyPin> keys = {};  // TLS: any of these proves that it is this neighbor
  Epoch last_epoch = 0;  // of its links so far, where the node remembers; the next one is above it
  // It is dialled and heard, so that both learn what the other knows, but no link comes up.
  bool away = false;
};

// Bytes a second on the wire, all included; 0: as fast as they can.
struct RateLimits {
  double send = 0, receive = 0;
  std::uint64_t per_day = 0;  // both ways together, in any 24 hours; 0: as many as they are
};

// What has gone of a day's bytes.
struct DayUse {
  std::optional<NodeId> peer = {};  // none: the budget of all links together
  std::uint64_t at_once = 0;        // as many as may go at once when none have gone for long
  std::uint64_t used = 0;           // of them, or more
};

struct LinkOptions {
  NodeId self;
  std::string self_name;
  std::string listen_address;
  std::vector<Neighbor> neighbors;
  Fingerprint fingerprint;
  // The largest body that an exchange of this run can have, and the largest piece of its model; a
  // frame over them ends the session.
  std::uint64_t body_bytes_max = 0;
  std::uint64_t piece_bytes_max = 0;
  // What this node proves itself with; every link is inside TLS then, and each neighbor's keys say
  // who it is. Null: plain TCP, to and from loopback alone unless insecure_plaintext is set.
  std::shared_ptr<const Tls> tls;
  bool insecure_plaintext = false;
  std::uint64_t seed = 0;  // of the redial jitter

  // A connection that has not finished its handshake, TLS's included, by then is closed.
  Duration handshake_max = std::chrono::seconds{10};
  // A heartbeat is sent this often; a link that is silent for `silence_max` is down.
  Duration heartbeat_every = std::chrono::seconds{1};
  Duration silence_max = std::chrono::seconds{10};
  // Redial delay doubles from min to max, each with full jitter in its upper half. Smaller: faster
  // healing, more connect storms. A refusal starts at `redial_refused`.
  Duration redial_min = std::chrono::milliseconds{50};
  Duration redial_max = std::chrono::seconds{5};
  Duration redial_refused = std::chrono::seconds{2};
  // Unsent bytes a neighbor may cause before its link is closed; 0: two of the largest frames.
  std::uint64_t queue_bytes_max = 0;
  // Received bytes handed over and not yet given back by consumed(); beyond it the session stops
  // reading, and TCP slows the sender down. 0: two of the largest frames.
  std::uint64_t unread_bytes_max = 0;
  // Of all links together, and of each. A limit that leaves a link less than kProgressBytes
  // (traffic.h) in `silence_max` lets it die.
  RateLimits rates = {};
  RateLimits neighbor_rates = {};
};

// What the two ends of a link said of themselves in its handshake: both know both.
struct ToldRounds {
  Round theirs = 0, ours = 0;
};

// What Links tells its owner. Called on the io thread, never from inside a call to Links.
class PeerEvents {
 public:
  virtual ~PeerEvents() = default;
  // The edge is up at both ends, in this epoch.
  virtual void peer_up(NodeId peer, Epoch epoch, const ToldRounds& told) = 0;
  // It is up no more; `reason` is a sentence for people. Paired with the last peer_up.
  virtual void peer_down(NodeId peer, std::string reason) = 0;
  // After peer_down: it has said that it goes (Farewell::left).
  virtual void peer_left(NodeId /*peer*/) {}
  // An exchange frame, checksum verified, in order, between up and down of its epoch. The receiver
  // calls Links::consumed() with body.size() when it has let go of the body.
  virtual void received(NodeId peer, const FrameHeader& header, SharedBytes body) = 0;
  // A handshake has failed, for the neighbor's fingerprint has another value in this field.
  virtual void differs(NodeId /*peer*/, std::string /*field*/, std::string /*theirs*/) {}
  // What a heartbeat said of the neighbor's model after that many of its rounds: at most a
  // message's length of bytes, to be judged by the owner. Not to be given back by consumed().
  virtual void sketched(NodeId peer, Round rounds, SharedBytes sketch) = 0;
};

enum class LinkState { connecting, up, down };

// Of what kind the newest reason is for which a link is not up.
enum class LinkTrouble {
  none,
  no_address,          // its name is not known
  connection_refused,  // nobody listens there
  timed_out,           // nothing came back
  unreachable,         // the network says so, or this node may not go there
  key,                 // no TLS between the two
  handshake,           // the connection ended, or broke a rule, in the middle of it
  mismatch,            // version, or a field of the run; the reason names it
  other_node,          // one of the two is not whom the other expects
  stopped,
  left,  // it has said that it goes; stays the reason until it is back
  paused,
  left_out,  // it missed a deadline, or this node did
  protocol,  // one of the two broke a rule
  lost,      // the connection broke, or another reason of the moment
};
const char* name_of(LinkTrouble trouble);  // "connection-refused"

// down: no attempt is under way (waiting to redial, or refused); connecting: dialling or in the
// handshake.
struct LinkStatus {
  NodeId peer;
  LinkState state = LinkState::down;
  std::string reason;  // why it is not up; "never connected: connection refused", say
  LinkTrouble trouble = LinkTrouble::none;  // of the reason; none when it is up
  Duration in_state{0};                     // how long it has been up, or has not been up
  Epoch epoch = 0;
  Round round = 0;                                   // as the neighbor last said
  std::uint64_t sent_bytes = 0, received_bytes = 0;  // on the wire, headers and heartbeats included
  Duration sending{0};                               // while a frame was on its way into the socket
  // Times it went down after it was up; times that one end refused the other, or an answer of it.
  std::uint64_t losses = 0, refusals = 0;
  std::uint64_t dials = 0;                 // since it was up last
  std::optional<Duration> redial_in = {};  // where it waits to dial again
  bool held = false;                       // by hold()
  bool away = false;                       // see Neighbor
  std::string
      last_reason;  // of the newest loss, refusal or failure to dial; it stays when it is up
};

// Whether plain TCP may go to these addresses, as far as they are no names (ErrorCode::config). Any
// thread.
Result<void> check_addresses(const std::vector<Neighbor>& neighbors, bool insecure_plaintext);

// What a node's goodbye says of why it ends.
enum class Farewell { finished, stopped, left };

// What goes into the header of a message of the algorithm; the rest is filled in.
struct ExchangeTag {
  FrameType type = FrameType::exchange;  // or another of the algorithm
  Epoch epoch = 0;
  Round round = 0;
  std::uint32_t exchange = 0;
  std::uint64_t base_hash = 0;
};

// io thread only, all of it. Either end may dial; one connection serves both directions. The node
// with the smaller id dials at once, the other one after a first delay; of two connections that
// are both in their handshake, the one dialled by the smaller id stays.
class Links {
 public:
  Links(asio::io_context& io, LinkOptions options, PeerEvents& events,
        std::shared_ptr<spdlog::logger> log);
  // Says no goodbye (see stop) and tells the owner nothing more; at any time.
  ~Links();
  Links(const Links&) = delete;
  Links& operator=(const Links&) = delete;

  // Checks the addresses against the plaintext policy (ErrorCode::config) and binds the listener
  // (ErrorCode::address_in_use names the address and what to do; ErrorCode::io otherwise).
  Result<void> listen();
  // Starts accepting and dialling.
  void start();

  // Queues one exchange message. Dropped silently when the edge is not up in tag.epoch: a
  // peer_down is on its way then. An overfull queue takes the link down.
  void send(NodeId to, const ExchangeTag& tag, SharedBytes body);
  // Tells all neighbors of the model after that many rounds, in a heartbeat behind what is queued.
  // One whose queue is full is not told.
  void sketch(Round rounds, std::span<const std::byte> sketch);
  // Measures the time from here to the neighbor and back over the link, in front of what is queued
  // but for a frame under way. `done` is called once, on the io thread and not from inside a call:
  // with the time, or with ErrorCode::io where no link is up or it goes down before the answer. Of
  // several at a time all hear of the same answer. Where Links goes before that, never.
  void ping(NodeId peer, std::function<void(Result<Duration>)> done);
  // Says goodbye and closes; the edge is redialled after `redial_refused`. peer_down follows.
  void left_out(NodeId peer, const std::string& why);    // it missed our deadline
  void misbehaved(NodeId peer, const std::string& why);  // it broke the protocol
  // See PeerEvents::received. Also owed for the bodies of an epoch that is over: the bound holds
  // per neighbor. More than was received is a broken invariant. Of one that is no neighbor any more
  // nothing happens.
  void consumed(NodeId peer, std::uint64_t bytes);
  // From now on only these prove the neighbor; a link that stands on another ends. For TLS alone.
  void replace_keys(NodeId peer, std::vector<KeyPin> keys);
  // Says goodbye with `why`, behind what is queued, and has no link to the neighbor until
  // release(); peer_down follows where one was up. Twice is as good as once.
  void hold(NodeId peer, const std::string& why);
  void release(NodeId peer);
  // What handshakes and heartbeats say of us from now on.
  void set_round(Round round);
  // The limits of all links together, and of each, from now on. What went above the old ones is
  // owed to the new.
  void limit(const RateLimits& all, const RateLimits& each);
  // Of the budgets that are set; and as another process has left one, that long ago.
  std::vector<DayUse> day_use() const;
  void set_day_used(std::optional<NodeId> peer, std::uint64_t used, Duration ago);
  // The neighbors and the run are these from now on, and so is LinkOptions::body_bytes_max of links
  // that come up; the neighbors' addresses have passed check_addresses.
  // Where the fingerprint is another one, every link sends what is queued and a goodbye and is
  // closed; those to neighbors that stay are dialled at once, for both ends have to see that they
  // mean the same graph. No peer_down is told of links that are closed here,
  // but of one whose key is no longer among its neighbor's: see replace_keys.
  void rewire(std::vector<Neighbor> neighbors, Fingerprint fingerprint,
              std::uint64_t body_bytes_max);

  // Stops accepting and dialling, sends what is queued and a goodbye on every link, and calls
  // `done` when all are closed, or after `deadline`. To be called once.
  void stop(Farewell farewell, Duration deadline, std::function<void()> done);

  std::vector<LinkStatus> status() const;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace starling::peer
