#include "daemon/process.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <utility>

namespace starling::daemon {
namespace {

// In the child, between fork and exec: only calls that are safe there.
[[noreturn]] void become(char* const* arguments, int output, int errors, pid_t parent) {
  ::setpgid(0, 0);
  sigset_t none;  // the parent may hold signals back, the child must not
  sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
  ::prctl(PR_SET_PDEATHSIG, SIGTERM);
  if (::getppid() != parent) ::_exit(127);  // it died before the line above
  const int input = ::open("/dev/null", O_RDONLY);
  ::dup2(input, STDIN_FILENO);
  ::dup2(output, STDOUT_FILENO);
  ::dup2(errors, STDERR_FILENO);
  ::execvp(arguments[0], arguments);
  ::dprintf(STDERR_FILENO, "%s: cannot be started: %s\n", arguments[0], ::strerror(errno));
  ::_exit(127);
}

}  // namespace

Result<ChildProcess> ChildProcess::start(const std::vector<std::string>& command,
                                         const std::filesystem::path& standard_error) {
  std::vector<char*> arguments;
  for (const std::string& word : command) arguments.push_back(const_cast<char*>(word.c_str()));
  arguments.push_back(nullptr);
  std::array<int, 2> pipe{};
  const int errors = ::open(standard_error.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  if (errors < 0 || ::pipe2(pipe.data(), O_CLOEXEC) != 0) {
    const int why = errno;
    if (errors >= 0) ::close(errors);
    return Error{ErrorCode::io, fmt::format("{}: cannot be written: {}", standard_error.string(),
                                            std::strerror(why))};
  }
  const pid_t parent = ::getpid();
  const pid_t pid = ::fork();
  if (pid == 0) become(arguments.data(), pipe[1], errors, parent);
  ::close(errors);
  ::close(pipe[1]);
  if (pid < 0) {
    ::close(pipe[0]);
    return Error{ErrorCode::io,
                 fmt::format("{}: cannot be started: {}", command[0], std::strerror(errno))};
  }
  ::fcntl(pipe[0], F_SETFL, O_NONBLOCK);
  return ChildProcess(pid, pipe[0]);
}

ChildProcess::ChildProcess(ChildProcess&& other) noexcept
    : pid_(std::exchange(other.pid_, -1)),
      output_(std::exchange(other.output_, -1)),
      written_(std::move(other.written_)),
      ended_(other.ended_) {}

ChildProcess::~ChildProcess() {
  if (pid_ > 0 && !ended_) {
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
  }
  if (output_ >= 0) ::close(output_);
}

void ChildProcess::drain() {
  std::array<char, 4096> buffer;
  for (;;) {
    const ssize_t got = ::read(output_, buffer.data(), buffer.size());
    if (got <= 0) return;
    written_.append(buffer.data(), static_cast<std::size_t>(got));
  }
}

const std::optional<Ended>& ChildProcess::poll() {
  if (ended_) return ended_;
  int status = 0;
  if (::waitpid(pid_, &status, WNOHANG) == pid_) {
    drain();
    ended_ = WIFSIGNALED(status) ? Ended{0, WTERMSIG(status)} : Ended{WEXITSTATUS(status), 0};
  }
  return ended_;
}

void ChildProcess::signal(int number) const {
  if (!ended_) ::kill(pid_, number);
}

std::string ChildProcess::last_line() const {
  std::string text = written_;
  while (!text.empty() && text.back() == '\n') text.pop_back();
  const std::size_t newline = text.rfind('\n');
  return newline == std::string::npos ? text : text.substr(newline + 1);
}

std::string last_line_of(const std::filesystem::path& file) {
  std::ifstream in(file);
  std::string line, last;
  while (std::getline(in, line)) {
    if (!line.empty()) last = line;
  }
  return last;
}

}  // namespace starling::daemon
