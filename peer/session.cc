#include "peer/session.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <utility>

#include "peer/handshake.h"
#include "peer/limits.h"
#include "protocol/check.h"

namespace starling::peer {
namespace {

SessionEnd goodbye_end(const wire::Goodbye& goodbye, const std::string& peer) {
  SessionEnd end;
  end.kind = SessionEnd::Kind::said_goodbye;
  const std::string text = printable(goodbye.text());
  switch (goodbye.reason()) {
    case wire::Goodbye::finished:
      end.reason = fmt::format("{} has finished its run", peer);
      end.trouble = LinkTrouble::stopped;
      break;
    case wire::Goodbye::stopped:
      end.reason = fmt::format("{} was stopped", peer);
      end.trouble = LinkTrouble::stopped;
      break;
    case wire::Goodbye::left:
      end.reason = fmt::format("{} has left", peer);
      end.trouble = LinkTrouble::left;
      end.redial_slowly = true;
      break;
    case wire::Goodbye::left_out:
      end.trouble = LinkTrouble::left_out;
      end.reason = fmt::format("{} went on without this node: {}", peer, text);
      end.redial_slowly = true;
      break;
    case wire::Goodbye::misbehaved:
      end.trouble = LinkTrouble::protocol;
      end.reason = fmt::format("{} says that this node broke the protocol: {}", peer, text);
      end.redial_slowly = true;
      break;
    case wire::Goodbye::paused:
      end.trouble = LinkTrouble::paused;
      end.reason = fmt::format("{} has paused: {}", peer, text);
      end.redial_slowly = true;
      break;
    case wire::Goodbye::reloaded:
      end.reason = fmt::format("{} has read its run file again: {}", peer, text);
      break;
    default: end.reason = fmt::format("{} said goodbye: {}", peer, text); break;
  }
  return end;
}

}  // namespace

Session::Session(std::shared_ptr<Connection> connection, SessionOptions options, Round peer_round,
                 std::uint64_t unread_bytes)
    : connection_(std::move(connection)),
      options_(std::move(options)),
      peer_round_(peer_round),
      queued_(connection_->socket().get_executor(), kNever),
      unread_bytes_(unread_bytes),
      room_(connection_->socket().get_executor(), kNever),
      pulse_(connection_->socket().get_executor()) {
  connection_->keep_open();
  connection_->mark_heard();
}

// --- sending -------------------------------------------------------------------------------------

void Session::enqueue(Outgoing frame) {
  queue_bytes_ += frame.bytes();
  queue_.push_back(std::move(frame));
  queued_.cancel();
}

bool Session::send(FrameHeader header, SharedBytes body) {
  INVARIANT(body.size() <= options_.limits.body_bytes_max);
  if (end_) return true;
  header.epoch = options_.epoch;
  header.sequence = next_sent_++;
  const std::uint64_t bytes = kFrameHeaderBytes + body.size();
  if (queue_bytes_ + bytes > options_.queue_bytes_max) {
    fail({.reason = fmt::format("{} takes too little: {} bytes are queued for it, {} more would "
                                "pass the limit of {}",
                                options_.peer, queue_bytes_, bytes, options_.queue_bytes_max)});
    return false;
  }
  enqueue({header, {}, std::move(body)});
  return true;
}

void Session::beat(Round round) {
  // Behind other frames it would tell nothing: the peer hears those.
  if (end_ || !queue_.empty()) return;
  wire::Heartbeat heartbeat;
  heartbeat.set_round(round);
  enqueue(
      {{.type = FrameType::heartbeat, .epoch = options_.epoch}, heartbeat.SerializeAsString(), {}});
}

void Session::sketch(Round rounds, std::span<const std::byte> sketch) {
  if (end_) return;
  wire::Heartbeat heartbeat;
  heartbeat.set_round(round_);
  heartbeat.set_sketch_rounds(rounds);
  heartbeat.set_sketch(sketch.data(), sketch.size());
  Outgoing frame{
      {.type = FrameType::heartbeat, .epoch = options_.epoch}, heartbeat.SerializeAsString(), {}};
  if (queue_bytes_ + frame.bytes() <= options_.queue_bytes_max) enqueue(std::move(frame));
}

Task<void> Session::write_loop() {
  while (connection_->is_open()) {
    std::deque<Outgoing>& from = first_.empty() ? queue_ : first_;
    if (from.empty()) {
      if (end_) {
        connection_->shut_sending();
        co_return;
      }
      co_await queued_.async_wait(awaited());
      continue;
    }
    Outgoing& frame = from.front();  // stays where it is: only this loop takes from the front
    writing_ = &from == &queue_;
    sending_since_ = Clock::now();
    const Result<void> written =
        co_await write_frame(*connection_, frame.header, frame.message, frame.body);
    sent_for_ = sending();
    sending_since_.reset();
    writing_ = false;
    // The reader finds out why, after what the peer had said before.
    if (!written) co_return;
    if (&from == &queue_) queue_bytes_ -= frame.bytes();
    from.pop_front();
  }
}

Duration Session::sending() const {
  return sent_for_ + (sending_since_ ? Clock::now() - *sending_since_ : Duration{0});
}

// --- receiving -----------------------------------------------------------------------------------

std::optional<Error> Session::check(const FrameHeader& header) const {
  const auto wrong = [](const char* field, std::uint64_t found, std::uint64_t expected) {
    return Error{ErrorCode::peer,
                 fmt::format("frame {} is {}, expected {}", field, found, expected)};
  };
  if (header.epoch != options_.epoch) return wrong("epoch", header.epoch, options_.epoch);
  switch (header.type) {
    case FrameType::exchange:
    case FrameType::opening:
    case FrameType::settlement:
    case FrameType::joining:
    case FrameType::ask:
    case FrameType::snapshot:
    case FrameType::piece:
    case FrameType::missed:
      if (header.sequence != next_received_) {
        return wrong("sequence", header.sequence, next_received_);
      }
      if (header.message_bytes != 0) return wrong("message length", header.message_bytes, 0);
      return check_body(header);
    case FrameType::heartbeat:
    case FrameType::goodbye:
      if (header.body_bytes != 0) return wrong("body length", header.body_bytes, 0);
      return std::nullopt;
    default:
      return Error{ErrorCode::peer,
                   fmt::format("frame type is {} on a link that is up, expected 4 (heartbeat), "
                               "5 (goodbye) or 6 to 13 (of the algorithm)",
                               static_cast<int>(header.type))};
  }
}

std::optional<Error> Session::check_body(const FrameHeader& header) const {
  std::uint64_t most = options_.exchange_bytes_max;
  const bool has_body = header.type != FrameType::joining && header.type != FrameType::ask &&
                        header.type != FrameType::missed;
  if (!has_body) most = 0;
  if (header.type == FrameType::snapshot) most = kSnapshotBodyBytes;
  if (header.type == FrameType::piece) most = options_.piece_bytes_max;
  if (header.body_bytes <= most) return std::nullopt;
  return Error{ErrorCode::peer,
               fmt::format("frame body of type {} has {} bytes, expected at most {}",
                           static_cast<int>(header.type), header.body_bytes, most)};
}

Task<void> Session::wait_for_room(std::uint64_t body_bytes) {
  while (!end_ && unread_bytes_ > 0 && unread_bytes_ + body_bytes > options_.unread_bytes_max) {
    paused_ = true;
    co_await room_.async_wait(awaited());
  }
  if (paused_) listens_since_ = Clock::now();
  paused_ = false;
}

Task<Result<Payload>> Session::read_frame(FrameHeader& header) {
  Result<FrameHeader> read = co_await read_header(*connection_, options_.limits);
  if (!read) co_return read.error();
  if (auto error = check(*read)) co_return *error;
  co_await wait_for_room(read->body_bytes);
  if (end_) co_return Error{ErrorCode::io, end_->reason};
  header = *read;
  Result<Payload> payload = co_await read_payload(*connection_, header);
  co_return payload;
}

Task<std::optional<Session::Incoming>> Session::receive() {
  while (!end_) {
    FrameHeader header;
    Result<Payload> payload = co_await read_frame(header);
    if (end_) break;
    if (!payload) {
      const Error& error = payload.error();
      if (error.code == ErrorCode::peer) {
        broke_protocol(error.message);
      } else {
        fail({.reason = error.message});
      }
    } else if (header.type == FrameType::heartbeat) {
      if (auto sketch = take_heartbeat(*payload)) co_return std::move(*sketch);
    } else if (header.type == FrameType::goodbye) {
      take_goodbye(*payload);
    } else {
      ++next_received_;
      unread_bytes_ += header.body_bytes;
      peer_round_ = std::max(peer_round_, header.round);
      co_return Incoming{header, payload->body};
    }
  }
  co_return std::nullopt;
}

std::optional<Session::Incoming> Session::take_heartbeat(const Payload& payload) {
  wire::Heartbeat heartbeat;
  if (!heartbeat.ParseFromString(payload.message)) {
    broke_protocol("a Heartbeat does not parse");
    return std::nullopt;
  }
  peer_round_ = heartbeat.round();
  take_ping(heartbeat);
  if (heartbeat.sketch().empty()) return std::nullopt;
  ByteBlock sketch(heartbeat.sketch().size());
  std::ranges::copy(std::as_bytes(std::span(heartbeat.sketch())), sketch.bytes().begin());
  return Incoming{{.type = FrameType::heartbeat, .round = heartbeat.sketch_rounds()},
                  std::move(sketch)};
}

void Session::take_goodbye(const Payload& payload) {
  wire::Goodbye goodbye;
  if (!goodbye.ParseFromString(payload.message)) {
    return broke_protocol("a Goodbye does not parse");
  }
  fail(goodbye_end(goodbye, options_.peer));
}

void Session::consumed(std::uint64_t bytes) {
  INVARIANT(bytes <= unread_bytes_);
  unread_bytes_ -= bytes;
  room_.cancel();
}

// --- the end -------------------------------------------------------------------------------------

void Session::fail(SessionEnd end) {
  if (!end_) end_ = std::move(end);
  connection_->close();
  queued_.cancel();
  room_.cancel();
  pulse_.cancel();
}

void Session::leave(SessionEnd end, wire::Goodbye::Reason reason, const std::string& text,
                    bool flush, Duration linger) {
  if (end_) return;
  end_ = std::move(end);
  if (!flush) {
    while (queue_.size() > (writing_ ? 1 : 0)) queue_.pop_back();
  }
  wire::Goodbye goodbye;
  goodbye.set_reason(reason);
  goodbye.set_text(printable(text, 1000));
  enqueue({{.type = FrameType::goodbye, .epoch = options_.epoch}, goodbye.SerializeAsString(), {}});
  connection_->close_after(linger);
  room_.cancel();
  pulse_.cancel();
}

void Session::broke_protocol(const std::string& what) {
  leave({.kind = SessionEnd::Kind::broke_protocol,
         .reason = fmt::format("{} broke the protocol: {}", options_.peer, what),
         .redial_slowly = true,
         .trouble = LinkTrouble::protocol},
        wire::Goodbye::misbehaved, what, false, kLingerMax);
}

Task<void> Session::finish() {
  // Closing with unread bytes in the socket would reset the connection, and the goodbye be lost.
  std::array<std::byte, 16384> scratch;
  while (connection_->is_open()) {
    const ReadSome read = co_await connection_->read_some(scratch);
    if (read.error) break;
  }
  connection_->close();
  queued_.cancel();
}

Clock::time_point Session::silent_at() const {
  if (paused_) return kNever;
  return std::max(connection_->traffic().heard(), listens_since_) + options_.silence_max;
}

Task<void> Session::pulse_loop() {
  Clock::time_point next_beat = Clock::now() + options_.heartbeat_every;
  while (!end_) {
    const Clock::time_point wake = std::min(next_beat, silent_at());
    pulse_.expires_at(wake);
    co_await pulse_.async_wait(awaited());
    if (end_) co_return;
    const Clock::time_point now = Clock::now();
    // This process stood still (stopped, swapped out): what it did not hear meanwhile says nothing.
    if (now > wake + options_.heartbeat_every) listens_since_ = now;
    if (now >= silent_at()) {
      fail(
          {.reason = fmt::format("nothing was heard for {:.1f} s", seconds(options_.silence_max))});
    } else if (now >= next_beat) {
      beat(round_);
      next_beat = now + options_.heartbeat_every;
    }
  }
}

}  // namespace starling::peer
