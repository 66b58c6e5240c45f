// One connection whose handshake is over.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "peer/links.h"
#include "peer/wire.h"
#include "protocol/peer.pb.h"

namespace starling::peer {

struct SessionOptions {
  std::string peer;  // its name, for sentences
  Epoch epoch = 0;
  FrameLimits limits;                    // of any frame
  std::uint64_t exchange_bytes_max = 0;  // of the body of an exchange
  std::uint64_t piece_bytes_max = 0;     // of a piece of a model
  Duration heartbeat_every{}, silence_max{};
  std::uint64_t queue_bytes_max = 0;
  std::uint64_t unread_bytes_max = 0;
};

// Why a session is over. The first reason stays.
struct SessionEnd {
  enum class Kind { lost, broke_protocol, said_goodbye, ended_here };
  Kind kind = Kind::lost;
  std::string reason;          // a sentence for people
  bool redial_slowly = false;  // the other end, or we, want a pause
  LinkTrouble trouble = LinkTrouble::lost;
};

// Three coroutines work on it: whoever calls receive() until it is over, write_loop and
// pulse_loop. Whoever starts them keeps it alive until they have ended; the table forgets it when
// the edge is down, while it may still be saying goodbye. io thread only.
class Session {
 public:
  struct Incoming {
    FrameHeader header;
    SharedBytes body;
  };

  // `unread_bytes`: received from this peer earlier and not yet given back.
  Session(std::shared_ptr<Connection> connection, SessionOptions options, Round peer_round,
          std::uint64_t unread_bytes);

  Task<void> write_loop();
  // Heartbeats, and the silence deadline.
  Task<void> pulse_loop();
  // The next exchange, or what a heartbeat says of the peer's model (of type heartbeat, the round
  // that of the sketch, and not unread until given back), or nothing: the session is over, see
  // end(). Waits while the owner holds more than unread_bytes_max.
  Task<std::optional<Incoming>> receive();
  // After receive() gave nothing: waits until a goodbye of ours has reached the peer, and closes.
  Task<void> finish();

  // False: the queue is full, and the session is over.
  [[nodiscard]] bool send(FrameHeader header, SharedBytes body);
  void beat(Round round);
  // See Links::sketch.
  void sketch(Round rounds, std::span<const std::byte> sketch);
  void set_round(Round round) { round_ = round; }
  // See Links::ping.
  using Pinged = std::function<void(Result<Duration>)>;
  void ping(Pinged done);
  // Of a session that is over: those who wait for an answer hear why there is none.
  void end_pings();
  void consumed(std::uint64_t bytes);

  // Closes at once; nothing queued is sent.
  void fail(SessionEnd end);
  // The last words; closes when the peer has taken them, or after `linger`. What is queued is sent
  // before them if `flush`.
  void leave(SessionEnd end, wire::Goodbye::Reason reason, const std::string& text, bool flush,
             Duration linger);
  const std::optional<SessionEnd>& end() const { return end_; }

  const Connection& connection() const { return *connection_; }
  void paces_changed() { connection_->paces_changed(); }
  Round peer_round() const { return peer_round_; }
  std::uint64_t unread_bytes() const { return unread_bytes_; }
  // How long frames have been on their way into the socket, the one under way included.
  Duration sending() const;

 private:
  struct Outgoing {
    FrameHeader header;
    std::string message;
    SharedBytes body;
    std::uint64_t bytes() const { return kFrameHeaderBytes + message.size() + body.size(); }
  };

  // Waits for an answer; one at a time.
  struct Ping {
    std::uint64_t number;
    Clock::time_point sent;
    std::vector<Pinged> done;
  };

  void enqueue(Outgoing frame);
  void send_first(const wire::Heartbeat& heartbeat);
  Task<Result<Payload>> read_frame(FrameHeader& header);
  Task<void> wait_for_room(std::uint64_t body_bytes);
  // What is wrong with a frame that has passed the limits, at this place in the stream.
  std::optional<Error> check(const FrameHeader& header) const;
  std::optional<Error> check_body(const FrameHeader& header) const;
  // What it says of the peer's model, if it says something.
  std::optional<Incoming> take_heartbeat(const Payload& payload);
  void take_ping(const wire::Heartbeat& heartbeat);
  void take_goodbye(const Payload& payload);
  void broke_protocol(const std::string& what);
  Clock::time_point silent_at() const;

  // Constant after construction.
  const std::shared_ptr<Connection> connection_;
  const SessionOptions options_;

  std::optional<SessionEnd> end_;
  Round round_ = 0;
  Round peer_round_;

  std::deque<Outgoing> queue_;  // the front one may be under way
  std::uint64_t queue_bytes_ = 0;
  std::deque<Outgoing> first_;  // goes before the queue: pings and pongs, kFirstMax at most
  bool writing_ = false;        // the front of the queue
  std::optional<Clock::time_point> sending_since_;  // a frame of either
  Duration sent_for_{0};
  std::optional<Ping> ping_;
  std::uint64_t pings_ = 0;
  Sequence next_sent_ = 0;
  asio::steady_timer queued_;  // never expires; cancelled when there is something to write

  Sequence next_received_ = 0;
  std::uint64_t unread_bytes_;
  bool paused_ = false;
  // What could not be heard before then is no silence; it is no sign of life either (Table::hold).
  Clock::time_point listens_since_{};
  asio::steady_timer room_;  // never expires; cancelled when there may be room again
  asio::steady_timer pulse_;
};

}  // namespace starling::peer
