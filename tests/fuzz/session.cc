// An input is what happens on one link that is up, event by event: bytes of the other end in pieces
// of any size, frames that are almost right, time, sends of our own, an owner that lets go of
// bodies late, an end that does not read, ends of every kind. The session is the real one, on a
// socket; its model is in session_model.h. Aborts where the two differ, where what it says is not a
// stream of whole frames in order, or where something of it lives on.
#include "peer/session.h"

#include <spdlog/sinks/null_sink.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <vector>

#include "corpus.h"
#include "input.h"
#include "peer/spawn.h"
#include "session_model.h"
#include "stream.h"
#include "virtual_clock.h"

namespace starling::fuzz {
namespace {

using namespace std::chrono_literals;
using Kind = SessionModel::Kind;

constexpr auto kStep = 400ms;  // less than a heartbeat
constexpr std::size_t kHeartbeatBytes = kFrameHeaderBytes + 11;

const peer::SessionOptions kOptions{
    .peer = "n1",
    .epoch = 3,
    .limits = {.message_bytes_max = 64, .body_bytes_max = 600},
    .exchange_bytes_max = 300,
    .piece_bytes_max = 600,
    .heartbeat_every = 1s,
    .silence_max = 3s,
    .queue_bytes_max = 3000,
    .unread_bytes_max = 700,
};

enum class Happening : std::uint8_t {
  frame,      // of the other end; it lies there until it is delivered
  raw,        // the same of any bytes
  deliver,    // some of what lies there
  pass,       // of time
  stand,      // still, as a process that is stopped
  send,       // by this end
  consume,    // by its owner
  read,       // by the other end
  hang_up,    // the other end says no more, or is gone
  leave,      // with a goodbye of this end
  fail,       // without
  set_round,  // of this end
};
constexpr std::size_t kHappenings = 12;

class World {
 public:
  World() : listener_(kOptions), model_(kOptions) {
    std::array<int, 2> ends{};
    INVARIANT(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()) == 0);
    far_ = ends[1];
    // As little as the kernel takes, so that a queue fills.
    const int small = 1;
    ::setsockopt(ends[0], SOL_SOCKET, SO_SNDBUF, &small, sizeof small);
    // Of TCP the session needs no more than any stream has.
    auto connection =
        std::make_shared<peer::Connection>(peer::Tcp::socket(io_, peer::Tcp::v4(), ends[0]));
    session_ = std::make_unique<peer::Session>(connection, kOptions, 0, 0);
    connection_ = connection;
    run(serve());
    run(session_->write_loop());
    run(session_->pulse_loop());
    settle(io_);
  }
  ~World() { close_far(); }

  void happen(Input& input) {
    switch (static_cast<Happening>(input.below(kHappenings))) {
      case Happening::frame: said_.append(some_frame(input)); break;
      case Happening::raw: said_.append(input.text(input.byte())); break;
      case Happening::deliver:
        say(std::array<std::size_t, 5>{1, 63, 64, 200, 5000}[input.below(5)]);
        break;
      case Happening::pass: let_pass(1 + input.below(10)); break;
      case Happening::stand: stand_still(); break;
      case Happening::send: send_body(input); break;
      case Happening::consume: consume(model_.unread() * (1 + input.below(4)) / 4); break;
      case Happening::read:
        listen(std::array<std::size_t, 3>{10, 500, 100'000}[input.below(3)]);
        break;
      case Happening::hang_up: hang_up_far(input.below(2) == 1); break;
      case Happening::leave: leave_here(input.below(2) == 1); break;
      case Happening::fail: fail_here(); break;
      case Happening::set_round: set_our_round(input.byte()); break;
    }
    compare();
  }

  // Whatever has happened: when the other end is gone and some time has passed, it is over.
  void end() {
    while (!hung_up_ && !session_->end() && !said_.empty()) {
      say(said_.size());
      consume(model_.unread());
      compare();
    }
    hang_up_far(true);
    // Frames may still lie where the session, short of room, has not looked.
    while (!session_->end() && model_.unread() > 0) consume(model_.unread());
    compare();
    let_pass(10);
    INVARIANT(session_->end() && running_ == 0 && !connection_->is_open());
    session_ = nullptr;
    connection_ = nullptr;
    settle(io_);
    INVARIANT(io_.stopped());
  }

 private:
  peer::Task<void> serve() {
    while (auto incoming = co_await session_->receive()) {
      got_.push_back(*std::move(incoming));
    }
    co_await session_->finish();
  }
  void run(peer::Task<void> body) {
    static const auto log = std::make_shared<spdlog::logger>(
        "session", std::make_shared<spdlog::sinks::null_sink_st>());
    ++running_;
    peer::spawn(io_, "session", log, std::move(body), [this] { --running_; });
  }

  // ---- the other end ---------------------------------------------------------------------------

  // Right, but for what one byte changes.
  std::string some_frame(Input& input) {
    FrameHeader header{.type = static_cast<FrameType>(1 + input.below(14)),
                       .epoch = kOptions.epoch,
                       .round = input.byte()};
    std::string message, body;
    if (header.type >= FrameType::exchange) header.sequence = next_said_++;
    if (header.type == FrameType::heartbeat) {
      wire::Heartbeat heartbeat;
      heartbeat.set_round(header.round);
      if (header.round % 4 == 3) {
        heartbeat.set_sketch_rounds(header.round + 1);
        heartbeat.set_sketch(content(header.round, 40));
      }
      message = heartbeat.SerializeAsString();
    } else if (header.type == FrameType::snapshot) {
      body = content(header.round, 8);
    } else if (header.type >= FrameType::exchange && header.type != FrameType::joining &&
               header.type != FrameType::ask && header.type != FrameType::missed) {
      body = content(header.round, std::array<std::size_t, 4>{0, 1, 299, 300}[input.below(4)]);
    }
    switch (input.byte()) {
      case 1: ++header.epoch; break;
      case 2: ++header.sequence; break;
      case 3: header.payload_hash = 1; break;
      case 4: message += '\xff'; break;
      case 5: body.resize(301, 'x'); break;
      case 6: body.resize(601, 'x'); break;
      case 7: message.resize(65, '\0'); break;
      default: break;
    }
    return encoded(header, message, body);
  }

  // As much of it as the kernel takes from an end that may not be reading.
  void say(std::size_t bytes) {
    std::string_view rest = std::string_view(said_).substr(0, bytes);
    while (!hung_up_ && !rest.empty()) {
      const ssize_t sent = ::send(far_, rest.data(), rest.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
      if (sent < 0) break;
      model_.hear(rest.substr(0, static_cast<std::size_t>(sent)));
      rest.remove_prefix(static_cast<std::size_t>(sent));
      settle(io_);
    }
    said_.erase(0, std::min(bytes, said_.size()) - rest.size());
  }
  void listen(std::size_t bytes) {
    std::vector<char> buffer(bytes);
    if (far_ < 0) return;
    const ssize_t got = ::recv(far_, buffer.data(), buffer.size(), MSG_DONTWAIT);
    if (got <= 0) return;
    listener_.hear({buffer.data(), static_cast<std::size_t>(got)});
    settle(io_);
  }
  void hang_up_far(bool completely) {
    // What it had said is on its way; what it has not heard it will not hear any more.
    if (!hung_up_) model_.end_of_stream();
    hung_up_ = true;
    if (far_ >= 0) ::shutdown(far_, SHUT_WR);
    if (completely) close_far();
    settle(io_);
  }
  void close_far() {
    if (far_ >= 0) ::close(far_);
    far_ = -1;
  }

  // ---- this end --------------------------------------------------------------------------------

  void send_body(Input& input) {
    constexpr std::array kTypes{FrameType::exchange, FrameType::piece};
    const std::size_t bytes = std::array<std::size_t, 4>{0, 40, 300, 600}[input.below(4)];
    const bool was_over = session_->end().has_value();
    const bool taken =
        session_->send({.type = kTypes[input.below(2)], .round = 1}, shared(content(sent_, bytes)));
    if (!taken) {
      // Only what the other end has not heard, and one heartbeat, may be in the way.
      const std::size_t queued = sent_bytes_ - listener_.heard_bytes() + kHeartbeatBytes;
      INVARIANT(!was_over && queued + kFrameHeaderBytes + bytes > kOptions.queue_bytes_max);
      model_.end(Kind::lost);
    } else if (!was_over) {
      ++sent_;
      sent_bytes_ += kFrameHeaderBytes + bytes;
      listener_.expect(bytes);
    }
    settle(io_);
  }
  void consume(std::uint64_t bytes) {
    session_->consumed(bytes);
    model_.consumed(bytes);
    settle(io_);
  }
  void let_pass(std::size_t steps) {
    for (std::size_t i = 0; i < steps; ++i) {
      pass(kStep);
      settle(io_);
      model_.look_at_time();
      compare();
    }
  }
  void stand_still() {
    pass(1h);
    settle(io_);
    model_.stood_still();
  }
  void leave_here(bool flush) {
    session_->leave({.kind = Kind::ended_here, .reason = "it was left out"},
                    wire::Goodbye::left_out, "late", flush, 2s);
    model_.end(Kind::ended_here);
    settle(io_);
  }
  void fail_here() {
    session_->fail({.kind = Kind::ended_here, .reason = "this node is gone"});
    model_.end(Kind::ended_here);
    settle(io_);
  }
  void set_our_round(Round round) {
    if (round < round_) return;
    round_ = round;
    session_->set_round(round);
    listener_.set_round(round);
  }

  // ---- both ------------------------------------------------------------------------------------

  void compare() {
    INVARIANT(session_->end().has_value() == model_.end().has_value());
    if (session_->end()) {
      INVARIANT(session_->end()->kind == *model_.end() && !session_->end()->reason.empty());
    }
    INVARIANT(got_.size() == model_.received().size());
    for (const peer::Session::Incoming& incoming : got_) {
      const SessionModel::Message& expected = model_.received().front();
      INVARIANT(incoming.header == expected.header);
      INVARIANT(std::ranges::equal(incoming.body.bytes(), bytes_of(expected.body)));
      model_.received().pop_front();
    }
    got_.clear();
    INVARIANT(session_->peer_round() == model_.peer_round());
    INVARIANT(session_->unread_bytes() == model_.unread());
    INVARIANT(model_.unread() <= kOptions.unread_bytes_max);
  }

  asio::io_context& io_ = begin_io();
  int far_ = -1;
  bool hung_up_ = false;
  std::string said_;  // by the other end, and not delivered yet
  Sequence next_said_ = 0;
  Listener listener_;

  std::unique_ptr<peer::Session> session_;
  std::shared_ptr<peer::Connection> connection_;
  int running_ = 0;
  std::vector<peer::Session::Incoming> got_;
  std::uint64_t sent_ = 0;
  std::size_t sent_bytes_ = 0;
  Round round_ = 0;
  SessionModel model_;
};

}  // namespace

std::vector<Seed> seeds() {
  const auto event = [](Happening what, std::vector<int> how = {}) {
    how.insert(how.begin(), static_cast<int>(what));
    return how;
  };
  const auto seed = [](const std::vector<std::vector<int>>& events) {
    Seed out;
    for (const std::vector<int>& one : events) {
      for (const int byte : one) out.push_back(static_cast<std::byte>(byte));
    }
    return out;
  };
  using enum Happening;
  // A type is numbered from 0 here; size 3 is 300 bytes, change 0 none.
  const auto beat = event(frame, {3, 9, 0}), goodbye = event(frame, {4, 0, 0}),
             body = event(frame, {5, 1, 3, 0}), all = event(deliver, {4}),
             our_body = event(Happening::send, {3, 0}), hear = event(Happening::read, {2});
  std::vector<Seed> seeds{
      seed({beat, body, all, event(consume, {3}), our_body, hear, event(set_round, {5}),
            event(pass, {4}), hear, event(leave, {1}), hear, event(hang_up, {0})}),
      seed({body, body, body, body, all, event(pass, {9}), event(consume, {1}), event(consume, {3}),
            event(pass, {3})}),
      seed({event(pass, {9})}),
      seed({event(pass, {5}), event(stand), event(pass, {6}), event(pass, {1})}),
      seed({our_body, our_body, our_body, our_body, our_body, our_body, our_body, our_body,
            our_body, our_body, our_body, our_body, our_body, our_body, our_body, our_body}),
      seed({body, goodbye, body, all, event(pass, {3})}),
      seed({body, event(deliver, {0}), event(deliver, {1}), event(deliver, {0}), all}),
      seed({body, event(deliver, {3}), event(hang_up, {0})}),
      seed({body, body, body, all, event(hang_up, {1}), event(consume, {3})}),
      seed({our_body, our_body, event(leave, {0}), event(pass, {5})}),
      seed({body, all, event(fail), body, all, our_body}),
      seed({event(raw, {3, 'S', 'T', 'R'}), all, event(pass, {2})}),
  };
  for (int type = 0; type < 13; ++type) {
    const bool has_size = type >= 11 || (type >= 5 && type <= 7);
    seeds.push_back(
        seed({event(frame, has_size ? std::vector{type, 1, 1, 0} : std::vector{type, 1, 0}), all}));
  }
  for (int change = 1; change < 8; ++change) {
    seeds.push_back(seed({event(frame, {5, 1, 3, change}), all, hear}));
    seeds.push_back(seed({event(frame, {3, 1, change}), all, hear}));
  }
  return seeds;
}

}  // namespace starling::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace starling::fuzz;
  Input input(data, std::min<std::size_t>(size, 2000));
  World world;
  while (!input.empty()) world.happen(input);
  world.end();
  return 0;
}
