#include "peer/tls.h"

#include <openssl/evp.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>

#include "peer/limits.h"
#include "peer/tls_stream.h"
#include "protocol/check.h"

namespace starling::peer {
namespace {

struct FreeCertificate {
  void operator()(X509* certificate) const { X509_free(certificate); }
};
using Certificate = std::unique_ptr<X509, FreeCertificate>;

// RFC 5280 wants some serial number, name and dates; nobody reads them.
Certificate make_certificate(EVP_PKEY* key) {
  Certificate certificate(X509_new());
  X509* const x = certificate.get();
  X509_NAME* const name = X509_get_subject_name(x);
  const bool made = X509_set_version(x, X509_VERSION_3) == 1 &&
                    ASN1_INTEGER_set(X509_get_serialNumber(x), 1) == 1 &&
                    ASN1_TIME_set_string_X509(X509_getm_notBefore(x), "20000101000000Z") == 1 &&
                    ASN1_TIME_set_string_X509(X509_getm_notAfter(x), "99991231235959Z") == 1 &&
                    X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC,
                                               reinterpret_cast<const unsigned char*>("starling"),
                                               -1, -1, 0) == 1 &&
                    X509_set_issuer_name(x, name) == 1 && X509_set_pubkey(x, key) == 1 &&
                    X509_sign(x, key, nullptr) > 0;
  INVARIANT(made);
  return certificate;
}

// Of no key at all: zeros, which nobody pins.
KeyPin pin_of(X509* certificate) {
  unsigned char* der = nullptr;
  const int size = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(certificate), &der);
  if (size <= 0) return {};
  const KeyPin pin = pin_of_public_key({der, static_cast<std::size_t>(size)});
  OPENSSL_free(der);
  return pin;
}

// Stands in for the building of chains: the leaf's key is all that counts.
int verify(X509_STORE_CTX* store, void*) {
  auto* const ssl =
      static_cast<SSL*>(X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx()));
  X509* const leaf = X509_STORE_CTX_get0_cert(store);
  const bool taken = leaf && static_cast<TlsStream*>(SSL_get_app_data(ssl))->take_key(pin_of(leaf));
  X509_STORE_CTX_set_error(store, taken ? X509_V_OK : X509_V_ERR_APPLICATION_VERIFICATION);
  return taken ? 1 : 0;
}

int select_protocol(SSL*, const unsigned char** out, unsigned char* out_size,
                    const unsigned char* in, unsigned in_size, void*) {
  unsigned char* chosen = nullptr;
  const int result = SSL_select_next_proto(
      &chosen, out_size, reinterpret_cast<const unsigned char*>(kProtocolList.data()),
      static_cast<unsigned>(kProtocolList.size()), in, in_size);
  *out = chosen;
  return result == OPENSSL_NPN_NEGOTIATED ? SSL_TLSEXT_ERR_OK : SSL_TLSEXT_ERR_ALERT_FATAL;
}

bool configure(SSL_CTX* c) {
  SSL_CTX_set_verify(c, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, nullptr);
  SSL_CTX_set_cert_verify_callback(c, verify, nullptr);
  SSL_CTX_set_session_cache_mode(c, SSL_SESS_CACHE_OFF);
  SSL_CTX_set_max_cert_list(c, static_cast<long>(kCertificateBytesMax));
  SSL_CTX_set_options(c, SSL_OP_NO_TICKET | SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION);
  // An idle connection holds no record buffers; a write may go on from memory that has moved.
  SSL_CTX_set_mode(c, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
                          SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
  SSL_CTX_set_read_ahead(c, 1);
  SSL_CTX_set_alpn_select_cb(c, select_protocol, nullptr);
  return SSL_CTX_set_min_proto_version(c, TLS1_3_VERSION) == 1 &&
         SSL_CTX_set_max_proto_version(c, TLS1_3_VERSION) == 1 &&
         SSL_CTX_set_ciphersuites(c,
                                  "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:"
                                  "TLS_CHACHA20_POLY1305_SHA256") == 1 &&
         SSL_CTX_set1_groups_list(c, "X25519:P-256") == 1 &&
         SSL_CTX_set1_sigalgs_list(c, "ed25519") == 1 && SSL_CTX_set_num_tickets(c, 0) == 1 &&
         SSL_CTX_set_max_early_data(c, 0) == 1 &&
         SSL_CTX_set_alpn_protos(c, reinterpret_cast<const unsigned char*>(kProtocolList.data()),
                                 static_cast<unsigned>(kProtocolList.size())) == 0;
}

}  // namespace

Tls::Tls(const PrivateKey& key, std::uint64_t rekey_bytes)
    : pin_(key.pin()),
      rekey_bytes_(rekey_bytes),
      context_(SSL_CTX_new(TLS_method()), SSL_CTX_free) {
  const Certificate certificate = make_certificate(key.get());
  INVARIANT(context_ && configure(context_.get()));
  INVARIANT(SSL_CTX_use_certificate(context_.get(), certificate.get()) == 1);
  INVARIANT(SSL_CTX_use_PrivateKey(context_.get(), key.get()) == 1);
}

}  // namespace starling::peer
