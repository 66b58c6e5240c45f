// The types that a key of the run file can have. Each function makes the Key that reads, checks,
// stores and shows one value; `field` gives the place in the Draft and with it the default. Only
// for config_keys.cc.
#pragma once

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <cmath>
#include <concepts>
#include <limits>
#include <type_traits>

#include "node/config_keys.h"
#include "node/config_names.h"
#include "node/limits.h"

// A key's place in the Draft, both to store (Draft) and to show the default (const Draft).
#define FIELD(member) ([](auto& draft) -> auto& { return draft.member; })

namespace starling::node {

using Keys = std::vector<Key>;
// [compress], the longest section. In config_compress.cc.
void add_compress(Keys& keys);
// [rate]. In config_rate.cc.
void add_rate(Keys& keys);

}  // namespace starling::node

namespace starling::node::types {

struct Name {
  const char* section;
  const char* key;
};

inline std::string in_quotes(std::string_view text) { return fmt::format("\"{}\"", text); }

inline Mismatch mismatch(const Value& value) { return {shown(value), value.where}; }

// ---- numbers ----

struct Range {
  std::int64_t low, high;
  bool holds(std::int64_t n) const { return low <= n && n <= high; }
};

template <class T>
std::string show_whole(const T& n, const Range& range) {
  return range.holds(static_cast<std::int64_t>(n)) ? std::to_string(n) : std::string();
}
template <class T>
std::string show_whole(const std::optional<T>& n, const Range& range) {
  return n ? show_whole(*n, range) : std::string();
}

// Of a whole number or a std::optional of one.
template <class Field>
Key whole(Name name, Field field, Range range, const char* text) {
  using T = std::remove_cvref_t<decltype(field(std::declval<Draft&>()))>;
  return {name.section,
          name.key,
          fmt::format("a whole number from {} to {}", range.low, range.high),
          text,
          [field, range](Draft& draft, const Value& value) -> std::optional<Mismatch> {
            const auto* n = std::get_if<std::int64_t>(&value.data);
            if (!n || !range.holds(*n)) return mismatch(value);
            field(draft) = static_cast<T>(*n);
            return std::nullopt;
          },
          [field, range](const Draft& draft) { return show_whole(field(draft), range); }};
}

// A bound of a real number and whether the bound itself is allowed.
struct Bound {
  double at;
  bool open;
};
inline Bound from(double at) { return {at, false}; }
inline Bound above(double at) { return {at, true}; }
inline Bound upto(double at) { return {at, false}; }
inline Bound below(double at) { return {at, true}; }

struct Interval {
  Bound low, high;
  bool holds(double x) const {
    return std::isfinite(x) && (low.open ? x > low.at : x >= low.at) &&
           (high.open ? x < high.at : x <= high.at);
  }
  std::string text() const {
    const char* first = low.open ? "above" : high.open ? "of at least" : "from";
    const char* last = high.open ? "and below" : low.open ? "and at most" : "to";
    return fmt::format("a number {} {} {} {}", first, low.at, last, high.at);
  }
};

inline std::optional<double> number(const Value& value, const Interval& interval) {
  std::optional<double> x;
  if (const auto* real = std::get_if<double>(&value.data)) x = *real;
  if (const auto* n = std::get_if<std::int64_t>(&value.data)) x = static_cast<double>(*n);
  return x && interval.holds(*x) ? x : std::nullopt;
}

inline std::string show_number(double x) { return fmt::format("{}", x); }
inline std::string show_number(const std::optional<double>& x) {
  return x ? show_number(*x) : std::string();
}

// Of double or std::optional<double>.
template <class Field>
Key real(Name name, Field field, Interval interval, const char* text) {
  return {name.section,
          name.key,
          interval.text(),
          text,
          [field, interval](Draft& draft, const Value& value) -> std::optional<Mismatch> {
            const auto x = number(value, interval);
            if (!x) return mismatch(value);
            field(draft) = *x;
            return std::nullopt;
          },
          [field](const Draft& draft) { return show_number(field(draft)); }};
}

template <class Field>
Key flag(Name name, Field field, const char* text) {
  return {name.section,
          name.key,
          "true or false",
          text,
          [field](Draft& draft, const Value& value) -> std::optional<Mismatch> {
            const auto* on = std::get_if<bool>(&value.data);
            if (!on) return mismatch(value);
            field(draft) = *on;
            return std::nullopt;
          },
          [field](const Draft& draft) { return std::string(field(draft) ? "true" : "false"); }};
}

// ---- texts ----

// The string, or what a --set wrote unquoted where TOML saw a number, a truth value or a date.
inline std::optional<std::string> text_of(const Value& value) {
  if (const auto* text = std::get_if<std::string>(&value.data)) return *text;
  const bool nested =
      std::holds_alternative<Array>(value.data) || std::holds_alternative<Table>(value.data);
  if (value.raw.empty() || nested) return std::nullopt;
  return value.raw;
}

// As bytes_of() reads it; a bare number needs no quotes.
template <class Field>
Key bytes(Name name, Field field, const char* text) {
  return {name.section,
          name.key,
          "a size as \"512 MiB\" or \"2 GiB\" (B, KiB, MiB, GiB, TiB), or \"0\"",
          text,
          [field](Draft& draft, const Value& value) -> std::optional<Mismatch> {
            std::optional<std::uint64_t> size;
            if (const auto given = text_of(value)) size = bytes_of(*given);
            const auto* number = std::get_if<std::int64_t>(&value.data);
            if (number && *number >= 0) size = static_cast<std::uint64_t>(*number);
            if (!size) return mismatch(value);
            field(draft) = *size;
            return std::nullopt;
          },
          [field](const Draft& draft) { return in_quotes(show_bytes(field(draft))); }};
}

// As rate_of() reads it; kept in bytes a second, 0 where there is no limit.
template <class Field>
Key rate_limit(Name name, Field field, const char* text) {
  return {name.section,
          name.key,
          fmt::format("a rate as \"20mbit\" (kbit, mbit, gbit) of {} at least, or \"0\"",
                      show_rate(kLinkRateMin)),
          text,
          [field](Draft& draft, const Value& value) -> std::optional<Mismatch> {
            const auto given = text_of(value);
            const auto* number = std::get_if<std::int64_t>(&value.data);
            const bool none = given == "0" || (number && *number == 0);
            const auto rate = none ? 0.0 : given ? rate_of(*given) : std::nullopt;
            if (!rate || (*rate > 0 && *rate < kLinkRateMin)) return mismatch(value);
            field(draft) = *rate;
            return std::nullopt;
          },
          [field](const Draft& draft) { return in_quotes(show_rate(field(draft))); }};
}

// `problem` returns "" for a text that it takes, else a hint (or "?" for none).
template <class Field>
Key checked_text(Name name, Field field, const char* type, const char* text,
                 std::string (*problem)(const std::string&)) {
  return {name.section,
          name.key,
          type,
          text,
          [field, problem](Draft& draft, const Value& value) -> std::optional<Mismatch> {
            const auto given = text_of(value);
            if (!given) return mismatch(value);
            const std::string hint = problem(*given);
            if (!hint.empty()) {
              return Mismatch{in_quotes(shown(*given)), value.where, hint == "?" ? "" : hint};
            }
            field(draft) = *given;
            return std::nullopt;
          },
          [field](const Draft& draft) {
            return field(draft).empty() ? std::string() : in_quotes(field(draft));
          }};
}

// A path, resolved against the run file; one from --set stays relative to the working directory.
template <class Field>
Key path(Name name, Field field, const char* text) {
  constexpr std::size_t kPathBytesMax = 4096;
  return {name.section,
          name.key,
          "a path",
          text,
          [field](Draft& draft, const Value& value) -> std::optional<Mismatch> {
            const auto given = text_of(value);
            if (!given || given->empty() || given->size() > kPathBytesMax ||
                given->find('\0') != given->npos) {
              return mismatch(value);
            }
            const std::filesystem::path named(*given);
            const bool in_file = value.raw.empty();
            field(draft) = in_file && !draft.base.empty()
                               ? (draft.base / named).lexically_normal().string()
                               : named.string();
            return std::nullopt;
          },
          [field](const Draft& draft) { return field(draft); }};
}

// For checked_text.
std::string name_problem(const std::string& name);
std::string address_problem(const std::string& address);

// ---- choices ----

template <class E>
using Choices = std::vector<std::pair<const char*, E>>;

template <class E>
std::vector<std::string> names_of(const Choices<E>& choices) {
  std::vector<std::string> names;
  for (const auto& [name, value] : choices) names.push_back(in_quotes(name));
  return names;
}

// nullopt with `hint` set where the value is not one of the choices.
template <class E>
std::optional<E> chosen(const Choices<E>& choices, const Value& value, std::string& hint) {
  const auto* text = std::get_if<std::string>(&value.data);
  if (!text) return std::nullopt;
  std::vector<std::string> names;
  for (const auto& [name, e] : choices) {
    if (*text == name) return e;
    names.emplace_back(name);
  }
  const std::string near = nearest(*text, names);
  if (!near.empty()) hint = fmt::format("did you mean \"{}\"?", near);
  return std::nullopt;
}

template <class E>
std::string name_of(const Choices<E>& choices, E wanted) {
  for (const auto& [name, e] : choices) {
    if (e == wanted) return in_quotes(name);
  }
  return {};
}

template <class E>
std::string name_of(const Choices<E>& choices, const std::optional<E>& wanted) {
  return wanted ? name_of(choices, *wanted) : std::string();
}

// Of E or std::optional<E>.
template <class E, class Field>
Key choice(Name name, Field field, Choices<E> choices, const char* text) {
  return {name.section,
          name.key,
          fmt::format("one of {}", listed(names_of(choices))),
          text,
          [field, choices](Draft& draft, const Value& value) -> std::optional<Mismatch> {
            std::string hint;
            const auto e = chosen(choices, value, hint);
            if (!e) return Mismatch{shown(value), value.where, hint};
            field(draft) = *e;
            return std::nullopt;
          },
          [field, choices](const Draft& draft) { return name_of(choices, field(draft)); }};
}

// ---- arrays ----

// Any number of different choices.
template <class E, class Field>
Key choice_list(Name name, Field field, Choices<E> choices, const char* text) {
  return {name.section,
          name.key,
          fmt::format("an array of {}", listed(names_of(choices))),
          text,
          [field, choices](Draft& draft, const Value& value) -> std::optional<Mismatch> {
            const auto* array = std::get_if<Array>(&value.data);
            if (!array) return mismatch(value);
            std::vector<E> out;
            for (const Value& item : *array) {
              std::string hint;
              const auto e = chosen(choices, item, hint);
              if (!e) return Mismatch{shown(item), item.where, hint};
              for (const E other : out) {
                if (other == *e) return Mismatch{shown(item) + " twice", item.where, "drop one"};
              }
              out.push_back(*e);
            }
            field(draft) = std::move(out);
            return std::nullopt;
          },
          [field, choices](const Draft& draft) {
            std::vector<std::string> names;
            for (const E e : field(draft)) names.push_back(name_of(choices, e));
            return fmt::format("[{}]", fmt::join(names, ", "));
          }};
}

template <class Field>
Key whole_list(Name name, Field field, std::size_t length_max, Range range, const char* text) {
  return {
      name.section,
      name.key,
      fmt::format("an array of at most {} whole numbers from {} to {}", length_max, range.low,
                  range.high),
      text,
      [field, length_max, range](Draft& draft, const Value& value) -> std::optional<Mismatch> {
        const auto* array = std::get_if<Array>(&value.data);
        if (!array) return mismatch(value);
        if (array->size() > length_max) {
          return Mismatch{fmt::format("{} numbers", array->size()), value.where};
        }
        std::vector<std::size_t> out;
        for (const Value& item : *array) {
          const auto* n = std::get_if<std::int64_t>(&item.data);
          if (!n || !range.holds(*n)) return mismatch(item);
          out.push_back(static_cast<std::size_t>(*n));
        }
        field(draft) = std::move(out);
        return std::nullopt;
      },
      [field](const Draft& draft) { return fmt::format("[{}]", fmt::join(field(draft), ", ")); }};
}

// [[node]] key and keys, of which each node has one at most.
inline constexpr std::size_t kNodeKeysMax = 8;
std::optional<Mismatch> store_key(Draft& draft, const Value& value);
std::optional<Mismatch> store_keys(Draft& draft, const Value& value);

// [topology] edges and [gossip] relaxation, each of a type of its own.
std::optional<Mismatch> store_edges(Draft& draft, const Value& value);
std::optional<Mismatch> store_relaxation(Draft& draft, const Value& value);

}  // namespace starling::node::types
