#include "daemon/seeds.h"

#include <fmt/format.h>

#include <charconv>
#include <optional>
#include <string_view>

#include "node/config_text.h"

namespace starling::daemon {
namespace {

constexpr std::uint64_t kSeedsMax = 1'000'000;

std::optional<std::uint64_t> whole_number(std::string_view text) {
  std::uint64_t value = 0;
  const auto [stop, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || stop != text.data() + text.size()) return std::nullopt;
  return value;
}

}  // namespace

Result<Seeds> parse_seeds(const std::string& flag, const std::string& text) {
  const auto dots = text.find("..");
  const auto first = whole_number(text.substr(0, dots));
  const auto last = dots == text.npos ? first : whole_number(text.substr(dots + 2));
  if (!first || !last || *first > *last) {
    return Error{ErrorCode::config,
                 fmt::format("{} {}: expected a seed or a range of them from the lower to "
                             "the higher, such as 17 or 0..99",
                             flag, node::shown(text))};
  }
  if (*last - *first >= kSeedsMax) {
    return Error{ErrorCode::config, fmt::format("{} {}: these are more than {} seeds; take "
                                                "them in parts",
                                                flag, node::shown(text), kSeedsMax)};
  }
  return Seeds{*first, *last};
}

}  // namespace starling::daemon
