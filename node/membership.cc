#include "node/membership.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <charconv>
#include <optional>

namespace starling::node {
namespace {

constexpr const char* kNobody = "none";

// Takes a number and the `end` behind it, where there is one, off the front of `text`.
template <class T>
std::optional<T> take_number(std::string_view& text, char end) {
  T number{};
  const auto [rest, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc{}) return std::nullopt;
  text.remove_prefix(static_cast<std::size_t>(rest - text.data()));
  if (!text.empty() && text.front() != end) return std::nullopt;
  if (!text.empty()) text.remove_prefix(1);
  return number;
}

}  // namespace

std::vector<NodeId> Membership::away() const {
  std::vector<NodeId> all;
  for (const auto& [node, number] : numbers_) {
    if (number % 2 == 1) all.push_back(node);
  }
  return all;
}

Membership Membership::without(std::span<const NodeId> nodes) const {
  Membership left = *this;
  for (const NodeId node : nodes) ++left.numbers_[node];
  return left;
}

std::uint32_t Membership::number(NodeId node) const {
  const auto at = numbers_.find(node);
  return at == numbers_.end() ? 0 : at->second;
}

bool Membership::join(const Membership& other) {
  const Membership before = *this;
  for (const auto& [node, number] : other.numbers_) {
    numbers_[node] = std::max(numbers_[node], number);
  }
  return *this != before;
}

std::string Membership::text() const {
  if (numbers_.empty()) return kNobody;
  std::vector<std::string> parts;
  for (const auto& [node, number] : numbers_) {
    parts.push_back(fmt::format("{}:{}", index_of(node), number));
  }
  return fmt::format("{}", fmt::join(parts, ","));
}

Result<Membership> Membership::parse(std::string_view text, std::size_t nodes) {
  Membership membership;
  if (text == kNobody) return membership;
  std::string_view rest = text;
  do {
    const auto node = take_number<std::size_t>(rest, ':');
    const bool has_number = node && !rest.empty();
    const auto number = has_number ? take_number<std::uint32_t>(rest, ',') : std::nullopt;
    if (!number || *node >= nodes || *number == 0 || *number > kMost) break;
    membership.numbers_[node_id(*node)] = *number;
  } while (!rest.empty());
  if (membership.text() == text) return membership;
  return Error{ErrorCode::peer,
               fmt::format("who is away: found '{}', expected '{}' or pairs NODE:NUMBER of "
                           "ascending nodes below {} with numbers from 1 to {}",
                           text, kNobody, nodes, kMost)};
}

void Membership::archive(Archive& archive, std::size_t nodes) {
  std::vector<std::pair<std::size_t, std::uint32_t>> all;
  for (const auto& [node, number] : numbers_) all.emplace_back(index_of(node), number);
  std::size_t known = all.size();
  const Archive::Scope scope(archive, "membership");
  archive.number("known", known, nodes);
  all.resize(known);
  for (std::size_t i = 0; i < known; ++i) {
    const Archive::Scope one(archive, "node", i);
    archive.number("place", all[i].first, nodes - 1);
    archive.number("number", all[i].second, kMost);
  }
  if (!archive.loading()) return;
  numbers_.clear();
  for (const auto& [place, number] : all) numbers_[node_id(place)] = number;
}

}  // namespace starling::node
