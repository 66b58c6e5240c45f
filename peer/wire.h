// Whole frames on one socket.
#pragma once

#include <google/protobuf/message_lite.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "peer/net.h"
#include "peer/pace.h"
#include "peer/tls_stream.h"
#include "peer/traffic.h"
#include "protocol/bytes.h"
#include "protocol/frame.h"
#include "protocol/result.h"

namespace starling::peer {

// One TCP connection, in its handshake or up, plain or inside TLS. io thread. Held by the
// coroutines that work on it and by the table that may close it; close() wakes every one of them
// with an error.
class Connection : public std::enable_shared_from_this<Connection> {
 public:
  explicit Connection(asio::io_context& io);  // to be connected by a dialler
  explicit Connection(Tcp::socket accepted);

  Tcp::socket& socket() { return socket_; }
  // To be called once the socket is connected: sets its options and remembers the remote address.
  void connected();
  const std::string& remote() const { return remote_; }
  const asio::ip::address& remote_address() const { return remote_address_; }

  // TLS's handshake, before anything else is read or written; see TlsStream. To be called once.
  Task<Result<void>> secure(const Tls& tls, TlsStream::Side side, std::vector<KeyPin> expected,
                            ThreadShare* share = nullptr);
  // Whom TLS has shown to be at the other end; nothing on a plain connection.
  std::optional<KeyPin> peer_key() const { return tls_ ? tls_->peer_key() : std::nullopt; }

  bool is_open() const { return socket_.is_open(); }
  void close();
  // Wakes whoever waits for bytes with operation_aborted; they may go on. Of a closed one nothing.
  void interrupt();
  // At least one byte, or an error; counts what came. The end of the stream is told again to
  // whoever asks again (Asio's reactor would wait for ever).
  Task<ReadSome> read_some(std::span<std::byte> into);
  // At least one byte of head, message and body, in this order and from where they lie, or an
  // error.
  Task<WroteSome> write_some(std::span<const std::span<const std::byte>, 3> parts);
  // Sends what was written, then the end of the stream; reading goes on.
  void shut_sending();
  // Ends sending, then reads and forgets what still comes, up to kDrainedBytesMax of it.
  Task<void> drain();
  // Closes when `wait` is over; a second call replaces the first.
  void close_after(Duration wait);
  bool timed_out() const { return timed_out_; }
  void keep_open() { deadline_.cancel(); }

  // From now on what is written keeps to all of these that limit, and what is read to those.
  using Paces = std::vector<std::shared_ptr<Pace>>;
  void pace(Paces sending, Paces receiving);
  // They are others now: who waits for a turn books it again.
  void paces_changed();

  // Where the bodies of this connection lie; they may outlive it.
  BlockPool& blocks() { return blocks_; }

  void mark_heard() { traffic_.mark_heard(); }
  const Traffic& traffic() const { return traffic_; }

 private:
  static constexpr std::size_t kRecordBytes = 16384;  // of TLS, at most

  // One direction of a paced connection.
  struct Lane {
    explicit Lane(const asio::any_io_executor& executor) : timer(executor) {}
    bool limits() const;
    Paces paces;
    asio::steady_timer timer;
    std::size_t booked = 0;
  };
  // Waits for its turn with at most so many bytes; returns with how many.
  Task<std::size_t> turn(Lane& lane, std::size_t wanted);
  // Books so many or fewer; returns the time from which on they may go.
  static Clock::time_point book(Lane& lane, std::size_t wanted);
  static void correct(Lane& lane, std::uint64_t moved);
  Task<ReadSome> read_at_once(std::span<std::byte> into);
  Task<WroteSome> write_at_once(std::span<const std::span<const std::byte>, 3> parts);
  std::span<const std::byte> first_record(std::span<const std::span<const std::byte>, 3> parts);

  Tcp::socket socket_;
  asio::steady_timer deadline_;
  Lane sending_, receiving_;
  BlockPool blocks_;
  std::string remote_;
  asio::ip::address remote_address_;
  bool timed_out_ = false;
  std::error_code ended_;  // no more can be read
  Traffic traffic_;
  std::optional<TlsStream> tls_;   // uses socket and traffic
  std::vector<std::byte> packed_;  // what one TLS record carries of a frame's beginning
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
