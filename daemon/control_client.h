// Asking a node over its control socket, from another process.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "protocol/control.pb.h"
#include "protocol/ids.h"
#include "protocol/result.h"

namespace starling::daemon {

// Sends one request and waits for its reply, `patience` at most. Fails with ErrorCode::no_daemon
// when nobody listens there (the message names the socket), ErrorCode::io when the answer does not
// come in time, the daemon hangs up (the message says whom it answers) or it is no reply. Blocks;
// any thread that is neither io nor engine.
Result<control::Reply> ask(const std::filesystem::path& socket, const control::Request& request,
                           Duration patience = std::chrono::seconds{5});

// A connection on which one request is answered by any number of replies. One thread.
class Subscription {
 public:
  // Fails as ask() does where nobody listens or the daemon hangs up.
  static Result<Subscription> open(const std::filesystem::path& socket,
                                   const control::Request& request);
  ~Subscription();
  Subscription(Subscription&& other) noexcept;
  Subscription& operator=(Subscription&&) = delete;

  int descriptor() const { return fd_; }  // to wait on until something can be read
  // What has come by now, without waiting. Fails with ErrorCode::io: it is no reply, or an error,
  // or the daemon has hung up without having taken the request.
  Result<std::vector<control::Reply>> read();
  bool is_over() const { return over_; }  // the daemon has closed it

 private:
  Subscription(int fd, std::string socket) : fd_(fd), socket_(std::move(socket)) {}

  int fd_;
  std::string socket_;
  std::string heard_;      // the beginning of a reply
  bool answered_ = false;  // by anything
  bool over_ = false;
};

}  // namespace starling::daemon
