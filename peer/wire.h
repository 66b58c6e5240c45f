// Whole frames on one socket.
#pragma once

#include <google/protobuf/message_lite.h>

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "peer/net.h"
#include "protocol/bytes.h"
#include "protocol/frame.h"
#include "protocol/result.h"

namespace starling::peer {

struct ReadSome {
  std::error_code error;
  std::size_t bytes = 0;
};

// One TCP connection, in its handshake or up. io thread. Held by the coroutines that work on it and
// by the table that may close it; close() wakes every one of them with an error.
class Connection : public std::enable_shared_from_this<Connection> {
 public:
  explicit Connection(asio::io_context& io);  // to be connected by a dialler
  explicit Connection(Tcp::socket accepted);

  Tcp::socket& socket() { return socket_; }
  // To be called once the socket is connected: sets its options and remembers the remote address.
  void connected();
  const std::string& remote() const { return remote_; }

  bool is_open() const { return socket_.is_open(); }
  void close();
  // At least one byte, or an error; counts what came. The end of the stream is told again to
  // whoever asks again (Asio's reactor would wait for ever).
  Task<ReadSome> read_some(std::span<std::byte> into);
  // Sends what was written, then the end of the stream; reading goes on.
  void shut_sending();
  // Closes when `wait` is over; a second call replaces the first.
  void close_after(Duration wait);
  bool timed_out() const { return timed_out_; }
  void keep_open() { deadline_.cancel(); }

  // Where the bodies of this connection lie; they may outlive it.
  BlockPool& blocks() { return blocks_; }

  // Wire bytes. A peer that is not getting anywhere does not count as hearing something: `heard`
  // moves with every whole frame and with every kProgressBytes of a long one.
  void count_sent(std::size_t bytes) { sent_bytes_ += bytes; }
  void mark_heard() {
    heard_ = Clock::now();
    progress_ = 0;
  }
  Clock::time_point heard() const { return heard_; }
  std::uint64_t sent_bytes() const { return sent_bytes_; }
  std::uint64_t received_bytes() const { return received_bytes_; }

 private:
  static constexpr std::size_t kProgressBytes = 16 << 10;
  void count_received(std::size_t bytes);

  Tcp::socket socket_;
  asio::steady_timer deadline_;
  BlockPool blocks_;
  std::string remote_;
  bool timed_out_ = false;
  std::error_code ended_;  // no more can be read
  std::uint64_t sent_bytes_ = 0, received_bytes_ = 0;
  std::size_t progress_ = 0;
  Clock::time_point heard_ = Clock::now();
};

struct Payload {
  std::string message;
  SharedBytes body;
};

// All four fail with ErrorCode::io when the connection ended and with ErrorCode::peer when the
// other end broke the protocol. The connection must outlive the call.

// Nothing is allocated for a frame whose header does not pass the limits.
Task<Result<FrameHeader>> read_header(Connection& connection, FrameLimits limits);
// What follows that header, its hash verified.
Task<Result<Payload>> read_payload(Connection& connection, FrameHeader header);
// Fills in lengths and hash. The body is written from where it lies.
Task<Result<void>> write_frame(Connection& connection, FrameHeader header, std::string message,
                               SharedBytes body);
Task<Result<void>> write_message(Connection& connection, FrameType type, Epoch epoch,
                                 const google::protobuf::MessageLite& message);

// A sentence for an error of a socket: "the connection was closed", …
std::string sentence(const std::error_code& error);

}  // namespace starling::peer
