#include "protocol/key_pin.h"

#include <fmt/format.h>

#include <cstdint>
#include <optional>

namespace starling {
namespace {

constexpr std::string_view kPrefix = "sha256:";
constexpr std::string_view kAlphabet =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
constexpr std::size_t kDigits = 43;  // of 6 bits: 256 bits and 2 that are 0

std::string shown(char c) {
  const auto byte = static_cast<unsigned char>(c);
  return byte > 0x20 && byte < 0x7f ? fmt::format("'{}'", c) : fmt::format("byte {:#04x}", byte);
}

}  // namespace

std::string text_of(const KeyPin& pin) {
  std::string text(kPrefix);
  std::uint32_t bits = 0;
  int held = 0;
  for (const std::byte byte : pin.sha256) {
    bits = bits << 8 | std::to_integer<std::uint32_t>(byte);
    for (held += 8; held >= 6; held -= 6) text += kAlphabet[bits >> (held - 6) & 63];
  }
  text += kAlphabet[bits << (6 - held) & 63];
  return text;
}

Result<KeyPin> parse_key_pin(std::string_view text) {
  if (!text.starts_with(kPrefix)) return config_error("it does not begin with \"sha256:\"");
  KeyPin pin;
  std::uint32_t bits = 0;
  int held = 0;
  std::size_t filled = 0;
  for (std::size_t i = kPrefix.size(); i < text.size(); ++i) {
    const std::size_t digit = kAlphabet.find(text[i]);
    if (digit == kAlphabet.npos) {
      return config_error(fmt::format("its column {} is {}, which is no digit of base64url", i + 1,
                                      shown(text[i])));
    }
    if (i == kPrefix.size() + kDigits) break;
    bits = bits << 6 | static_cast<std::uint32_t>(digit);
    held += 6;
    if (held < 8) continue;
    held -= 8;
    pin.sha256[filled++] = static_cast<std::byte>(bits >> held & 0xff);
  }
  const std::size_t digits = text.size() - kPrefix.size();
  if (digits != kDigits) {
    return config_error(fmt::format("it has {} characters after \"sha256:\"", digits));
  }
  if ((bits & 3) != 0) {
    return config_error(fmt::format("its column {} is {}, which no fingerprint ends with",
                                    text.size(), shown(text.back())));
  }
  return pin;
}

}  // namespace starling
