// A node's Ed25519 key (RFC 8032) and the file in which it is kept.
#pragma once

#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "protocol/key_pin.h"
#include "protocol/result.h"

struct evp_pkey_st;  // OpenSSL's EVP_PKEY

namespace starling::peer {

// Of a SubjectPublicKeyInfo in DER.
KeyPin pin_of_public_key(std::span<const unsigned char> der);

// Any thread; copies share the key, which OpenSSL wipes from memory with the last of them.
class PrivateKey {
 public:
  static PrivateKey make();
  explicit PrivateKey(std::shared_ptr<evp_pkey_st> key);

  const KeyPin& pin() const { return pin_; }
  evp_pkey_st* get() const { return key_.get(); }

 private:
  std::shared_ptr<evp_pkey_st> key_;
  KeyPin pin_;
};

// A new key in a new file: PKCS#8 PEM, mode 0600, on disk with its name when this returns. Never
// overwrites or follows a link. Fails with ErrorCode::io.
Result<PrivateKey> create_key_file(const std::filesystem::path& file);

// The unencrypted Ed25519 key in a text in PEM of at most 2 GiB. Fails with ErrorCode::config and a
// sentence that names no file.
Result<PrivateKey> parse_private_key(std::string_view text);

struct KeyFile {
  PrivateKey key;
  std::string warning;  // "": none
};

// Refuses, with ErrorCode::config, a file that others could have read or put there: a symbolic
// link, one of another owner than this user or root, one with any right for group or others. What
// a container runtime mounts below /run/secrets with its rights for reading is taken, with a
// warning. Also what is no unencrypted Ed25519 key in PEM. A file that is not there: ErrorCode::io,
// with the command that makes it.
Result<KeyFile> read_key_file(const std::filesystem::path& file);

}  // namespace starling::peer
