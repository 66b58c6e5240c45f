#include "protocol/archive.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>

#include "protocol/check.h"

namespace starling {
namespace {

// The shortest text that gives the same number again.
template <class Number>
std::string text_of(Number value) {
  return fmt::format("{}", value);
}

template <class Number>
std::optional<Number> parsed(const std::string& text) {
  Number value{};
  const char* const end = text.data() + text.size();
  const auto [stopped, failed] = std::from_chars(text.data(), end, value);
  if (failed != std::errc() || stopped != end) return std::nullopt;
  return value;
}

// What stands in the file, fit for a sentence.
std::string shown(const std::string& text) {
  constexpr std::size_t kShownMax = 40;
  std::string out = text.substr(0, kShownMax);
  std::ranges::replace_if(
      out, [](unsigned char c) { return c < 0x20 || c > 0x7e; }, '?');
  return text.size() > kShownMax ? out + "..." : out;
}

}  // namespace

// ---- names ----------------------------------------------------------------------------------

std::string Archive::whole_name(std::string_view name) {
  INVARIANT(!name.empty() && std::ranges::all_of(name, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_' || c == '.';
  }));
  std::string whole = prefix_ + std::string(name);
  INVARIANT(used_.insert(whole).second);
  return whole;
}

Archive::Scope::Scope(Archive& archive, std::string_view name)
    : archive_(archive), outer_(archive.prefix_.size()) {
  archive_.prefix_ += std::string(name) + ".";
}

Archive::Scope::Scope(Archive& archive, std::string_view name, std::size_t index)
    : archive_(archive), outer_(archive.prefix_.size()) {
  archive_.prefix_ += fmt::format("{}.{}.", name, index);
}

Archive::Scope::~Scope() { archive_.prefix_.resize(outer_); }

// ---- those that come and go -----------------------------------------------------------------

void Archive::roster(std::string_view name, std::span<const std::uint64_t> numbers) {
  constexpr std::size_t kMost = 1 << 20;  // what a damaged number may ask for
  const auto [at, fresh] = rosters_.try_emplace(std::string(name));
  INVARIANT(fresh);
  Roster& roster = at->second;
  roster.numbers.assign(numbers.begin(), numbers.end());
  const Scope scope(*this, std::string(name) + "s");
  std::size_t count = numbers.size();
  number("count", count, kMost);
  for (std::size_t i = 0; i < count && !failed_; ++i) {
    std::uint64_t one = i < numbers.size() ? numbers[i] : 0;
    number(std::to_string(i), one);
    roster.saved.insert(one);
  }
}

std::vector<std::uint64_t> Archive::gone(std::string_view name) const {
  std::vector<std::uint64_t> gone;
  const auto at = rosters_.find(name);
  if (at == rosters_.end()) return gone;
  for (const std::uint64_t one : at->second.saved) {
    if (std::ranges::find(at->second.numbers, one) == at->second.numbers.end()) gone.push_back(one);
  }
  return gone;
}

std::uint64_t Archive::number_of(std::string_view name, std::size_t i) const {
  const auto at = rosters_.find(name);
  return at == rosters_.end() ? i : at->second.numbers.at(i);
}

bool Archive::was_saved(std::string_view name, std::size_t i) const {
  const auto at = rosters_.find(name);
  return !loading() || at == rosters_.end() || at->second.saved.contains(at->second.numbers.at(i));
}

// Whether "outer.edge.7.dual" is of a member of a roster that is no longer here.
bool Archive::is_of_one_gone(std::string_view name) const {
  for (const auto& [member, roster] : rosters_) {
    for (const std::uint64_t one : gone(member)) {
      const std::string part = fmt::format("{}.{}.", member, one);
      const auto found = name.find(part);
      if (found != name.npos && (found == 0 || name[found - 1] == '.')) return true;
    }
  }
  return false;
}

Archive::Member::Member(Archive& archive, std::string_view name, std::size_t i)
    : scope_(archive, name, archive.number_of(name, i)), saved_(archive.was_saved(name, i)) {}

// ---- blobs ----------------------------------------------------------------------------------

void Archive::save_blob(std::string_view name, BlobType type, std::span<const std::byte> data) {
  to_->blob(whole_name(name), type, data);
}

std::optional<std::size_t> Archive::size_of(const std::string& name, BlobType type) {
  if (failed_) return std::nullopt;
  const auto blob = from_->blob(name);
  if (!blob) {
    broken(name, "is missing");
  } else if (blob->type != type) {
    broken(name, type == BlobType::float32 ? "holds bytes, expected float32"
                                           : "holds float32, expected bytes");
  } else if (type == BlobType::float32 && blob->bytes % sizeof(float) != 0) {
    broken(name, fmt::format("has {} bytes, expected whole floats", blob->bytes));
  } else {
    return blob->bytes;
  }
  return std::nullopt;
}

void Archive::read(const std::string& name, std::span<std::byte> out) {
  if (const auto read = from_->read(name, out); !read) failed_ = read.error();
}

void Archive::fixed(std::string_view name, std::span<float> values) {
  if (!loading()) return save_blob(name, BlobType::float32, std::as_bytes(values));
  const std::string whole = whole_name(name);
  const auto bytes = size_of(whole, BlobType::float32);
  if (!bytes) return;
  if (*bytes == values.size_bytes()) return read(whole, std::as_writable_bytes(values));
  broken(whole, fmt::format("has {} floats, expected {}", *bytes / sizeof(float), values.size()));
}

void Archive::floats(std::string_view name, std::vector<float>& values, std::size_t size) {
  INVARIANT(values.empty() || values.size() == size || loading());
  if (!loading()) return save_blob(name, BlobType::float32, std::as_bytes(std::span(values)));
  const std::string whole = whole_name(name);
  const auto bytes = size_of(whole, BlobType::float32);
  if (!bytes) return;
  if (*bytes != 0 && *bytes != size * sizeof(float)) {
    return broken(whole,
                  fmt::format("has {} floats, expected none or {}", *bytes / sizeof(float), size));
  }
  values.resize(*bytes / sizeof(float));
  read(whole, std::as_writable_bytes(std::span(values)));
}

void Archive::part(std::string_view name, std::span<float> values, std::size_t most) {
  if (!loading()) return save_blob(name, BlobType::float32, std::as_bytes(values));
  const std::string whole = whole_name(name);
  const auto bytes = size_of(whole, BlobType::float32);
  if (!bytes) return;
  if (*bytes == values.size_bytes()) {
    read(whole, std::as_writable_bytes(values));
  } else if (*bytes > most * sizeof(float)) {
    broken(whole, fmt::format("has {} floats, expected {}, or at most {} of another cut",
                              *bytes / sizeof(float), values.size(), most));
  }
}

void Archive::bytes(std::string_view name, SharedBytes& value, std::size_t bytes_max) {
  if (!loading()) return save_blob(name, BlobType::bytes, value.bytes());
  const std::string whole = whole_name(name);
  const auto bytes = size_of(whole, BlobType::bytes);
  if (!bytes) return;
  if (*bytes > bytes_max) {
    return broken(whole, fmt::format("has {} bytes, expected at most {}", *bytes, bytes_max));
  }
  ByteBlock block(*bytes);
  read(whole, block.bytes());
  if (!failed_) value = *bytes == 0 ? SharedBytes() : SharedBytes(std::move(block));
}

// ---- numbers --------------------------------------------------------------------------------

template <class Number>
void Archive::as_text(std::string_view name, Number& value, const char* expected) {
  const std::string whole = whole_name(name);
  if (!loading()) return to_->value(whole, text_of(value));
  if (failed_) return;
  const auto text = from_->value(whole);
  if (!text) return broken(whole, "is missing");
  const auto number = parsed<Number>(*text);
  if (!number) return broken(whole, fmt::format("is '{}', expected {}", shown(*text), expected));
  value = *number;
}

void Archive::number(std::string_view name, double& value) { as_text(name, value, "a number"); }
void Archive::number(std::string_view name, float& value) { as_text(name, value, "a number"); }

void Archive::number(std::string_view name, std::int64_t& value) {
  as_text(name, value, "a whole number");
}

void Archive::number(std::string_view name, bool& value) { whole(name, value, 1); }

void Archive::number(std::string_view name, Duration& value) {
  std::int64_t nanoseconds = value.count();
  number(name, nanoseconds);
  value = Duration{nanoseconds};
}

void Archive::whole_number(std::string_view name, std::uint64_t& value, std::uint64_t max) {
  std::uint64_t number = value;
  as_text(name, number, "a whole number, 0 or more");
  if (number > max && loading()) {
    return broken(prefix_ + std::string(name),
                  fmt::format("is {}, expected at most {}", number, max));
  }
  INVARIANT(number <= max);
  value = number;
}

// ---- failure --------------------------------------------------------------------------------

void Archive::broken(const std::string& name, const std::string& what) {
  if (!failed_) failed_ = Error{ErrorCode::io, fmt::format("state '{}' {}", name, what)};
}

void Archive::refuse(const std::string& what) {
  INVARIANT(loading());
  std::string place = prefix_.substr(0, prefix_.empty() ? 0 : prefix_.size() - 1);
  if (!failed_) {
    failed_ =
        Error{ErrorCode::io, place.empty() ? what : fmt::format("state '{}': {}", place, what)};
  }
}

Result<void> Archive::done() {
  if (failed_) return *failed_;
  if (!loading()) return {};
  for (const std::string& name : from_->names()) {
    if (!used_.contains(name) && !is_of_one_gone(name)) {
      return Error{ErrorCode::io, fmt::format("state '{}' is there, expected none of that name: "
                                              "nothing in this run has it",
                                              shown(name))};
    }
  }
  return {};
}

}  // namespace starling
