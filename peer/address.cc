#include "peer/address.h"

#include <fmt/format.h>

#include <charconv>

namespace starling::peer {

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

bool is_loopback(const asio::ip::address& address) {
  if (address.is_v6() && address.to_v6().is_v4_mapped()) {
    return asio::ip::make_address_v4(asio::ip::v4_mapped, address.to_v6()).is_loopback();
  }
  return address.is_loopback();
}

Result<void> allow_plaintext(const asio::ip::address& address, bool insecure_plaintext,
                             std::string_view what) {
  if (insecure_plaintext || is_loopback(address)) return {};
  return Error{ErrorCode::config,
               fmt::format("{}: {} is no loopback address, and the link would be plain TCP; give "
                           "every [[node]] a key (`starling keygen` makes one), or set [run] "
                           "insecure_plaintext = true",
                           what, address.to_string())};
}

}  // namespace starling::peer
