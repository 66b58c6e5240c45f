#include "node/config_names.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cctype>
#include <numeric>
#include <utility>

namespace starling::node {
namespace {

constexpr std::size_t kListedMax = 24;
// A name longer than this is no slip; the bound keeps the comparison cheap whatever the file says.
constexpr std::size_t kComparedBytesMax = 64;

char folded(char c) { return static_cast<char>(std::tolower(static_cast<unsigned char>(c))); }

}  // namespace

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
