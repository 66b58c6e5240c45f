#include "protocol/key_pin.h"

#include <doctest/doctest.h>

using namespace starling;

namespace {

// SHA-256 of "abc" (FIPS 180-2, appendix B.1).
const std::array<unsigned char, 32> kBytes = {
    0xba, 0x78, 0x16, 0xbf, 0x8f, 0x01, 0xcf, 0xea, 0x41, 0x41, 0x40, 0xde, 0x5d, 0xae, 0x22, 0x23,
    0xb0, 0x03, 0x61, 0xa3, 0x96, 0x17, 0x7a, 0x9c, 0xb4, 0x10, 0xff, 0x61, 0xf2, 0x00, 0x15, 0xad};
const std::string kText = "sha256:ungWv48Bz-pBQUDeXa4iI7ADYaOWF3qctBD_YfIAFa0";

KeyPin pin_of_abc() {
  KeyPin pin;
  for (std::size_t i = 0; i < kBytes.size(); ++i) pin.sha256[i] = std::byte{kBytes[i]};
  return pin;
}

std::string why(const std::string& text) {
  const auto parsed = parse_key_pin(text);
  REQUIRE_FALSE(parsed.ok());
  CHECK(parsed.error().code == ErrorCode::config);
  return parsed.error().message;
}

}  // namespace

TEST_CASE("a pin is written in base64url and read back") {
  CHECK(text_of(pin_of_abc()) == kText);
  CHECK(parse_key_pin(kText).value() == pin_of_abc());
  CHECK(parse_key_pin(text_of(KeyPin{})).value() == KeyPin{});
}

TEST_CASE("every single changed byte of a pin's text is refused or is another pin") {
  for (std::size_t at = 0; at < kText.size(); ++at) {
    for (int byte = 0; byte < 256; ++byte) {
      std::string text = kText;
      if (text[at] == static_cast<char>(byte)) continue;
      text[at] = static_cast<char>(byte);
      const auto parsed = parse_key_pin(text);
      if (!parsed) continue;
      REQUIRE(parsed.value() != pin_of_abc());
      REQUIRE(text_of(parsed.value()) == text);
    }
  }
}

TEST_CASE("a wrong byte of a pin is named with its column") {
  CHECK(why("") == "it does not begin with \"sha256:\"");
  CHECK(why("SHA256:" + kText.substr(7)) == "it does not begin with \"sha256:\"");
  CHECK(why("sha256:") == "it has 0 characters after \"sha256:\"");
  CHECK(why(kText.substr(0, 49)) == "it has 42 characters after \"sha256:\"");
  CHECK(why(kText + "A") == "it has 44 characters after \"sha256:\"");
  CHECK(why(kText + "=") == "its column 51 is '=', which is no digit of base64url");
  CHECK(why(kText + "\xe2\x80\x8b") ==  // a zero-width space
        "its column 51 is byte 0xe2, which is no digit of base64url");
  CHECK(why("sha256: " + kText.substr(7)) ==
        "its column 8 is byte 0x20, which is no digit of base64url");
  CHECK(why(kText.substr(0, 20) + "+" + kText.substr(21)) ==
        "its column 21 is '+', which is no digit of base64url");
  CHECK(why(kText.substr(0, 49) + "1") == "its column 50 is '1', which no fingerprint ends with");
}
