// An input is what happens on connections to a control socket: bytes in pieces of any size, whole
// requests, lines, lengths around the limit, time, ends. The server is the real one, on a real
// socket; beside it runs a model of what it promises: each request gets one reply, in order; what
// is no request, too long or too late ends the connection; a socket for looking alone has nothing
// done, and no socket what was not whole in time. Aborts where the two differ, or where something
// of a connection outlives it.
#include "daemon/control_server.h"

#include <spdlog/sinks/null_sink.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <string>

#include "control_model.h"
#include "corpus.h"
#include "input.h"
#include "protocol/check.h"
#include "virtual_clock.h"

namespace starling::fuzz {
namespace {

namespace fs = std::filesystem;

enum Happening { raw, request, long_request, time, end, kHappenings };

std::string with_length(std::string_view bytes) {
  const auto size = static_cast<std::uint32_t>(bytes.size());
  std::string out(kPrefix, '\0');
  std::memcpy(out.data(), &size, kPrefix);
  return out.append(bytes);
}

// A request whose only content is a field that nobody knows; of exactly so many bytes.
std::string request_of(std::size_t bytes) {
  if (bytes < 6) return std::string(bytes, '\0');
  std::string out = "\xa2\x06";  // field 100, bytes
  for (std::size_t left = bytes - 5, i = 0; i < 3; ++i, left >>= 7) {
    out += static_cast<char>((left & 0x7f) | (i < 2 ? 0x80 : 0));
  }
  return out + std::string(bytes - 5, 'x');
}

class Asker {
 public:
  Asker(asio::io_context& io, const fs::path& path, bool read_only, Tally& tally)
      : io_(io),
        socket_(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)),
        tally_(tally),
        model_(read_only, tally) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::strncpy(address.sun_path, path.c_str(), sizeof address.sun_path - 1);
    INVARIANT(::connect(socket_, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0);
    settle(io_);
  }
  ~Asker() {
    ::close(socket_);
    model_.end();
  }
  Asker(const Asker&) = delete;
  Asker& operator=(const Asker&) = delete;

  bool closed() const { return model_.closed(); }

  void say(std::string_view bytes) {
    model_.take(bytes);
    while (!bytes.empty()) {
      const ssize_t sent = ::send(socket_, bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
      if (sent < 0 && errno != EAGAIN) break;  // it has closed
      if (sent > 0) bytes.remove_prefix(static_cast<std::size_t>(sent));
      settle(io_);
    }
    INVARIANT(bytes.empty() || model_.closed());
    listen();
  }
  void let_pass(std::chrono::nanoseconds duration) {
    pass(duration);
    settle(io_);
    model_.look_at_time();
    listen();
  }
  // Closes the writing half; the server closes the rest.
  void end() {
    ::shutdown(socket_, SHUT_WR);
    settle(io_);
    model_.end();
    listen();
  }

 private:
  // All replies that are there, each as the model has it.
  void listen() {
    std::array<char, 4096> buffer;
    while (true) {
      const ssize_t got = ::recv(socket_, buffer.data(), buffer.size(), MSG_DONTWAIT);
      if (got <= 0) {
        // What it had not read when it closed makes the end a reset.
        const bool is_end = got == 0 || errno == ECONNRESET;
        INVARIANT(is_end == model_.closed());
        break;
      }
      heard_.append(buffer.data(), static_cast<std::size_t>(got));
    }
    while (!model_.answers().empty()) {
      const auto [expected, in_lines] = model_.answers().front();
      model_.answers().pop_front();
      in_lines ? compare_lines(expected) : compare_message(expected);
    }
    INVARIANT(heard_.empty() && tally_.asked == tally_.expected);
  }
  void compare_message(ControlModel::Answer expected) {
    std::uint32_t size = 0;
    INVARIANT(heard_.size() >= kPrefix);
    std::memcpy(&size, heard_.data(), kPrefix);
    INVARIANT(heard_.size() >= kPrefix + size);
    Reply reply;
    INVARIANT(reply.ParseFromString(heard_.substr(kPrefix, size)));
    heard_.erase(0, kPrefix + size);
    if (reply.has_error()) INVARIANT(!reply.error().text().empty());
    INVARIANT(reply.has_error() == (expected == ControlModel::Answer::error));
    INVARIANT(reply.has_status() == (expected == ControlModel::Answer::looked));
  }
  void compare_lines(ControlModel::Answer expected) {
    constexpr std::string_view kError = "error ", kOk = "\nok\n";
    const bool is_error = heard_.starts_with(kError);
    const std::size_t end = is_error ? heard_.find('\n') + 1 : heard_.find(kOk) + kOk.size();
    INVARIANT(is_error == (expected == ControlModel::Answer::error));
    INVARIANT(is_error ? end > kError.size() + 1 : end > kOk.size());
    INVARIANT(end <= heard_.size());
    heard_.erase(0, end);
  }

  asio::io_context& io_;
  const int socket_;
  Tally& tally_;
  ControlModel model_;
  std::string heard_;
};

// The folder of this process's sockets.
class Folder {
 public:
  Folder() {
    std::string name = (fs::temp_directory_path() / "starling-fuzz-XXXXXX").string();
    INVARIANT(::mkdtemp(name.data()));
    path_ = name;
  }
  ~Folder() { fs::remove_all(path_); }
  fs::path socket() const { return path_ / "s"; }

 private:
  fs::path path_;
};

peer::Task<Reply> answer(bool read_only, Tally& tally, const Request& request) {
  INVARIANT(!read_only || only_looks(request.verb_case()));
  ++tally.asked;
  Reply reply;
  if (only_looks(request.verb_case())) {
    reply.mutable_status()->set_round(7);
  } else {
    reply.mutable_stop()->set_round(7);
  }
  co_return reply;
}

void happen(Asker& asker, Input& input) {
  constexpr std::array<std::chrono::milliseconds, 5> kTimes{
      std::chrono::milliseconds{1}, std::chrono::seconds{2}, ControlServer::kRequestTime,
      ControlServer::kIdleTime - std::chrono::milliseconds{1}, ControlServer::kIdleTime};
  switch (static_cast<Happening>(input.below(kHappenings))) {
    case raw: return asker.say(input.text(input.byte()));
    case request: return asker.say(with_length(input.text(input.byte())));
    case long_request: {
      const auto size = ControlServer::kRequestBytesMax - 3 + input.below(6);
      const std::string whole = with_length(request_of(size));
      return asker.say(std::string_view(whole).substr(0, whole.size() - input.below(2)));
    }
    case time: return asker.let_pass(kTimes[input.below(kTimes.size())]);
    default: return asker.end();
  }
}

Seed seed(std::initializer_list<std::string_view> parts) {
  Seed out;
  for (const std::string_view part : parts) {
    for (const char c : part) out.push_back(static_cast<std::byte>(c));
  }
  return out;
}

}  // namespace

std::vector<Seed> seeds() {
  using namespace std::string_view_literals;
  // A whole request of each verb; the byte behind `request` is its length.
  constexpr auto status = "\1\2\x0a\0"sv, peers = "\1\2\x12\0"sv, stop = "\1\2\x1a\0"sv,
                 checkpoint = "\1\2\x22\0"sv, reload = "\1\2\x2a\0"sv, none = "\1\0"sv,
                 monitor = "\1\2\x5a\0"sv;
  return {seed({"\0"sv, status, peers, stop, checkpoint, reload, none}),
          seed({"\1"sv, status, stop, peers, checkpoint, none, monitor}),
          // One byte at a time, and two requests in one piece.
          seed({"\0"sv, "\0\1\2\0\1\0\0\1\0\0\1\0\0\1\x0a\0\1\0"sv,
                "\0\x0c\2\0\0\0\x0a\0\2\0\0\0\x12\0"sv}),
          seed({"\0"sv, "\1\3\xff\xff\xff"sv, status}),
          seed({"\0"sv, "\0\4\xff\xff\xff\xff"sv, status}), seed({"\0"sv, "\2\3\0"sv, "\2\4\0"sv}),
          seed({"\0"sv, "\2\3\1"sv, "\3\1"sv, "\0\1x"sv, status}),
          seed({"\0"sv, "\2\3\1"sv, "\3\2"sv, status}),
          seed({"\0"sv, "\0\2\2\0"sv, "\3\3"sv, "\0\2\0\0"sv, "\3\1\3\1\3\1"sv, status}),
          seed({"\0"sv, status, "\3\4"sv, status}), seed({"\0"sv, "\0\3\2\0\0"sv, "\4"sv, stop}),
          // Lines: whole, in pieces, of a verb that does not exist.
          seed({"\0"sv, "\0\x07status\n"sv, "\0\x04ping"sv, "\0\x04 n3\n"sv, status}),
          seed({"\1"sv, "\0\x08metrics\n"sv, "\0\5stop\n"sv, "\0\5what\n"sv, status})};
}

}  // namespace starling::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace starling;
  static const fuzz::Folder folder;
  static const auto log =
      std::make_shared<spdlog::logger>("control", std::make_shared<spdlog::sinks::null_sink_st>());
  asio::io_context& io = fuzz::begin_io();
  fuzz::Input input(data, size);
  const bool read_only = input.below(2) == 1;
  fuzz::Tally tally;
  {
    daemon::ControlServer server(
        io, {.path = folder.socket(), .read_only = read_only},
        [read_only, &tally](const control::Request& request) {
          return fuzz::answer(read_only, tally, request);
        },
        log);
    INVARIANT(server.start().ok());
    while (!input.empty()) {
      // More of them than may be open at a time, so that none may be left.
      fuzz::Asker asker(io, folder.socket(), read_only, tally);
      while (!input.empty() && !asker.closed()) fuzz::happen(asker, input);
    }
    fuzz::settle(io);
  }
  fuzz::settle(io);
  INVARIANT(io.stopped() && tally.asked == tally.expected);
  return 0;
}
