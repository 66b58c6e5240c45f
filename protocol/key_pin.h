// The fingerprint of a node's public key: what a run file pins, a log shows and TLS compares.
#pragma once

#include <array>
#include <compare>
#include <cstddef>
#include <string>
#include <string_view>

#include "protocol/result.h"

namespace starling {

// SHA-256 of the key's SubjectPublicKeyInfo (DER), so that a certificate around the same key can be
// made anew at any time. As text "sha256:" and 43 characters of base64url (RFC 4648, section 5)
// without padding.
struct KeyPin {
  std::array<std::byte, 32> sha256{};
  auto operator<=>(const KeyPin&) const = default;
};

std::string text_of(const KeyPin& pin);

// Takes exactly what text_of gives: no space, no padding, no other alphabet. Fails with
// ErrorCode::config and a sentence that names the first wrong byte and its column in the text, from
// 1: a character that cannot be seen is a common slip of copying.
Result<KeyPin> parse_key_pin(std::string_view text);

}  // namespace starling
