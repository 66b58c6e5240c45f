#include "peer/wire.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <utility>

#include "protocol/check.h"

namespace starling::peer {
namespace {

Error lost(const Connection& connection, const std::error_code& error) {
  if (connection.timed_out()) return {ErrorCode::io, "no progress before the deadline"};
  // What TLS refuses stays refused for a while; a socket may be better at once.
  const bool refused = error.category() == tls_category();
  return {refused ? ErrorCode::peer : ErrorCode::io, sentence(error)};
}

// Asio's own async_read and async_write move at most 64 KiB a step; a body wants larger ones.
Task<std::error_code> read_all(Connection& connection, std::span<std::byte> into) {
  while (!into.empty()) {
    const ReadSome read = co_await connection.read_some(into);
    if (read.error) co_return read.error;
    into = into.subspan(read.bytes);
  }
  co_return std::error_code{};
}

// Hashes each piece while it is still in the cache.
Task<std::error_code> read_body(Connection& connection, std::span<std::byte> into,
                                std::uint64_t& hash) {
  constexpr std::size_t kPieceMax = 256 << 10;
  RunningHash running;
  while (!into.empty()) {
    const ReadSome read =
        co_await connection.read_some(into.first(std::min(into.size(), kPieceMax)));
    if (read.error) co_return read.error;
    running.add(into.first(read.bytes));
    into = into.subspan(read.bytes);
  }
  hash = running.value();
  co_return std::error_code{};
}

std::span<const std::byte> bytes_of(const std::string& text) {
  return std::as_bytes(std::span(text.data(), text.size()));
}

}  // namespace

Connection::Connection(asio::io_context& io)
    : socket_(io), deadline_(io), sending_(io.get_executor()), receiving_(io.get_executor()) {}

Connection::Connection(Tcp::socket accepted)
    : socket_(std::move(accepted)),
      deadline_(socket_.get_executor()),
      sending_(socket_.get_executor()),
      receiving_(socket_.get_executor()) {
  connected();
}

void Connection::connected() {
  std::error_code ignored;  // A socket that died meanwhile tells so at its first read.
  socket_.set_option(Tcp::no_delay(true), ignored);
  const auto endpoint = socket_.remote_endpoint(ignored);
  remote_address_ = endpoint.address();
  const std::string address = remote_address_.to_string();
  remote_ = ignored                      ? "an address that is gone"
            : endpoint.address().is_v6() ? fmt::format("[{}]:{}", address, endpoint.port())
                                         : fmt::format("{}:{}", address, endpoint.port());
  mark_heard();
}

void Connection::close() {
  std::error_code ignored;
  deadline_.cancel();
  sending_.timer.cancel();
  receiving_.timer.cancel();
  socket_.close(ignored);
}

void Connection::interrupt() {
  std::error_code ignored;
  socket_.cancel(ignored);
}

void Connection::pace(Paces sending, Paces receiving) {
  sending_.paces = std::move(sending);
  receiving_.paces = std::move(receiving);
}

void Connection::paces_changed() {
  sending_.timer.cancel();
  receiving_.timer.cancel();
}

bool Connection::Lane::limits() const {
  return std::ranges::any_of(paces, [](const auto& pace) { return pace->limits(); });
}

Clock::time_point Connection::book(Lane& lane, std::size_t wanted) {
  for (const auto& pace : lane.paces) wanted = std::min(wanted, pace->piece());
  lane.booked = wanted;
  const Clock::time_point now = Clock::now();
  Clock::time_point begin = now;
  for (const auto& pace : lane.paces) begin = std::max(begin, pace->book(wanted, now));
  return begin;
}

Task<std::size_t> Connection::turn(Lane& lane, std::size_t wanted) {
  while (true) {
    const Clock::time_point begin = book(lane, wanted);
    if (begin <= Clock::now()) break;
    lane.timer.expires_at(begin);
    const auto [cancelled] = co_await lane.timer.async_wait(awaited());
    if (!cancelled || !is_open()) break;
    correct(lane, 0);
  }
  co_return lane.booked;
}

void Connection::correct(Lane& lane, std::uint64_t moved) {
  for (const auto& pace : lane.paces) {
    pace->correct(static_cast<std::int64_t>(lane.booked) - static_cast<std::int64_t>(moved));
  }
}

Task<ReadSome> Connection::read_some(std::span<std::byte> into) {
  if (!receiving_.limits()) co_return co_await read_at_once(into);
  into = into.first(co_await turn(receiving_, into.size()));
  const std::uint64_t before = traffic_.received_bytes();
  const ReadSome read = co_await read_at_once(into);
  correct(receiving_, traffic_.received_bytes() - before);
  co_return read;
}

Task<ReadSome> Connection::read_at_once(std::span<std::byte> into) {
  if (ended_) co_return ReadSome{ended_};
  ReadSome read;
  if (tls_) {
    read = co_await tls_->read_some(into);
  } else {
    const auto [error, n] =
        co_await socket_.async_read_some(asio::buffer(into.data(), into.size()), awaited());
    traffic_.count_received(n);
    read = {error, n};
  }
  // A cancelled read says nothing about the stream.
  if (read.error && read.error != asio::error::operation_aborted) ended_ = read.error;
  co_return read;
}

Task<WroteSome> Connection::write_some(std::span<const std::span<const std::byte>, 3> parts) {
  if (!sending_.limits()) co_return co_await write_at_once(parts);
  std::size_t left = co_await turn(sending_, parts[0].size() + parts[1].size() + parts[2].size());
  std::array<std::span<const std::byte>, 3> piece;
  for (std::size_t i = 0; i < parts.size(); ++i) {
    piece[i] = parts[i].first(std::min(parts[i].size(), left));
    left -= piece[i].size();
  }
  const std::uint64_t before = traffic_.sent_bytes();
  const WroteSome wrote = co_await write_at_once(piece);
  correct(sending_, traffic_.sent_bytes() - before);
  co_return wrote;
}

Task<WroteSome> Connection::write_at_once(std::span<const std::span<const std::byte>, 3> parts) {
  if (tls_) co_return co_await tls_->write_some(first_record(parts));
  std::array<asio::const_buffer, 3> buffers;
  std::ranges::transform(parts, buffers.begin(), [](std::span<const std::byte> part) {
    return asio::buffer(part.data(), part.size());
  });
  const auto [error, n] = co_await socket_.async_write_some(buffers, awaited());
  traffic_.count_sent(n);
  co_return WroteSome{error, n};
}

// A record each for head, message and body would cost a packet each. So the beginning of a frame is
// copied into one; what then remains of a large body is taken from where it lies.
std::span<const std::byte> Connection::first_record(
    std::span<const std::span<const std::byte>, 3> parts) {
  if (parts[0].empty() && parts[1].empty()) return parts[2];
  packed_.resize(kRecordBytes);
  std::size_t filled = 0;
  for (const std::span<const std::byte> part : parts) {
    const std::size_t step = std::min(part.size(), kRecordBytes - filled);
    std::copy_n(part.begin(), step, packed_.begin() + static_cast<std::ptrdiff_t>(filled));
    filled += step;
  }
  return std::span<const std::byte>(packed_).first(filled);
}

Task<Result<void>> Connection::secure(const Tls& tls, TlsStream::Side side,
                                      std::vector<KeyPin> expected, ThreadShare* share) {
  INVARIANT(!tls_);
  tls_.emplace(tls, socket_, traffic_, side, std::move(expected));
  Result<void> done = co_await tls_->handshake(share, receiving_.timer);
  if (!done && timed_out_) co_return Error{ErrorCode::io, "no progress before the deadline"};
  co_return done;
}

void Connection::shut_sending() {
  if (tls_) tls_->shut_sending();
  std::error_code ignored;
  socket_.shutdown(Tcp::socket::shutdown_send, ignored);
}

Task<void> Connection::drain() {
  shut_sending();
  std::array<std::byte, 4096> scratch;
  for (std::size_t drained = 0; drained < kDrainedBytesMax;) {
    const auto [error, n] = co_await socket_.async_read_some(asio::buffer(scratch), awaited());
    if (error) co_return;
    drained += n;
  }
}

void Connection::close_after(Duration wait) {
  deadline_.expires_after(wait);
  deadline_.async_wait([self = shared_from_this()](std::error_code cancelled) {
    if (cancelled) return;
    self->timed_out_ = true;
    self->close();
  });
}

std::string sentence(const std::error_code& error) {
  if (error == asio::error::eof) return "the connection was closed without a goodbye";
  if (error == asio::error::connection_reset) return "the connection was reset";
  if (error == asio::error::operation_aborted || error == asio::error::bad_descriptor) {
    return "the connection was closed here";
  }
  std::string text = error.message();
  if (error.category() == tls_category()) return text;
  if (!text.empty() && text[0] >= 'A' && text[0] <= 'Z') text[0] += 'a' - 'A';
  return text;
}

Task<Result<FrameHeader>> read_header(Connection& connection, FrameLimits limits) {
  FrameHeaderBytes bytes;
  const std::error_code error = co_await read_all(connection, bytes);
  if (error) co_return lost(connection, error);
  co_return decode_header(bytes, limits);
}

Task<Result<Payload>> read_payload(Connection& connection, FrameHeader header) {
  Payload payload;
  payload.message.resize(header.message_bytes);
  std::error_code error = co_await read_all(
      connection, std::as_writable_bytes(std::span(payload.message.data(), header.message_bytes)));
  if (error) co_return lost(connection, error);
  std::uint64_t body_hash = 0;
  if (header.body_bytes > 0) {
    // An opening may be as large as the model, and what comes next is not: it would lie in the
    // pool.
    ByteBlock block = header.type == FrameType::opening
                          ? ByteBlock(header.body_bytes)
                          : connection.blocks().take(header.body_bytes);
    error = co_await read_body(connection, block.bytes(), body_hash);
    if (error) co_return lost(connection, error);
    payload.body = SharedBytes(std::move(block));
  }
  const std::uint64_t hash = hash_payload(bytes_of(payload.message), body_hash);
  if (hash != header.payload_hash) {
    co_return Error{ErrorCode::peer,
                    fmt::format("frame payload hash is {:#018x}, computed {:#018x}",
                                header.payload_hash, hash)};
  }
  connection.mark_heard();
  co_return payload;
}

Task<Result<void>> write_frame(Connection& connection, FrameHeader header, std::string message,
                               SharedBytes body) {
  header.message_bytes = static_cast<std::uint32_t>(message.size());
  header.body_bytes = body.size();
  header.payload_hash = hash_payload(bytes_of(message), body.bytes());
  const FrameHeaderBytes head = encode_header(header);
  std::array<std::span<const std::byte>, 3> rest{head, bytes_of(message), body.bytes()};
  std::size_t left = head.size() + message.size() + body.size();
  while (left > 0) {
    auto [error, n] = co_await connection.write_some(rest);
    if (error) co_return lost(connection, error);
    left -= n;
    for (std::span<const std::byte>& part : rest) {
      const std::size_t step = std::min(n, part.size());
      part = part.subspan(step);
      n -= step;
    }
  }
  co_return Result<void>{};
}

Task<Result<void>> write_message(Connection& connection, FrameType type, Epoch epoch,
                                 const google::protobuf::MessageLite& message) {
  FrameHeader header;
  header.type = type;
  header.epoch = epoch;
  return write_frame(connection, header, message.SerializeAsString(), {});
}

}  // namespace starling::peer
