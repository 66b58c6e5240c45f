// What one end of a link promises about what it hears (peer/README.md), written down plainly:
// beside the real session it runs on the same bytes and the same clock.
#pragma once

#include <algorithm>
#include <deque>
#include <optional>
#include <string>

#include "peer/session.h"
#include "protocol/check.h"

namespace starling::fuzz {

inline std::span<const std::byte> bytes_of(std::string_view text) {
  return std::as_bytes(std::span(text.data(), text.size()));
}

class SessionModel {
 public:
  using Kind = peer::SessionEnd::Kind;
  struct Message {
    FrameHeader header;
    std::string body;
  };

  explicit SessionModel(peer::SessionOptions options) : options_(std::move(options)) {}

  // What the other end has said, until it says no more.
  void hear(std::string_view bytes) {
    in_.append(bytes);
    run();
  }
  void end_of_stream() {
    is_whole_ = true;
    run();
  }
  void consumed(std::uint64_t bytes) {
    unread_ -= bytes;
    run();
  }
  // Time has passed in steps smaller than a heartbeat.
  void look_at_time() {
    if (!end_ && !paused_ && peer::Clock::now() >= heard_ + options_.silence_max) end_ = Kind::lost;
  }
  // It has passed in one step: the process stood still.
  void stood_still() { heard_ = peer::Clock::now(); }
  // For a reason of our own.
  void end(Kind kind) {
    if (!end_) end_ = kind;
  }

  const std::optional<Kind>& end() const { return end_; }
  std::deque<Message>& received() { return received_; }
  Round peer_round() const { return peer_round_; }
  std::uint64_t unread() const { return unread_; }
  Sequence next_sequence() const { return next_; }

 private:
  void run() {
    while (!end_ && step()) {
    }
    if (!end_ && is_whole_ && !paused_) end_ = Kind::lost;
  }

  // False: more has to come first, or room.
  bool step() {
    if (!header_ && !take_header()) return false;
    const std::uint64_t body_bytes = header_->body_bytes;
    if (unread_ > 0 && unread_ + body_bytes > options_.unread_bytes_max) {
      paused_ = true;
      return false;
    }
    if (paused_) heard_ = peer::Clock::now();
    paused_ = false;
    if (in_.size() < header_->message_bytes + body_bytes) return false;
    const Message message{*header_, in_.substr(header_->message_bytes, body_bytes)};
    const std::string text = in_.substr(0, header_->message_bytes);
    in_.erase(0, text.size() + message.body.size());
    header_.reset();
    if (hash_payload(bytes_of(text), bytes_of(message.body)) != message.header.payload_hash) {
      return broke();
    }
    heard_ = peer::Clock::now();
    return take(message, text);
  }

  bool take_header() {
    if (in_.size() < kFrameHeaderBytes) return false;
    const auto header = decode_header(bytes_of(in_).first<kFrameHeaderBytes>(), options_.limits);
    if (!header || !is_in_place(*header)) return broke();
    in_.erase(0, kFrameHeaderBytes);
    header_ = *header;
    return true;
  }

  bool is_in_place(const FrameHeader& header) const {
    if (header.epoch != options_.epoch) return false;
    if (header.type == FrameType::heartbeat || header.type == FrameType::goodbye) {
      return header.body_bytes == 0;
    }
    if (header.type < FrameType::exchange || header.message_bytes != 0) return false;
    return header.sequence == next_ && header.body_bytes <= body_bytes_max(header.type);
  }
  std::uint64_t body_bytes_max(FrameType type) const {
    switch (type) {
      case FrameType::exchange:
      case FrameType::opening:
      case FrameType::settlement: return options_.exchange_bytes_max;
      case FrameType::snapshot: return kSnapshotBodyBytes;
      case FrameType::piece: return options_.piece_bytes_max;
      default: return 0;
    }
  }

  bool take(const Message& message, const std::string& text) {
    if (message.header.type == FrameType::heartbeat) {
      wire::Heartbeat heartbeat;
      if (!heartbeat.ParseFromString(text)) return broke();
      peer_round_ = heartbeat.round();
      if (heartbeat.sketch().empty()) return true;
      received_.push_back(
          {{.type = FrameType::heartbeat, .round = heartbeat.sketch_rounds()}, heartbeat.sketch()});
    } else if (message.header.type == FrameType::goodbye) {
      end_ = wire::Goodbye().ParseFromString(text) ? Kind::said_goodbye : Kind::broke_protocol;
    } else {
      ++next_;
      unread_ += message.body.size();
      peer_round_ = std::max(peer_round_, message.header.round);
      received_.push_back(message);
    }
    return true;
  }

  bool broke() {
    end_ = Kind::broke_protocol;
    return false;
  }

  const peer::SessionOptions options_;
  std::string in_;                     // heard, and not used yet
  bool is_whole_ = false;              // no more will come
  std::optional<FrameHeader> header_;  // of the frame under way
  bool paused_ = false;                // it waits for room
  Sequence next_ = 0;
  std::uint64_t unread_ = 0;
  Round peer_round_ = 0;
  peer::Clock::time_point heard_ = peer::Clock::now();
  std::optional<Kind> end_;
  std::deque<Message> received_;
};

}  // namespace starling::fuzz
