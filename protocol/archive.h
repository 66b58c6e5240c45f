// State that outlives a process: each class lists its own in one function, for saving and for
// loading alike, so the two cannot drift apart.
//
//   void Momentum::archive(Archive& a) {
//     a.fixed("velocity", velocity_);
//     a.number("steps", steps_);
//   }
#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <limits>
#include <map>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "protocol/bytes.h"
#include "protocol/ids.h"
#include "protocol/result.h"

namespace starling {

enum class BlobType { float32, bytes };

// Where saved state goes. Names are whole ("algorithm.edge.3.dual") and come once.
class StateWriter {
 public:
  virtual ~StateWriter() = default;
  virtual void value(const std::string& name, std::string text) = 0;
  // The writer may keep the span and read it later: whoever saves leaves the state as it is until
  // the writer is done with it.
  virtual void blob(const std::string& name, BlobType type, std::span<const std::byte> data) = 0;
};

// Where it comes from again.
class StateReader {
 public:
  virtual ~StateReader() = default;
  virtual std::vector<std::string> names() const = 0;  // of values and blobs
  virtual std::optional<std::string> value(const std::string& name) const = 0;
  struct Blob {
    BlobType type;
    std::size_t bytes;
  };
  virtual std::optional<Blob> blob(const std::string& name) const = 0;
  // `out` has the blob's size.
  virtual Result<void> read(const std::string& name, std::span<std::byte> out) const = 0;
};

// One thread. Names are of [a-z0-9_.], each once.
//
// Loading trusts nothing: sizes and numbers are held against what the loading object expects
// before memory is asked for. The first thing that does not fit is kept for done(); from then on
// every call leaves its argument as it is, so an archive function needs no checks of its own, but
// the objects that were being loaded are of no use any more.
class Archive {
 public:
  explicit Archive(StateWriter& to) : to_(&to) {}
  explicit Archive(const StateReader& from) : from_(&from) {}
  Archive(const Archive&) = delete;
  Archive& operator=(const Archive&) = delete;

  bool loading() const { return from_ != nullptr; }

  // As many floats as `values` has now.
  void fixed(std::string_view name, std::span<float> values);
  // Either none or `size` of them: what exists while an edge is open, or from its first use on.
  void floats(std::string_view name, std::vector<float>& values, std::size_t size);
  // As many floats as `values` has now. Loading: what was cut otherwise when it was saved, into up
  // to `most` floats, is let go of, and `values` stay as they are.
  void part(std::string_view name, std::span<float> values, std::size_t most);
  // At most bytes_max.
  void bytes(std::string_view name, SharedBytes& value, std::size_t bytes_max);

  // Exact, every bit (of a NaN: that it is one).
  void number(std::string_view name, double& value);
  void number(std::string_view name, float& value);
  void number(std::string_view name, bool& value);
  void number(std::string_view name, std::int64_t& value);
  void number(std::string_view name, Duration& value);
  // At most `max`; for a count that the loading side counts to, or a place in an array.
  template <std::unsigned_integral T>
  void number(std::string_view name, T& value, std::type_identity_t<T> max = kMax<T>) {
    whole(name, value, max);
  }
  // `last` is the enumerator with the largest number; the smallest is 0.
  template <class E>
    requires std::is_enum_v<E>
  void number(std::string_view name, E& value, E last) {
    whole(name, value, static_cast<std::uint64_t>(last));
  }
  // With a flag of its own, NAME.known.
  template <class T>
  void number(std::string_view name, std::optional<T>& value) {
    bool known = value.has_value();
    number(std::string(name) + ".known", known);
    if (known && !value) value.emplace();
    if (!known) value.reset();
    if (value) number(name, *value);
  }

  // Loading: what was read fits no state that this object can be in. `what` is a clause, "edge 3 is
  // in group 7 of 2".
  void refuse(const std::string& what);

  // After loading: the first thing that did not fit, things that nobody asked for included; the
  // error is one sentence without the file's name. After saving: always well.
  Result<void> done();

  // Things called `name` that are told apart by numbers, of which some may have gone or come since
  // they were saved: numbers[i] is that of the i-th one here. Until the archive ends, Member finds
  // each by its number, and done() lets those rest that are no longer here. Not twice for a name.
  void roster(std::string_view name, std::span<const std::uint64_t> numbers);
  // Loading: the numbers, ascending, of those called `name` that were saved and are no longer here.
  std::vector<std::uint64_t> gone(std::string_view name) const;

  // Names begin with "NAME." or "NAME.INDEX." while it lives.
  class Scope {
   public:
    Scope(Archive& archive, std::string_view name);
    Scope(Archive& archive, std::string_view name, std::size_t index);
    ~Scope();
    Scope(const Scope&) = delete;
    Scope& operator=(const Scope&) = delete;

   private:
    Archive& archive_;
    const std::size_t outer_;  // length of the prefix around
  };

  // The Scope of the i-th one of a roster, or of the number i where there is no roster.
  class Member {
   public:
    Member(Archive& archive, std::string_view name, std::size_t i);
    // False: loading, and it came after the state was saved. Nothing is to be asked for.
    explicit operator bool() const { return saved_; }

   private:
    const Scope scope_;
    const bool saved_;
  };

 private:
  template <class T>
  static constexpr T kMax = std::numeric_limits<T>::max();

  template <class T>
  void whole(std::string_view name, T& value, std::uint64_t max) {
    auto number = static_cast<std::uint64_t>(value);
    whole_number(name, number, max);
    value = static_cast<T>(number);
  }
  void whole_number(std::string_view name, std::uint64_t& value, std::uint64_t max);

  struct Roster {
    std::vector<std::uint64_t> numbers;  // of those that are here, by place
    std::set<std::uint64_t> saved;       // loading
  };
  std::uint64_t number_of(std::string_view name, std::size_t i) const;
  bool was_saved(std::string_view name, std::size_t i) const;
  bool is_of_one_gone(std::string_view name) const;

  std::string whole_name(std::string_view name);
  void save_blob(std::string_view name, BlobType type, std::span<const std::byte> data);
  // The blob's size where it is of that type; it is the caller's to accept.
  std::optional<std::size_t> size_of(const std::string& name, BlobType type);
  void read(const std::string& name, std::span<std::byte> out);
  void broken(const std::string& name, const std::string& what);
  template <class Number>
  void as_text(std::string_view name, Number& value, const char* expected);

  StateWriter* const to_ = nullptr;  // the one or the other; both outlive this
  const StateReader* const from_ = nullptr;
  std::string prefix_;
  std::set<std::string> used_;
  std::map<std::string, Roster, std::less<>> rosters_;
  std::optional<Error> failed_;
};

}  // namespace starling
