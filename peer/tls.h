// What all TLS connections of a node share: its key, its certificate, and what it agrees to.
#pragma once

#include <cstdint>
#include <memory>

#include "peer/private_key.h"
#include "protocol/key_pin.h"

struct ssl_ctx_st;  // OpenSSL's SSL_CTX

namespace starling::peer {

// Mutual TLS 1.3 (RFC 8446) with ALPN "starling/1". The certificate is self-signed, made here, and
// nothing but a container of the key: neither end looks for an authority, a name or a date. No
// resumption and no early data, so that every connection proves its key anew. Immutable;
// connections may outlive it.
class Tls {
 public:
  // A key of a connection encrypts at most this much and is then replaced: AES-GCM has an end, at
  // some 24 million full records (RFC 8446, section 5.5).
  static constexpr std::uint64_t kRekeyBytes = std::uint64_t{1} << 36;

  explicit Tls(const PrivateKey& key, std::uint64_t rekey_bytes = kRekeyBytes);

  const KeyPin& pin() const { return pin_; }  // our own
  std::uint64_t rekey_bytes() const { return rekey_bytes_; }
  const std::shared_ptr<ssl_ctx_st>& context() const { return context_; }

 private:
  KeyPin pin_;
  std::uint64_t rekey_bytes_;
  std::shared_ptr<ssl_ctx_st> context_;
};

}  // namespace starling::peer
