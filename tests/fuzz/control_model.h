// What the server of a control socket promises about one connection (daemon/control_server.h),
// written down plainly: beside the real one it runs on the same bytes and the same clock.
#pragma once

#include <algorithm>
#include <cstring>
#include <deque>
#include <string>
#include <string_view>

#include "daemon/control_server.h"
#include "daemon/line_protocol.h"

namespace starling::fuzz {

using control::Reply;
using control::Request;
using daemon::ControlServer;

inline constexpr std::size_t kPrefix = sizeof(std::uint32_t);

inline bool only_looks(Request::VerbCase verb) {
  return verb == Request::kStatus || verb == Request::kPeers || verb == Request::kMetrics ||
         verb == Request::kMonitor;
}

// How often the owner was asked, and how often it had to be.
struct Tally {
  std::size_t asked = 0, expected = 0;
};

class ControlModel {
 public:
  enum class Answer { error, looked, done };
  struct Expected {
    Answer answer;
    bool in_lines;
  };

  ControlModel(bool read_only, Tally& tally)
      : read_only_(read_only),
        tally_(tally),
        deadline_(peer::Clock::now() + ControlServer::kIdleTime) {}

  bool closed() const { return closed_; }
  std::deque<Expected>& answers() { return answers_; }

  void take(std::string_view bytes) {
    stream_.append(bytes);
    while (!closed_ && step()) {
    }
  }
  void look_at_time() { closed_ = closed_ || peer::Clock::now() >= deadline_; }
  // No more will come: the end of a line, too.
  void end() {
    if (!closed_ && begins_line()) answer_line(stream_);
    closed_ = true;
  }

 private:
  bool begins_line() const {
    return stream_.size() >= kPrefix && daemon::begins_line({stream_.data(), kPrefix});
  }
  // False: it waits for more.
  bool step() {
    if (stream_.size() < kPrefix) return false;
    if (begins_line()) return step_line();
    std::uint32_t size = 0;
    std::memcpy(&size, stream_.data(), kPrefix);
    if (size > ControlServer::kRequestBytesMax) return refuse();
    begin();
    if (stream_.size() - kPrefix < size) return false;
    Request request;
    if (!request.ParseFromString(stream_.substr(kPrefix, size))) return refuse();
    done(kPrefix + size);
    answers_.push_back({answer_to(request), false});
    return true;
  }
  // Without an end it ends where it is as long as may be, and the connection with it.
  bool step_line() {
    begin();
    const std::size_t size = std::min(stream_.find('\n'), daemon::kLineBytesMax);
    if (stream_.size() < size || (stream_.size() == size && size < daemon::kLineBytesMax)) {
      return false;
    }
    answer_line(stream_.substr(0, size));
    closed_ = size == daemon::kLineBytesMax;
    done(std::min(size + 1, stream_.size()));
    return true;
  }
  void begin() {
    if (!begun_) deadline_ = peer::Clock::now() + ControlServer::kRequestTime;
    begun_ = true;
  }
  void done(std::size_t bytes) {
    stream_.erase(0, bytes);
    begun_ = false;
    deadline_ = peer::Clock::now() + ControlServer::kIdleTime;
  }
  void answer_line(const std::string& line) {
    const auto request = daemon::request_of(line);
    answers_.push_back({request ? answer_to(*request) : Answer::error, true});
  }
  bool refuse() {
    answers_.push_back({Answer::error, false});
    closed_ = true;
    return false;
  }
  Answer answer_to(const Request& request) {
    const bool looks = only_looks(request.verb_case());
    if (!looks && read_only_) return Answer::error;
    ++tally_.expected;
    return looks ? Answer::looked : Answer::done;
  }

  const bool read_only_;
  Tally& tally_;
  std::string stream_;  // from the request under way on
  bool begun_ = false, closed_ = false;
  peer::Clock::time_point deadline_;
  std::deque<Expected> answers_;
};

}  // namespace starling::fuzz
