// An input is a key as a person or a file gives it. Its first byte says which: the text of a
// fingerprint, 32 bytes of one, a private key in PEM, or what a PEM of some label is made of.
// Aborts where a text is taken that a fingerprint is not written as, or refused that is one, and
// where a key is taken that is not Ed25519 or does not come back from its own PEM.
#include <openssl/bio.h>
#include <openssl/evp.h>
#include <openssl/pem.h>

#include <algorithm>
#include <array>
#include <memory>
#include <string>
#include <utility>

#include "corpus.h"
#include "input.h"
#include "peer/private_key.h"
#include "protocol/check.h"

namespace starling::fuzz {
namespace {

using Bio = std::unique_ptr<BIO, decltype([](BIO* bio) { BIO_free(bio); })>;

// Of RFC 8410, section 10.3.
constexpr std::string_view kPem =
    "-----BEGIN PRIVATE KEY-----\n"
    "MC4CAQAwBQYDK2VwBCIEINTuctv5E1hK1bbY8fdp+K06/nwoy/HU++CXqI9EdVhC\n"
    "-----END PRIVATE KEY-----\n";
// SHA-256 of "abc" (FIPS 180-2, appendix B.1).
constexpr std::string_view kText = "sha256:ungWv48Bz-pBQUDeXa4iI7ADYaOWF3qctBD_YfIAFa0";

constexpr std::array kLabels{"PRIVATE KEY", "ENCRYPTED PRIVATE KEY", "EC PRIVATE KEY",
                             "PUBLIC KEY"};

enum class Kind { text, bytes, pem, der };

Seed seed(Kind kind, std::string_view rest) {
  Seed out{static_cast<std::byte>(kind)};
  for (const char c : rest) out.push_back(static_cast<std::byte>(c));
  return out;
}

// The plain twin of parse_key_pin's rule (RFC 4648, section 5): 43 digits, of which the last one
// has two bits that mean nothing.
bool is_fingerprint(std::string_view text) {
  constexpr std::string_view kLast = "AEIMQUYcgkosw048";
  if (text.size() != kText.size() || !text.starts_with("sha256:")) return false;
  const auto is_digit = [](char c) {
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '_';
  };
  return std::ranges::all_of(text.substr(7), is_digit) && kLast.find(text.back()) != kLast.npos;
}

void check_refusal(const Error& error) {
  INVARIANT(error.code == ErrorCode::config && !error.message.empty());
  INVARIANT(std::ranges::all_of(error.message, [](char c) { return c >= 0x20 && c < 0x7f; }));
}

void read_text(std::string_view text) {
  const auto pin = parse_key_pin(text);
  INVARIANT(pin.ok() == is_fingerprint(text));
  if (pin) {
    INVARIANT(text_of(*pin) == text);
  } else {
    check_refusal(pin.error());
  }
}

void write_text(std::span<const std::uint8_t> bytes) {
  KeyPin pin;
  std::ranges::copy(std::as_bytes(bytes), pin.sha256.begin());
  const auto again = parse_key_pin(text_of(pin));
  INVARIANT(again && *again == pin);
}

std::string text_in(BIO* bio) {
  char* text = nullptr;
  const long size = BIO_get_mem_data(bio, &text);
  return {text, static_cast<std::size_t>(size)};
}

void read_pem(std::string_view pem) {
  const auto key = peer::parse_private_key(pem);
  if (!key) return check_refusal(key.error());
  std::array<unsigned char, 32> secret;
  std::size_t size = secret.size();
  INVARIANT(EVP_PKEY_get_raw_private_key(key->get(), secret.data(), &size) == 1 && size == 32);
  const Bio out(BIO_new(BIO_s_mem()));
  INVARIANT(PEM_write_bio_PKCS8PrivateKey(out.get(), key->get(), nullptr, nullptr, 0, nullptr,
                                          nullptr) == 1);
  const auto again = peer::parse_private_key(text_in(out.get()));
  INVARIANT(again && again->pin() == key->pin());
}

void read_der(Input input) {
  const char* const label = kLabels[input.below(kLabels.size())];
  const auto content = input.take(4096);
  const Bio out(BIO_new(BIO_s_mem()));
  // How much base64 it wrote: of nothing, nothing.
  const int written =
      PEM_write_bio(out.get(), label, "", content.data(), static_cast<long>(content.size()));
  INVARIANT(written > 0 || content.empty());
  read_pem(text_in(out.get()));
}

}  // namespace

std::vector<Seed> seeds() {
  using namespace std::string_view_literals;
  std::string der;
  const Bio in(BIO_new_mem_buf(kPem.data(), static_cast<int>(kPem.size())));
  char *name = nullptr, *header = nullptr;
  unsigned char* content = nullptr;
  long size = 0;
  INVARIANT(PEM_read_bio(in.get(), &name, &header, &content, &size) == 1);
  der.assign(reinterpret_cast<const char*>(content), static_cast<std::size_t>(size));
  OPENSSL_free(name);
  OPENSSL_free(header);
  OPENSSL_free(content);
  std::string x25519 = der;
  x25519[11] = 0x6e;  // the last number of its algorithm's name
  const std::string padded = std::string(kText) + "=";
  std::string with_space(kText);
  with_space.insert(7, 1, ' ');
  const std::string legacy =
      "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,"
      "00112233445566778899AABBCCDDEEFF\n\nMC4CAQAwBQYDK2VwBCIEINTu\n-----END RSA PRIVATE KEY-----"
      "\n";
  return {seed(Kind::text, kText),
          seed(Kind::text, padded),
          seed(Kind::text, with_space),
          seed(Kind::text, "SHA256:ungWv48Bz"),
          seed(Kind::bytes, "\xba\x78\x16\xbf\x8f\x01\xcf\xea\x41\x41\x40\xde\x5d\xae\x22\x23"sv),
          seed(Kind::pem, kPem),
          seed(Kind::pem, std::string(kPem.substr(0, 60)) + "*" + std::string(kPem.substr(61))),
          seed(Kind::pem, legacy),
          seed(Kind::der, std::string(1, 0) + der),
          seed(Kind::der, std::string(1, 0) + x25519),
          seed(Kind::der, std::string(1, 1) + der),
          seed(Kind::der, std::string(1, 2) + der)};
}

}  // namespace starling::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace starling;
  fuzz::Input input(data, size);
  switch (static_cast<fuzz::Kind>(input.below(4))) {
    case fuzz::Kind::text: fuzz::read_text(input.rest()); break;
    case fuzz::Kind::bytes: fuzz::write_text(input.take(32)); break;
    case fuzz::Kind::pem: fuzz::read_pem(input.rest()); break;
    case fuzz::Kind::der: fuzz::read_der(input); break;
  }
  return 0;
}
