#include "sim/conservation.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace starling::sim {
namespace {

constexpr double kRoundingMax = 8;

std::string describe(NodeId low, NodeId high, std::uint64_t moves) {
  return fmt::format("the exchange of n{} and n{} with those that go with it, {} in all",
                     index_of(low), index_of(high), moves);
}

}  // namespace

std::optional<std::string> Conservation::note(Move move) {
  const std::uint64_t self = next_++;
  const std::vector<Term> terms = std::move(move.terms);
  Group& group = groups_[self];
  group = {.sum = std::move(move), .moves = 1, .terms = terms.size()};
  all_terms_ += terms.size();
  for (const Term& term : terms) {
    const Key key{std::min(term.self, term.peer),
                  std::max(term.self, term.peer),
                  term.history,
                  term.lives,
                  term.exchange,
                  term.dual_in};
    const auto half = halves_.find(key);
    if (half == halves_.end() || half->second.self == term.self) {
      // The same end once more: it had forgotten the exchange, and the first time has no negative.
      halves_.insert_or_assign(key, Half{self, term.self});
      group.open.insert(key);
      continue;
    }
    const std::uint64_t other = half->second.group;
    halves_.erase(half);
    groups_.at(other).open.erase(key);
    if (other != self) take_over(other, self);
  }
  std::optional<std::string> wrong;
  if (group.open.empty()) {
    wrong = close(group);
    if (wrong && !terms.empty()) {
      *wrong = describe(terms[0].self, terms[0].peer, group.moves) + ": " + *wrong;
    }
    groups_.erase(self);
  }
  if (groups_.size() > kOpenMax) forget_oldest();
  return wrong;
}

void Conservation::take_over(std::uint64_t from, std::uint64_t into) {
  Group& target = groups_.at(into);
  Group& source = groups_.at(from);
  for (std::size_t k = 0; k < target.sum.by.size(); ++k) target.sum.by[k] += source.sum.by[k];
  target.sum.largest = std::max(target.sum.largest, source.sum.largest);
  target.moves += source.moves;
  target.terms += source.terms;
  for (const Key& key : source.open) {
    const auto half = halves_.find(key);
    if (half != halves_.end() && half->second.group == from) half->second.group = into;
    target.open.insert(key);
  }
  groups_.erase(from);
}

std::optional<std::string> Conservation::close(const Group& group) {
  const double unit = static_cast<double>(group.moves) * group.sum.largest * 0x1p-24;
  closed_terms_ += group.terms;
  for (std::size_t k = 0; k < group.sum.by.size(); ++k) {
    const double off = std::abs(group.sum.by[k]);
    if (off > 0) worst_ = std::max(worst_, off / unit);
    if (off <= kRoundingMax * unit) continue;
    return fmt::format("the sum over the nodes moved by {} at {}, rounding allows {}",
                       group.sum.by[k], k, kRoundingMax * unit);
  }
  return std::nullopt;
}

void Conservation::forget_oldest() {
  const auto oldest = groups_.begin();
  for (const Key& key : oldest->second.open) {
    const auto half = halves_.find(key);
    if (half != halves_.end() && half->second.group == oldest->first) halves_.erase(half);
  }
  groups_.erase(oldest);
}

}  // namespace starling::sim
