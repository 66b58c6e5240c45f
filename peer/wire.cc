#include "peer/wire.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <utility>

namespace starling::peer {
namespace {

Error lost(const Connection& connection, const std::error_code& error) {
  if (connection.timed_out()) return {ErrorCode::io, "no progress before the deadline"};
  return {ErrorCode::io, sentence(error)};
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

Connection::Connection(asio::io_context& io) : socket_(io), deadline_(io) {}

Connection::Connection(Tcp::socket accepted)
    : socket_(std::move(accepted)), deadline_(socket_.get_executor()) {
  connected();
}

void Connection::connected() {
  std::error_code ignored;  // A socket that died meanwhile tells so at its first read.
  socket_.set_option(Tcp::no_delay(true), ignored);
  const auto endpoint = socket_.remote_endpoint(ignored);
  const std::string address = endpoint.address().to_string();
  remote_ = ignored                      ? "an address that is gone"
            : endpoint.address().is_v6() ? fmt::format("[{}]:{}", address, endpoint.port())
                                         : fmt::format("{}:{}", address, endpoint.port());
  mark_heard();
}

void Connection::close() {
  std::error_code ignored;
  deadline_.cancel();
  socket_.close(ignored);
}

Task<ReadSome> Connection::read_some(std::span<std::byte> into) {
  if (ended_) co_return ReadSome{ended_};
  const auto [error, n] =
      co_await socket_.async_read_some(asio::buffer(into.data(), into.size()), awaited());
  count_received(n);
  // A cancelled read says nothing about the stream.
  if (error && error != asio::error::operation_aborted) ended_ = error;
  co_return ReadSome{error, n};
}

void Connection::shut_sending() {
  std::error_code ignored;
  socket_.shutdown(Tcp::socket::shutdown_send, ignored);
}

void Connection::close_after(Duration wait) {
  deadline_.expires_after(wait);
  deadline_.async_wait([self = shared_from_this()](std::error_code cancelled) {
    if (cancelled) return;
    self->timed_out_ = true;
    self->close();
  });
}

void Connection::count_received(std::size_t bytes) {
  received_bytes_ += bytes;
  progress_ += bytes;
  if (progress_ >= kProgressBytes) mark_heard();
}

std::string sentence(const std::error_code& error) {
  if (error == asio::error::eof) return "the connection was closed without a goodbye";
  if (error == asio::error::connection_reset) return "the connection was reset";
  if (error == asio::error::operation_aborted || error == asio::error::bad_descriptor) {
    return "the connection was closed here";
  }
  std::string text = error.message();
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
    ByteBlock block = connection.blocks().take(header.body_bytes);
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
  std::array<asio::const_buffer, 3> rest{asio::buffer(head), asio::buffer(message),
                                         asio::buffer(body.bytes().data(), body.bytes().size())};
  while (asio::buffer_size(rest) > 0) {
    auto [error, n] = co_await connection.socket().async_write_some(rest, awaited());
    connection.count_sent(n);
    if (error) co_return lost(connection, error);
    for (asio::const_buffer& part : rest) {
      const std::size_t step = std::min(n, part.size());
      part += step;
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
