#include "daemon/line_protocol.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <ctime>
#include <sstream>
#include <vector>

namespace starling::daemon {
namespace {

using google::protobuf::Descriptor;
using google::protobuf::FieldDescriptor;
using google::protobuf::Message;

std::vector<std::string> verbs() {
  std::vector<std::string> names;
  const Descriptor& request = *control::Request::descriptor();
  for (int i = 0; i < request.field_count(); ++i) names.push_back(request.field(i)->name());
  return names;
}

std::string quoted(const std::string& text) {
  const bool plain = !text.empty() && std::ranges::none_of(text, [](char c) {
    return c == ' ' || c == '"' || c == '\\' || static_cast<unsigned char>(c) < 0x20;
  });
  if (plain) return text;
  std::string out(1, '"');
  for (const char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    out += static_cast<unsigned char>(c) < 0x20 ? ' ' : c;
  }
  return out + '"';
}

std::string fields_of(const Message& message);

// One value of a field; `item`: which one, of a list.
std::string value_of(const Message& message, const FieldDescriptor& field, int item) {
  const auto& reflection = *message.GetReflection();
  const bool list = field.is_repeated();
  switch (field.cpp_type()) {
    case FieldDescriptor::CPPTYPE_STRING:
      return quoted(list ? reflection.GetRepeatedString(message, &field, item)
                         : reflection.GetString(message, &field));
    case FieldDescriptor::CPPTYPE_DOUBLE:
      return fmt::format("{}", list ? reflection.GetRepeatedDouble(message, &field, item)
                                    : reflection.GetDouble(message, &field));
    case FieldDescriptor::CPPTYPE_UINT32:
      return fmt::format("{}", list ? reflection.GetRepeatedUInt32(message, &field, item)
                                    : reflection.GetUInt32(message, &field));
    case FieldDescriptor::CPPTYPE_UINT64:
      return fmt::format("{}", list ? reflection.GetRepeatedUInt64(message, &field, item)
                                    : reflection.GetUInt64(message, &field));
    case FieldDescriptor::CPPTYPE_MESSAGE:
      return fields_of(list ? reflection.GetRepeatedMessage(message, &field, item)
                            : reflection.GetMessage(message, &field));
    default: return "?";  // control.proto has no other type
  }
}

// Calls `take` with the name and value of everything that is there.
template <class Take>
void for_each_value(const Message& message, Take take) {
  const auto& reflection = *message.GetReflection();
  for (int i = 0; i < message.GetDescriptor()->field_count(); ++i) {
    const FieldDescriptor& field = *message.GetDescriptor()->field(i);
    if (field.has_presence() && !reflection.HasField(message, &field)) continue;
    const int count = field.is_repeated() ? reflection.FieldSize(message, &field) : 1;
    for (int item = 0; item < count; ++item) take(field.name(), value_of(message, field, item));
  }
}

std::string fields_of(const Message& message) {
  std::vector<std::string> parts;
  for_each_value(message, [&](const std::string& name, const std::string& value) {
    parts.push_back(fmt::format("{}={}", name, value));
  });
  return fmt::format("{}", fmt::join(parts, " "));
}

Error unknown(std::string_view found) {
  return {ErrorCode::config, fmt::format("found {}, expected one of {}", quoted(std::string(found)),
                                         fmt::join(verbs(), ", "))};
}

}  // namespace

bool begins_line(std::span<const char> first) {
  return std::ranges::all_of(first, [](char c) { return 'a' <= c && c <= 'z'; });
}

Result<control::Request> request_of(std::string_view line) {
  std::istringstream in{std::string(line)};
  std::vector<std::string> words;
  for (std::string word; in >> word;) words.push_back(word);
  if (words.empty()) return unknown(line);
  const FieldDescriptor* verb = control::Request::descriptor()->FindFieldByName(words[0]);
  if (!verb) return unknown(words[0]);
  control::Request request;
  Message& body = *request.GetReflection()->MutableMessage(&request, verb);
  const FieldDescriptor* peer = body.GetDescriptor()->FindFieldByName("peer");
  const FieldDescriptor* level = body.GetDescriptor()->FindFieldByName("level");
  const FieldDescriptor* word = peer ? peer : level;
  if (words.size() > (word ? 2U : 1U)) {
    return Error{ErrorCode::config,
                 fmt::format("found {} words behind {}, expected {}", words.size() - 1, words[0],
                             peer    ? "the name of a neighbor at most"
                             : level ? "a level at most"
                                     : "none")};
  }
  if (words.size() == 2) body.GetReflection()->SetString(&body, word, words[1]);
  return request;
}

std::string lines_of(const control::Reply& reply) {
  if (reply.has_error()) return fmt::format("error {}\n", reply.error().text());
  if (reply.has_metrics()) return reply.metrics().text();
  if (reply.has_monitor()) return line_of(reply.monitor()) + '\n';
  std::string out;
  const FieldDescriptor* verb =
      control::Reply::descriptor()->FindFieldByNumber(static_cast<int>(reply.verb_case()));
  if (verb) {
    for_each_value(reply.GetReflection()->GetMessage(reply, verb),
                   [&](const std::string& name, const std::string& value) {
                     out += fmt::format("{} {}\n", name, value);
                   });
  }
  return out + "ok\n";
}

std::string line_of(const control::MonitorReply& line) {
  const auto whole = static_cast<std::time_t>(line.time_ms() / 1000);
  std::tm local{};
  ::localtime_r(&whole, &local);
  std::array<char, 32> day{};
  std::strftime(day.data(), day.size(), "%Y-%m-%d %H:%M:%S", &local);
  const std::string head =
      fmt::format("{}.{:03} {}", day.data(), line.time_ms() % 1000, line.node());
  if (line.dropped() == 0) return fmt::format("{} {} {}", head, line.level(), line.text());
  return fmt::format("{} warning {} lines are missing here: they were not read as fast as written",
                     head, line.dropped());
}

}  // namespace starling::daemon
