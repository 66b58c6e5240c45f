// Words in a run file: the nearest of the names that were possible, for messages about a name that
// was not, sizes in bytes, and rates.
#pragma once

#include <cstdint>
#include <optional>
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

// "2 GiB" or "2GiB" (B, KiB, MiB, GiB, TiB), or a whole number of bytes; nothing where it is
// neither or does not fit.
std::optional<std::uint64_t> bytes_of(const std::string& text);
// The same in the largest unit of which it is a whole number.
std::string show_bytes(std::uint64_t bytes);

// "20mbit" (kbit, mbit, gbit) in bytes a second; nothing where it is no such rate.
std::optional<double> rate_of(const std::string& text);
// The same in the largest unit of which it is at least one; 0 is "0".
std::string show_rate(double bytes_per_second);

}  // namespace starling::node
