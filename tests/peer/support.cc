#include "support.h"

#include <asio/write.hpp>
#include <fstream>

#include "peer/handshake.h"
#include "tests/support/effort.h"

namespace starling::peer::test {

RawPeer::RawPeer(asio::io_context& io, std::uint16_t port, const std::string& from)
    : io_(io), socket_(io, Tcp::endpoint(asio::ip::make_address(from), 0)) {
  socket_.connect(Tcp::endpoint(asio::ip::address_v4::loopback(), port));
  socket_.non_blocking(true);
}

void RawPeer::send_bytes(std::span<const std::byte> bytes) {
  std::error_code ignored;
  asio::write(socket_, asio::buffer(bytes.data(), bytes.size()), ignored);
}

void RawPeer::send(FrameHeader header, const std::string& message, const std::string& body) {
  header.message_bytes = static_cast<std::uint32_t>(message.size());
  header.body_bytes = body.size();
  header.payload_hash =
      hash_payload(std::as_bytes(std::span(message)), std::as_bytes(std::span(body)));
  send_bytes(encode_header(header));
  send_bytes(std::as_bytes(std::span(message)));
  send_bytes(std::as_bytes(std::span(body)));
}

void RawPeer::send_message(FrameType type, Epoch epoch,
                           const google::protobuf::MessageLite& message) {
  send({.type = type, .epoch = epoch}, message.SerializeAsString());
}

bool RawPeer::read(std::span<std::byte> into, Clock::time_point deadline) {
  while (!into.empty()) {
    std::error_code error;
    const std::size_t n = socket_.read_some(asio::buffer(into.data(), into.size()), error);
    if (error && error != asio::error::would_block) return false;
    if (error && Clock::now() >= deadline) return false;
    if (error) io_.run_one_for(milliseconds{2});
    into = into.subspan(n);
  }
  return true;
}

std::optional<std::pair<FrameHeader, std::string>> RawPeer::next(Duration limit) {
  const auto deadline = Clock::now() + limit;
  FrameHeaderBytes bytes;
  if (!read(bytes, deadline)) return std::nullopt;
  const auto header = decode_header(bytes, {.message_bytes_max = 4096, .body_bytes_max = 1 << 20});
  if (!header) return std::nullopt;
  std::string payload(header.value().message_bytes + header.value().body_bytes, '\0');
  if (!read(std::as_writable_bytes(std::span(payload)), deadline)) return std::nullopt;
  return std::pair{header.value(), payload};
}

bool RawPeer::closed(Duration limit) {
  std::array<std::byte, 4096> scratch;
  return run_until(
      io_,
      [&] {
        std::error_code error;
        socket_.read_some(asio::buffer(scratch), error);
        return error && error != asio::error::would_block;
      },
      limit);
}

std::uint64_t resident_bytes() {
  std::ifstream in("/proc/self/statm");
  std::uint64_t total = 0, resident = 0;
  in >> total >> resident;
  return resident * 4096;
}

bool grew_less(std::uint64_t before, std::uint64_t limit) {
  return kSanitized || resident_bytes() < before + limit;
}

wire::Hello hello_of(const LinkOptions& as, const std::string& wanted) {
  return make_hello({as.self_name, as.fingerprint}, wanted, 0, 0);
}

Epoch RawPeer::shake_hands(const LinkOptions& as, const std::string& wanted) {
  send_message(FrameType::hello, 0, hello_of(as, wanted));
  const auto answer = next();
  wire::Welcome welcome;
  if (!answer || answer->first.type != FrameType::welcome ||
      !welcome.ParseFromString(answer->second)) {
    return 0;
  }
  send_message(FrameType::heartbeat, welcome.epoch(), wire::Heartbeat{});
  return welcome.epoch();
}

}  // namespace starling::peer::test
