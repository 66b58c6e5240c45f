// The control socket in words, for people and scripts without control.proto:
//
//   $ echo status | socat - UNIX:…/control.sock
//   run ring8
//   phase training
//   …
//   ok
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>

#include "protocol/control.pb.h"
#include "protocol/result.h"

namespace starling::daemon {

inline constexpr std::size_t kLineBytesMax = 256;  // of a request, its end included

// Whether a request that begins with these bytes is a line: four small letters, as every verb does.
// As the length of a message they would be far over its limit.
bool begins_line(std::span<const char> first);

// "status", "ping n3", "monitor debug": the name of a field of control.proto's Request, and of a
// verb about a neighbor its name, of one about the log a level. Fails (ErrorCode::config) with the
// verbs that there are.
Result<control::Request> request_of(std::string_view line);

// A line "NAME VALUE" for each field that is there; of a list of messages a line each, with
// NAME=VALUE for each of its fields. Texts with spaces are quoted. Then "ok". Of an error the one
// line "error SENTENCE"; of metrics their text and nothing else; of the log its line.
std::string lines_of(const control::Reply& reply);

// As the daemon's log has it, in the time zone that is set: "2026-11-28 03:16:01.123 n0 info …".
std::string line_of(const control::MonitorReply& line);

}  // namespace starling::daemon
