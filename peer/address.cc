#include "peer/address.h"

#include <fmt/format.h>

#include <charconv>

namespace starling::peer {
namespace {

bool is_private_v4(const asio::ip::address_v4& address) {
  const std::uint32_t bits = address.to_uint();
  return (bits >> 24) == 127                      // 127.0.0.0/8
         || (bits >> 24) == 10                    // 10.0.0.0/8
         || (bits >> 20) == ((172u << 4) | 1)     // 172.16.0.0/12
         || (bits >> 16) == ((192u << 8) | 168)   // 192.168.0.0/16
         || (bits >> 16) == ((169u << 8) | 254);  // 169.254.0.0/16
}

}  // namespace

Result<HostPort> parse_address(std::string_view text) {
  const auto wrong = [&](std::string_view why) {
    return Error{ErrorCode::config,
                 fmt::format("address '{}' {}; expected host:port or [v6]:port", text, why)};
  };
  const std::size_t colon = text.rfind(':');
  if (colon == std::string_view::npos) return wrong("has no port");
  std::string_view host = text.substr(0, colon);
  const std::string_view digits = text.substr(colon + 1);
  if (host.starts_with('[')) {
    if (!host.ends_with(']')) return wrong("opens a bracket and does not close it");
    host = host.substr(1, host.size() - 2);
  } else if (host.find(':') != std::string_view::npos) {
    return wrong("has several colons and no brackets");
  }
  if (host.empty()) return wrong("has no host");
  std::uint16_t port = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), port);
  if (error != std::errc{} || end != digits.data() + digits.size() || port == 0) {
    return wrong("has no port from 1 to 65535");
  }
  return HostPort{std::string(host), port};
}

std::optional<asio::ip::address> literal(const std::string& host) {
  std::error_code error;
  const auto address = asio::ip::make_address(host, error);
  if (error) return std::nullopt;
  return address;
}

bool is_private(const asio::ip::address& address) {
  if (address.is_v4()) return is_private_v4(address.to_v4());
  const auto v6 = address.to_v6();
  if (v6.is_v4_mapped()) {
    return is_private_v4(asio::ip::make_address_v4(asio::ip::v4_mapped, v6));
  }
  return v6.is_loopback() || v6.is_link_local() || (v6.to_bytes()[0] & 0xfe) == 0xfc;
}

Result<void> allow_plaintext(const asio::ip::address& address, bool insecure_plaintext,
                             std::string_view what) {
  if (insecure_plaintext || is_private(address)) return {};
  return Error{ErrorCode::config,
               fmt::format("{}: {} is neither a loopback nor a private address, and the link would "
                           "be plain TCP; use a private address, or allow it with "
                           "insecure_plaintext",
                           what, address.to_string())};
}

}  // namespace starling::peer
