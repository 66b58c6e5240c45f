// Result<T>: a value, or one sentence that says why there is none.
//
// For everything that can go wrong outside our own code: files, configuration, peers. The message
// is complete as it stands: what was found, where, what was expected, what to do.
#pragma once

#include <string>
#include <utility>
#include <variant>

#include "protocol/check.h"

namespace starling {

// What kind of trouble it is. The ones that can end a program are its exit code; the table that
// users see is in daemon/README.md.
enum class ErrorCode : int {
  config = 10,          // the run file, an override or an argument
  data = 11,            // a data set
  address_in_use = 12,  // a listening address that another process holds
  state_locked = 13,    // another daemon works on the same state directory
  diverged = 14,        // training produced NaN or infinity
  io = 15,              // a file or socket of our own
  no_daemon = 3,        // nobody answers on the control socket
  peer = 20,            // a neighbor broke the protocol; ends that session, never the program
};

struct Error {
  ErrorCode code;
  std::string message;
};

inline Error config_error(std::string message) { return {ErrorCode::config, std::move(message)}; }

template <class T>
class [[nodiscard]] Result {
 public:
  Result(T value) : state_(std::in_place_index<0>, std::move(value)) {}
  Result(Error error) : state_(std::in_place_index<1>, std::move(error)) {}

  bool ok() const { return state_.index() == 0; }
  explicit operator bool() const { return ok(); }

  // Only when ok().
  T& value() & { return checked<0>(); }
  const T& value() const& { return const_cast<Result*>(this)->checked<0>(); }
  T&& value() && { return std::move(checked<0>()); }
  T& operator*() & { return value(); }
  const T& operator*() const& { return value(); }
  T* operator->() { return &value(); }
  const T* operator->() const { return &value(); }

  // Only when not ok().
  const Error& error() const { return const_cast<Result*>(this)->checked<1>(); }

 private:
  template <std::size_t I>
  auto& checked() {
    INVARIANT(state_.index() == I);
    return *std::get_if<I>(&state_);
  }

  std::variant<T, Error> state_;
};

template <>
class [[nodiscard]] Result<void> {
 public:
  Result() = default;
  Result(Error error) : error_(std::move(error)), failed_(true) {}

  bool ok() const { return !failed_; }
  explicit operator bool() const { return ok(); }
  const Error& error() const {
    INVARIANT(failed_);
    return error_;
  }

 private:
  Error error_{};
  bool failed_ = false;
};

}  // namespace starling
