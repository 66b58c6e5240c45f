#include "peer/tls_stream.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <sys/socket.h>

#include <algorithm>
#include <asio/post.hpp>
#include <cerrno>

#include "peer/wire.h"
#include "protocol/check.h"

namespace starling::peer {
namespace {

class TlsCategory final : public std::error_category {
 public:
  const char* name() const noexcept override { return "tls"; }
  std::string message(int reason) const override {
    const auto code = ERR_PACK(ERR_LIB_SSL, 0, static_cast<unsigned long>(reason));
    const char* const text = ERR_reason_error_string(code);
    const std::string known = text ? text : fmt::format("reason {}", reason);
    switch (reason) {
      case SSL_R_SSLV3_ALERT_HANDSHAKE_FAILURE:
      case SSL_R_TLSV13_ALERT_CERTIFICATE_REQUIRED:
        return fmt::format("the other end does not take this node's key (TLS: {})", known);
      case SSL_R_WRONG_VERSION_NUMBER:
      case SSL_R_HTTP_REQUEST:
      case SSL_R_UNEXPECTED_MESSAGE: return fmt::format("no TLS is spoken there ({})", known);
      default: return fmt::format("TLS: {}", known);
    }
  }
};

// --- OpenSSL's way to the socket -----------------------------------------------------------------
// Its own socket BIO would raise SIGPIPE, and count nothing.

struct Wire {
  Tcp::socket& socket;
  Traffic& traffic;
};

Wire& wire_of(BIO* bio) { return *static_cast<Wire*>(BIO_get_data(bio)); }
bool must_wait() { return errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR; }

int wire_read(BIO* bio, char* into, int size) {
  BIO_clear_retry_flags(bio);
  Wire& wire = wire_of(bio);
  const ssize_t got = ::recv(wire.socket.native_handle(), into, static_cast<std::size_t>(size), 0);
  if (got > 0) wire.traffic.count_received(static_cast<std::size_t>(got));
  if (got < 0 && must_wait()) BIO_set_retry_read(bio);
  if (got == 0) BIO_set_flags(bio, BIO_FLAGS_IN_EOF);
  return static_cast<int>(got);
}

int wire_write(BIO* bio, const char* from, int size) {
  BIO_clear_retry_flags(bio);
  Wire& wire = wire_of(bio);
  const ssize_t sent =
      ::send(wire.socket.native_handle(), from, static_cast<std::size_t>(size), MSG_NOSIGNAL);
  if (sent > 0) wire.traffic.count_sent(static_cast<std::size_t>(sent));
  if (sent < 0 && must_wait()) BIO_set_retry_write(bio);
  return static_cast<int>(sent);
}

long wire_control(BIO* bio, int command, long, void*) {
  if (command == BIO_CTRL_FLUSH) return 1;
  if (command == BIO_CTRL_EOF) return BIO_test_flags(bio, BIO_FLAGS_IN_EOF) != 0;
  return 0;
}

int wire_destroy(BIO* bio) {
  delete static_cast<Wire*>(BIO_get_data(bio));
  return 1;
}

BIO* make_wire(Tcp::socket& socket, Traffic& traffic) {
  static BIO_METHOD* const kMethod = [] {
    BIO_METHOD* const method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "socket");
    INVARIANT(method && BIO_meth_set_read(method, wire_read) &&
              BIO_meth_set_write(method, wire_write) && BIO_meth_set_ctrl(method, wire_control) &&
              BIO_meth_set_destroy(method, wire_destroy));
    return method;
  }();
  BIO* const bio = BIO_new(kMethod);
  INVARIANT(bio != nullptr);
  BIO_set_data(bio, new Wire{socket, traffic});
  BIO_set_init(bio, 1);
  return bio;
}

std::string text_of(const std::vector<KeyPin>& pins) {
  std::vector<std::string> texts;
  for (const KeyPin& pin : pins) texts.push_back(starling::text_of(pin));
  return fmt::format("{}", fmt::join(texts, " or "));
}

}  // namespace

const std::error_category& tls_category() {
  static const TlsCategory category;
  return category;
}

void TlsStream::Free::operator()(ssl_st* ssl) const { SSL_free(ssl); }

TlsStream::TlsStream(const Tls& tls, Tcp::socket& socket, Traffic& traffic, Side side,
                     std::vector<KeyPin> expected)
    : socket_(socket),
      side_(side),
      expected_(std::move(expected)),
      rekey_bytes_(tls.rekey_bytes()),
      context_(tls.context()),
      ssl_(SSL_new(context_.get())) {
  INVARIANT(ssl_ != nullptr);
  std::error_code ignored;  // Of a socket that is gone; the first read tells.
  socket_.native_non_blocking(true, ignored);
  BIO* const wire = make_wire(socket, traffic);
  SSL_set_bio(ssl_.get(), wire, wire);
  SSL_set_app_data(ssl_.get(), this);
  side == Side::dialler ? SSL_set_connect_state(ssl_.get()) : SSL_set_accept_state(ssl_.get());
}

bool TlsStream::take_key(const KeyPin& pin) {
  peer_key_ = pin;
  return std::find(expected_.begin(), expected_.end(), pin) != expected_.end();
}

// --- the handshake -------------------------------------------------------------------------------

Task<std::error_code> TlsStream::resolve(int result) {
  const int why = SSL_get_error(ssl_.get(), result);
  if (why == SSL_ERROR_WANT_READ || why == SSL_ERROR_WANT_WRITE) {
    const auto [error] = co_await socket_.async_wait(
        why == SSL_ERROR_WANT_READ ? Tcp::socket::wait_read : Tcp::socket::wait_write, awaited());
    co_return error;
  }
  if (why == SSL_ERROR_ZERO_RETURN) co_return asio::error::eof;
  const unsigned long code = ERR_peek_error();
  if (why == SSL_ERROR_SSL && ERR_GET_LIB(code) == ERR_LIB_SSL) {
    const int reason = ERR_GET_REASON(code);
    if (reason == SSL_R_UNEXPECTED_EOF_WHILE_READING) co_return asio::error::eof;
    co_return std::error_code(reason, tls_category());
  }
  if (why == SSL_ERROR_SYSCALL && errno != 0) {
    co_return std::error_code(errno, std::system_category());
  }
  co_return why == SSL_ERROR_SYSCALL ? std::error_code(asio::error::eof)
                                     : std::error_code(SSL_R_BAD_PACKET, tls_category());
}

Error TlsStream::handshake_error(const std::error_code& error) const {
  if (error.category() != tls_category()) return {ErrorCode::io, sentence(error)};
  if (error.value() == SSL_R_CERTIFICATE_VERIFY_FAILED && peer_key_) {
    const std::string found = starling::text_of(*peer_key_);
    if (side_ == Side::listener) {
      return {ErrorCode::peer,
              fmt::format("its key is {}, which the run file pins for no neighbor", found)};
    }
    return {ErrorCode::peer,
            fmt::format("the key there is {}, expected {}", found, text_of(expected_))};
  }
  return {ErrorCode::peer, error.message()};
}

bool TlsStream::agreed_on_protocol() const {
  const unsigned char* name = nullptr;
  unsigned size = 0;
  SSL_get0_alpn_selected(ssl_.get(), &name, &size);
  return std::string_view(reinterpret_cast<const char*>(name), size) == kProtocolList.substr(1);
}

Task<Result<void>> TlsStream::handshake(ThreadShare* share, asio::steady_timer& timer) {
  const auto step = [this] {
    ERR_clear_error();
    errno = 0;
    return SSL_do_handshake(ssl_.get());
  };
  while (true) {
    if (share) co_await share->turn(timer);
    const int result = share ? share->charge(step) : step();
    if (result == 1) break;
    if (const std::error_code error = co_await resolve(result)) co_return handshake_error(error);
  }
  if (agreed_on_protocol()) co_return Result<void>{};
  co_return Error{ErrorCode::peer, "it did not ask for starling/1 in TLS's handshake (ALPN)"};
}

// --- bytes ---------------------------------------------------------------------------------------

// What is there at once is taken at once, then others have their turn.
Task<ReadSome> TlsStream::read_some(std::span<std::byte> into) {
  std::size_t done = 0;
  while (done < into.size()) {
    ERR_clear_error();
    errno = 0;
    std::size_t got = 0;
    const int result = SSL_read_ex(ssl_.get(), into.data() + done, into.size() - done, &got);
    done += got;
    if (result == 1) continue;
    if (done > 0) break;  // an error shows again
    if (const std::error_code error = co_await resolve(result)) co_return ReadSome{error};
  }
  co_await asio::post(socket_.get_executor(), asio::use_awaitable);
  co_return ReadSome{{}, done};
}

Task<WroteSome> TlsStream::write_some(std::span<const std::byte> from) {
  constexpr std::size_t kStepMax = 256 << 10;
  const std::size_t wanted = std::min(from.size(), kStepMax);
  encrypted_bytes_ += wanted;
  if (encrypted_bytes_ > rekey_bytes_) {
    encrypted_bytes_ = wanted;
    (void)SSL_key_update(ssl_.get(), SSL_KEY_UPDATE_NOT_REQUESTED);  // goes before the next record
  }
  std::size_t done = 0;
  while (done < wanted) {
    ERR_clear_error();
    errno = 0;
    std::size_t put = 0;
    const int result = SSL_write_ex(ssl_.get(), from.data() + done, from.size() - done, &put);
    if (result == 1) {
      done += put;
      continue;
    }
    if (const std::error_code error = co_await resolve(result)) co_return WroteSome{error, done};
  }
  co_await asio::post(socket_.get_executor(), asio::use_awaitable);
  co_return WroteSome{{}, done};
}

void TlsStream::shut_sending() {
  ERR_clear_error();
  if (SSL_is_init_finished(ssl_.get())) (void)SSL_shutdown(ssl_.get());
  ERR_clear_error();
}

}  // namespace starling::peer
