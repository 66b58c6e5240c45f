// "host:port" texts, and which of them plain TCP may go to.
#pragma once

#include <asio/ip/address.hpp>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "protocol/result.h"

namespace starling::peer {

struct HostPort {
  std::string host;  // a name, or an address without brackets
  std::uint16_t port = 0;
  bool operator==(const HostPort&) const = default;
};

// "host:port" or "[v6]:port"; ErrorCode::config with the text and what was expected.
Result<HostPort> parse_address(std::string_view text);

// The address that a host is if it is written as one; nothing for a name.
std::optional<asio::ip::address> literal(const std::string& host);

// Traffic that never leaves the machine. An unspecified address (0.0.0.0, ::) is every interface.
bool is_loopback(const asio::ip::address& address);

// ErrorCode::config, `what` its first words, when plain TCP to or on this address is not allowed.
Result<void> allow_plaintext(const asio::ip::address& address, bool insecure_plaintext,
                             std::string_view what);

}  // namespace starling::peer
