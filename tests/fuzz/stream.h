// Frames as a program of somebody else would write and read them.
#pragma once

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "peer/session.h"
#include "protocol/check.h"
#include "session_model.h"

namespace starling::fuzz {

// Told by its number.
inline std::string content(std::uint64_t number, std::size_t bytes) {
  std::string text(bytes, '\0');
  for (std::size_t i = 0; i < bytes; ++i) text[i] = static_cast<char>(number * 31 + i);
  return text;
}

inline SharedBytes shared(std::string_view text) {
  ByteBlock block(text.size());
  std::ranges::copy(bytes_of(text), block.bytes().begin());
  return block;
}

// A payload hash of the header is a mistake to be made in the right one.
inline std::string encoded(FrameHeader header, std::string_view message, std::string_view body) {
  header.message_bytes = static_cast<std::uint32_t>(message.size());
  header.body_bytes = body.size();
  header.payload_hash ^= hash_payload(bytes_of(message), bytes_of(body));
  const FrameHeaderBytes head = encode_header(header);
  return std::string(reinterpret_cast<const char*>(head.data()), head.size())
      .append(message)
      .append(body);
}

// What the other end hears: whole frames, in order, the bodies that were sent, and nothing behind a
// goodbye.
class Listener {
 public:
  explicit Listener(peer::SessionOptions options) : options_(std::move(options)) {}

  // A body of so many bytes was sent.
  void expect(std::size_t bytes) { sent_.push_back(bytes); }
  void set_round(Round round) { round_ = round; }

  void hear(std::string_view bytes) {
    in_.append(bytes);
    while (in_.size() >= kFrameHeaderBytes) {
      const auto header = decode_header(bytes_of(in_).first<kFrameHeaderBytes>(),
                                        {4096, options_.limits.body_bytes_max});
      INVARIANT(header && header->epoch == options_.epoch && !said_goodbye_);
      const std::size_t whole = kFrameHeaderBytes + header->message_bytes + header->body_bytes;
      if (in_.size() < whole) return;
      const std::string text = in_.substr(kFrameHeaderBytes, header->message_bytes);
      const std::string body = in_.substr(whole - header->body_bytes, header->body_bytes);
      in_.erase(0, whole);
      INVARIANT(hash_payload(bytes_of(text), bytes_of(body)) == header->payload_hash);
      take(*header, text, body);
    }
  }
  // In whole frames with bodies.
  std::size_t heard_bytes() const { return heard_bytes_; }

 private:
  void take(const FrameHeader& header, const std::string& text, const std::string& body) {
    if (header.type == FrameType::heartbeat) {
      wire::Heartbeat heartbeat;
      INVARIANT(heartbeat.ParseFromString(text) && heartbeat.round() <= round_);
    } else if (header.type == FrameType::goodbye) {
      INVARIANT(wire::Goodbye().ParseFromString(text) && body.empty());
      said_goodbye_ = true;
    } else {
      INVARIANT(header.sequence == next_ && next_ < sent_.size() && text.empty());
      INVARIANT(body == content(next_, sent_[next_]));
      heard_bytes_ += kFrameHeaderBytes + body.size();
      ++next_;
    }
  }

  const peer::SessionOptions options_;
  std::string in_;
  std::vector<std::size_t> sent_;
  std::size_t heard_bytes_ = 0;
  Sequence next_ = 0;
  Round round_ = 0;
  bool said_goodbye_ = false;
};

}  // namespace starling::fuzz
