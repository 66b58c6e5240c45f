// The nearest of the names that were possible, for messages about a name that was not.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace starling::node {

// Letters changed, added, dropped or swapped with the next one, from one to the other; the case of
// letters is ignored.
std::size_t edit_distance(std::string_view a, std::string_view b);

// The nearest candidate, or "" where none is near enough to be a slip of the finger. Of several
// the first.
std::string nearest(std::string_view wanted, const std::vector<std::string>& candidates);

// "a, b, c"; a long list is cut: "a, b … (4096 in all)".
std::string listed(const std::vector<std::string>& names);

}  // namespace starling::node
