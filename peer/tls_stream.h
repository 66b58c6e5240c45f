// TLS on one connected socket, driven by Asio's readiness.
#pragma once

#include <memory>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "peer/net.h"
#include "peer/thread_share.h"
#include "peer/tls.h"
#include "peer/traffic.h"
#include "protocol/result.h"

struct ssl_st;  // OpenSSL's SSL

namespace starling::peer {

// As TLS writes it in its hello (RFC 7301): a length before each name.
inline constexpr std::string_view kProtocolList = "\x0astarling/1";

// OpenSSL reads and writes the socket itself, without waiting; where it would have to, the
// coroutine waits. (Asio's own ssl::stream would move every record through two more buffers, one
// record a step.) io thread, which is also what keeps two coroutines from being inside OpenSSL at
// once. The socket and the traffic outlive this.
class TlsStream {
 public:
  enum class Side { dialler, listener };

  // `expected`: keys of which the peer must have one.
  TlsStream(const Tls& tls, Tcp::socket& socket, Traffic& traffic, Side side,
            std::vector<KeyPin> expected);

  // A dialler whose handshake succeeded knows whom it talks to, not yet that the other end takes
  // its key: in TLS 1.3 that shows at the first read. ErrorCode::peer: not one of the expected
  // keys, or no TLS 1.3 at all; the message names what was found.
  // `share`: of which each step of OpenSSL's takes a turn, waiting with `timer`; null: none does.
  Task<Result<void>> handshake(ThreadShare* share, asio::steady_timer& timer);
  // As of Tcp::socket; an end of the stream without TLS's own goodbye is an end like any other,
  // since frames say their own.
  Task<ReadSome> read_some(std::span<std::byte> into);
  Task<WroteSome> write_some(std::span<const std::byte> from);
  // Says that no more will come.
  void shut_sending();

  // For the certificate that the peer shows, once in a handshake.
  bool take_key(const KeyPin& pin);
  const std::optional<KeyPin>& peer_key() const { return peer_key_; }

 private:
  struct Free {
    void operator()(ssl_st* ssl) const;
  };
  // Waits for what OpenSSL wants after it returned `result`; otherwise what went wrong.
  Task<std::error_code> resolve(int result);
  Error handshake_error(const std::error_code& error) const;
  bool agreed_on_protocol() const;

  Tcp::socket& socket_;
  const Side side_;
  const std::vector<KeyPin> expected_;
  const std::uint64_t rekey_bytes_;
  const std::shared_ptr<ssl_ctx_st> context_;
  std::unique_ptr<ssl_st, Free> ssl_;
  std::uint64_t encrypted_bytes_ = 0;  // with the present key
  std::optional<KeyPin> peer_key_;     // as it was shown, taken or not
};

// Of errors that TLS, not the socket, reports; the value is OpenSSL's reason.
const std::error_category& tls_category();

}  // namespace starling::peer
