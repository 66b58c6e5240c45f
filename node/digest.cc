#include "node/digest.h"

#include <fmt/format.h>
#include <openssl/evp.h>

#include <array>

#include "protocol/check.h"

namespace starling::node {

std::string sha256_of(std::span<const std::byte> bytes) {
  std::array<unsigned char, 32> digest;
  unsigned int size = digest.size();
  INVARIANT(EVP_Digest(bytes.data(), bytes.size(), digest.data(), &size, EVP_sha256(), nullptr) ==
            1);
  std::string hex;
  for (const unsigned char byte : digest) hex += fmt::format("{:02x}", byte);
  return hex;
}

std::string sha256_of(std::string_view text) {
  return sha256_of(std::as_bytes(std::span(text.data(), text.size())));
}

std::string sha256_of(std::span<const float> parameters) {
  return sha256_of(std::as_bytes(parameters));
}

}  // namespace starling::node
