// Looking through a list of variants: what an algorithm or a node wants done.
#pragma once

#include <algorithm>
#include <cstddef>
#include <variant>
#include <vector>

namespace starling::test {

// The first T in `list`, or null.
template <class T, class... Kinds>
const T* find(const std::vector<std::variant<Kinds...>>& list) {
  for (const auto& one : list) {
    if (const T* found = std::get_if<T>(&one)) return found;
  }
  return nullptr;
}

template <class T, class... Kinds>
std::size_t count(const std::vector<std::variant<Kinds...>>& list) {
  return static_cast<std::size_t>(
      std::ranges::count_if(list, [](const auto& one) { return std::holds_alternative<T>(one); }));
}

}  // namespace starling::test
