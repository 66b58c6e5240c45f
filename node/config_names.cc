#include "node/config_names.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <charconv>
#include <cmath>
#include <cstdint>
#include <numeric>
#include <utility>

namespace starling::node {
namespace {

constexpr std::size_t kListedMax = 24;
// A name longer than this is no slip; the bound keeps the comparison cheap whatever the file says.
constexpr std::size_t kComparedBytesMax = 64;

char folded(char c) { return static_cast<char>(std::tolower(static_cast<unsigned char>(c))); }

struct Unit {
  const char* name;
  unsigned shift;
};
// Largest first.
constexpr std::array<Unit, 5> kUnits{
    {{"TiB", 40}, {"GiB", 30}, {"MiB", 20}, {"KiB", 10}, {"B", 0}}};

struct RateUnit {
  const char* name;
  double bits;
};
constexpr std::array<RateUnit, 3> kRateUnits{{{"gbit", 1e9}, {"mbit", 1e6}, {"kbit", 1e3}}};

}  // namespace

std::optional<std::uint64_t> bytes_of(const std::string& text) {
  std::uint64_t number = 0;
  const char* const end = text.data() + text.size();
  const auto [stopped, failed] = std::from_chars(text.data(), end, number);
  if (failed != std::errc()) return std::nullopt;
  std::string_view unit(stopped, static_cast<std::size_t>(end - stopped));
  if (unit.empty()) return number;
  while (unit.starts_with(' ')) unit.remove_prefix(1);
  const auto* const found = std::ranges::find(kUnits, unit, &Unit::name);
  if (found == kUnits.end() || number > (UINT64_MAX >> found->shift)) return std::nullopt;
  return number << found->shift;
}

std::string show_bytes(std::uint64_t bytes) {
  if (bytes == 0) return "0";
  const auto* const unit = std::ranges::find_if(
      kUnits, [bytes](const Unit& u) { return bytes % (std::uint64_t{1} << u.shift) == 0; });
  return fmt::format("{} {}", bytes >> unit->shift, unit->name);
}

std::optional<double> rate_of(const std::string& text) {
  double number = 0;
  const char* const end = text.data() + text.size();
  const auto [stopped, failed] = std::from_chars(text.data(), end, number);
  if (failed != std::errc() || !std::isfinite(number) || number < 0) return std::nullopt;
  const std::string_view unit(stopped, static_cast<std::size_t>(end - stopped));
  for (const RateUnit& one : kRateUnits) {
    if (unit == one.name) return number * one.bits / 8;
  }
  return std::nullopt;
}

std::string show_rate(double bytes_per_second) {
  if (bytes_per_second == 0) return "0";
  const double bits = 8 * bytes_per_second;
  for (const RateUnit& one : kRateUnits) {
    if (bits >= one.bits) return fmt::format("{:g}{}", bits / one.bits, one.name);
  }
  return fmt::format("{:g}kbit", bits / 1e3);
}

// Optimal string alignment: Levenshtein's recursion, with the swap of two neighbors as one edit.
std::size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> before(b.size() + 1), last(b.size() + 1), row(b.size() + 1);
  std::iota(row.begin(), row.end(), std::size_t{0});
  for (std::size_t i = 0; i < a.size(); ++i) {
    before = std::exchange(last, row);
    row[0] = i + 1;
    for (std::size_t j = 0; j < b.size(); ++j) {
      const bool same = folded(a[i]) == folded(b[j]);
      row[j + 1] = std::min({last[j] + (same ? 0 : 1), row[j] + 1, last[j + 1] + 1});
      const bool swapped =
          i > 0 && j > 0 && folded(a[i]) == folded(b[j - 1]) && folded(a[i - 1]) == folded(b[j]);
      if (swapped) row[j + 1] = std::min(row[j + 1], before[j - 1] + 1);
    }
  }
  return row.back();
}

std::string nearest(std::string_view wanted, const std::vector<std::string>& candidates) {
  if (wanted.empty() || wanted.size() > kComparedBytesMax) return {};
  std::string best;
  // One slip in a short word, then one more for every three letters; of a letter or two nothing
  // but the case.
  const std::size_t slips = wanted.size() < 3 ? 0 : std::max<std::size_t>(1, wanted.size() / 3);
  std::size_t best_distance = slips + 1;
  for (const std::string& candidate : candidates) {
    const std::size_t distance = edit_distance(wanted, candidate);
    if (distance < best_distance) {
      best_distance = distance;
      best = candidate;
    }
  }
  return best;
}

std::string listed(const std::vector<std::string>& names) {
  if (names.size() <= kListedMax) return fmt::format("{}", fmt::join(names, ", "));
  return fmt::format("{} … ({} in all)", fmt::join(names.begin(), names.begin() + kListedMax, ", "),
                     names.size());
}

}  // namespace starling::node
