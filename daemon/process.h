// A child process of `starling up`.
#pragma once

#include <sys/types.h>

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "protocol/result.h"

namespace starling::daemon {

// How a child ended.
struct Ended {
  int exit_code = 0;  // when signal is 0
  int signal = 0;
};

// A child in a process group of its own, so that Ctrl-C reaches it through its parent alone; the
// kernel sends it SIGTERM should the parent die. Its standard output is a pipe, its standard error
// a file. Killed and reaped by the destructor if it still runs. One thread.
class ChildProcess {
 public:
  // `command[0]` is a path or a name on PATH. Fails with ErrorCode::io.
  static Result<ChildProcess> start(const std::vector<std::string>& command,
                                    const std::filesystem::path& standard_error);
  ChildProcess(ChildProcess&& other) noexcept;
  ChildProcess& operator=(ChildProcess&&) = delete;
  ~ChildProcess();

  pid_t pid() const { return pid_; }
  // Takes what the child has written so far. Never blocks.
  void drain();
  // Whether it has ended; reaps it once. Never blocks.
  const std::optional<Ended>& poll();
  void signal(int number) const;
  // The last whole or partial line that it wrote; empty for none.
  std::string last_line() const;

 private:
  ChildProcess(pid_t pid, int output) : pid_(pid), output_(output) {}

  pid_t pid_;
  int output_;
  std::string written_;
  std::optional<Ended> ended_;
};

// The last line of a text file that is not empty; what a child complained of before it ended.
std::string last_line_of(const std::filesystem::path& file);

}  // namespace starling::daemon
