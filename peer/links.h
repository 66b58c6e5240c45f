// The neighbors of one node on the wire: who is connected, and whole messages to and from them.
#pragma once

#include <spdlog/logger.h>

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "protocol/bytes.h"
#include "protocol/fingerprint.h"
#include "protocol/frame.h"
#include "protocol/ids.h"
#include "protocol/result.h"

namespace asio {
class io_context;
}

namespace starling::peer {

struct Neighbor {
  NodeId id;
  std::string name;
  std::string address;   // "host:port", "[v6]:port"
  Epoch last_epoch = 0;  // of its links so far, where the node remembers; the next one is above it
};

struct LinkOptions {
  NodeId self;
  std::string self_name;
  std::string listen_address;
  std::vector<Neighbor> neighbors;
  Fingerprint fingerprint;
  // The largest body that an exchange of this run can have; a frame over it ends the session.
  std::uint64_t body_bytes_max = 0;
  // Plain TCP to an address that is neither loopback nor private is refused unless this is set.
  bool insecure_plaintext = false;
  std::uint64_t seed = 0;  // of the redial jitter

  // A connection that has not finished its handshake by then is closed.
  Duration handshake_max = std::chrono::seconds{5};
  // A heartbeat is sent this often; a link that is silent for `silence_max` is down.
  Duration heartbeat_every = std::chrono::seconds{1};
  Duration silence_max = std::chrono::seconds{10};
  // Redial delay doubles from min to max, each with full jitter in its upper half. Smaller: faster
  // healing, more connect storms. A refusal starts at `redial_refused`.
  Duration redial_min = std::chrono::milliseconds{50};
  Duration redial_max = std::chrono::seconds{5};
  Duration redial_refused = std::chrono::seconds{2};
  // Unsent bytes a neighbor may cause before its link is closed; 0: four of the largest frames.
  std::uint64_t queue_bytes_max = 0;
  // Received bytes handed over and not yet given back by consumed(); beyond it the session stops
  // reading, and TCP slows the sender down. 0: four of the largest frames.
  std::uint64_t unread_bytes_max = 0;
};

// What Links tells its owner. Called on the io thread, never from inside a call to Links.
class PeerEvents {
 public:
  virtual ~PeerEvents() = default;
  // The edge is up at both ends, in this epoch; `round` is what the neighbor said of itself.
  virtual void peer_up(NodeId peer, Epoch epoch, Round round) = 0;
  // It is up no more; `reason` is a sentence for people. Paired with the last peer_up.
  virtual void peer_down(NodeId peer, std::string reason) = 0;
  // An exchange frame, checksum verified, in order, between up and down of its epoch. The receiver
  // calls Links::consumed() with body.size() when it has let go of the body.
  virtual void received(NodeId peer, const FrameHeader& header, SharedBytes body) = 0;
};

enum class LinkState { connecting, up, down };

// down: no attempt is under way (waiting to redial, or refused); connecting: dialling or in the
// handshake.
struct LinkStatus {
  NodeId peer;
  LinkState state = LinkState::down;
  std::string reason;    // why it is not up; "never connected: connection refused", say
  Duration in_state{0};  // how long it has been up, or has not been up
  Epoch epoch = 0;
  Round round = 0;                                   // as the neighbor last said
  std::uint64_t sent_bytes = 0, received_bytes = 0;  // on the wire, headers and heartbeats included
};

// What goes into the header of a message of the algorithm; the rest is filled in.
struct ExchangeTag {
  FrameType type = FrameType::exchange;  // or opening, settlement, joining
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
  // Says goodbye and closes; the edge is redialled after `redial_refused`. peer_down follows.
  void left_out(NodeId peer, const std::string& why);    // it missed our deadline
  void misbehaved(NodeId peer, const std::string& why);  // it broke the protocol
  // See PeerEvents::received. Also owed for the bodies of an epoch that is over: the bound holds
  // per neighbor. More than was received is a broken invariant.
  void consumed(NodeId peer, std::uint64_t bytes);
  // What handshakes and heartbeats say of us from now on.
  void set_round(Round round);

  // Stops accepting and dialling, sends what is queued and a goodbye on every link, and calls
  // `done` when all are closed, or after `deadline`. `finished`: the run is over, else stopped.
  // To be called once.
  void stop(bool finished, Duration deadline, std::function<void()> done);

  std::vector<LinkStatus> status() const;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace starling::peer
