#include "peer/handshake.h"

#include <fmt/format.h>

#include <algorithm>

namespace starling::peer {
namespace {

constexpr std::size_t kRefusalTextMax = 1000;  // three of them stay below the message limit

template <class Message>
void put_fingerprint(const Fingerprint& fingerprint, Message& message) {
  for (const FingerprintField& field : fingerprint) {
    auto* out = message.add_fingerprint();
    out->set_name(field.name);
    out->set_value(field.value);
  }
}

template <class Message>
Fingerprint get_fingerprint(const Message& message) {
  Fingerprint fingerprint;
  for (const auto& field : message.fingerprint()) {
    fingerprint.push_back({field.name(), field.value()});
  }
  return fingerprint;
}

wire::Refusal refusal(wire::Refusal::Reason reason, const std::string& field,
                      const std::string& ours, const std::string& theirs) {
  wire::Refusal out;
  out.set_reason(reason);
  out.set_field(printable(field, kRefusalTextMax));
  out.set_ours(printable(ours, kRefusalTextMax));
  out.set_theirs(printable(theirs, kRefusalTextMax));
  return out;
}

std::optional<wire::Refusal> judge_fingerprint(const Fingerprint& ours, const Fingerprint& theirs) {
  const auto mismatch = first_difference(ours, theirs);
  if (!mismatch) return std::nullopt;
  return refusal(wire::Refusal::fingerprint, mismatch->field, mismatch->ours, mismatch->theirs);
}

Task<Result<Payload>> expect(Connection& connection, FrameHeader header) {
  if (header.sequence != 0) {
    co_return Error{
        ErrorCode::peer,
        fmt::format("frame sequence is {} in the handshake, expected 0", header.sequence)};
  }
  Result<Payload> payload = co_await read_payload(connection, header);
  co_return payload;
}

template <class Message>
Result<Message> parsed(const Payload& payload, const char* name) {
  Message message;
  if (!message.ParseFromString(payload.message)) {
    return Error{ErrorCode::peer,
                 fmt::format("a {} of {} bytes does not parse", name, payload.message.size())};
  }
  return message;
}

Error unexpected(FrameType found, const char* expected) {
  return {ErrorCode::peer, fmt::format("frame type is {} in the handshake, expected {}",
                                       static_cast<int>(found), expected)};
}

}  // namespace

std::string printable(const std::string& text, std::size_t bytes_max) {
  std::string out = text.substr(0, bytes_max);
  std::replace_if(
      out.begin(), out.end(),
      [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; }, '?');
  // Not in the middle of a UTF-8 sequence: Protocol Buffers would not take it.
  if (out.size() < text.size()) {
    while (!out.empty() && (static_cast<unsigned char>(text[out.size()]) & 0xc0) == 0x80) {
      out.pop_back();
    }
  }
  return out;
}

wire::Hello make_hello(const Introduction& self, const std::string& wanted, Epoch last_epoch,
                       Round round) {
  wire::Hello hello;
  hello.set_version_min(kFrameVersion);
  hello.set_version_max(kFrameVersion);
  hello.set_node(self.name);
  hello.set_wanted(wanted);
  put_fingerprint(self.fingerprint, hello);
  hello.set_last_epoch(last_epoch);
  hello.set_round(round);
  return hello;
}

wire::Welcome make_welcome(const Introduction& self, Epoch epoch, Round round) {
  wire::Welcome welcome;
  welcome.set_node(self.name);
  put_fingerprint(self.fingerprint, welcome);
  welcome.set_epoch(epoch);
  welcome.set_round(round);
  return welcome;
}

std::optional<wire::Refusal> judge(const Introduction& self, const wire::Hello& hello, bool known) {
  if (hello.version_min() > kFrameVersion || hello.version_max() < kFrameVersion) {
    return refusal(wire::Refusal::version, "frame version", fmt::to_string(kFrameVersion),
                   fmt::format("{} to {}", hello.version_min(), hello.version_max()));
  }
  if (!known) {
    auto out = refusal(wire::Refusal::unknown_node, "node", self.name, hello.node());
    out.set_text(hello.node() == self.name
                     ? fmt::format("'{}' is the name of this node itself", self.name)
                     : fmt::format("'{}' is no neighbor of {} in its run file",
                                   printable(hello.node()), self.name));
    return out;
  }
  if (hello.wanted() != self.name) {
    auto out = refusal(wire::Refusal::wrong_node, "wanted", self.name, hello.wanted());
    out.set_text(fmt::format("this node is {}, and {} wanted '{}'", self.name, hello.node(),
                             printable(hello.wanted())));
    return out;
  }
  return judge_fingerprint(self.fingerprint, get_fingerprint(hello));
}

std::optional<wire::Refusal> judge(const Introduction& self, const wire::Welcome& welcome,
                                   const std::string& dialled) {
  if (welcome.node() != dialled) {
    auto out = refusal(wire::Refusal::wrong_node, "node", dialled, welcome.node());
    out.set_text(fmt::format("{} dialled {}, and '{}' answered", self.name, dialled,
                             printable(welcome.node())));
    return out;
  }
  return judge_fingerprint(self.fingerprint, get_fingerprint(welcome));
}

wire::Refusal refusal_of_absent(const std::string& name) {
  auto out = refusal(wire::Refusal::unspecified, kAwayField, name, name);
  out.set_text(fmt::format("{} is away, and has not said that it is back", name));
  return out;
}

std::string sentence(const wire::Refusal& r, bool sent_by_us, const std::string& peer) {
  const std::string ours = printable(sent_by_us ? r.ours() : r.theirs());
  const std::string theirs = printable(sent_by_us ? r.theirs() : r.ours());
  switch (r.reason()) {
    case wire::Refusal::fingerprint:
      if (r.field() == "topology") {
        return fmt::format(
            "the topology differs: ours is '{}', that of {} is '{}'; let both read "
            "the same run file again (`starling reload`)",
            ours, peer, theirs);
      }
      if (r.field() == kAwayField) {
        return fmt::format(
            "{} knows otherwise who is away, '{}' where here it is '{}'; both go by "
            "what is newer",
            peer, theirs, ours);
      }
      return fmt::format("the run of {} is another one: {} is '{}' here and '{}' there", peer,
                         printable(r.field()), ours, theirs);
    case wire::Refusal::version:
      return fmt::format("no frame version in common with {}: {} here, {} there", peer, ours,
                         theirs);
    case wire::Refusal::stopping:
      return fmt::format("{} is stopping", sent_by_us ? "this node" : peer);
    case wire::Refusal::paused:
      return fmt::format("{} has paused the link", sent_by_us ? "this node" : peer);
    case wire::Refusal::duplicate:
      if (r.text().empty()) return fmt::format("another connection serves the link to {}", peer);
      break;
    default: break;
  }
  if (sent_by_us) return printable(r.text());
  return fmt::format("{} refused the link: {}", peer,
                     r.text().empty() ? "it gave no reason" : printable(r.text()));
}

Task<Result<wire::Hello>> read_hello(Connection& connection) {
  Result<FrameHeader> header = co_await read_header(connection, kHandshakeLimits);
  if (!header) co_return header.error();
  if (header->type != FrameType::hello) co_return unexpected(header->type, "1 (hello)");
  Result<Payload> payload = co_await expect(connection, *header);
  if (!payload) co_return payload.error();
  co_return parsed<wire::Hello>(*payload, "Hello");
}

Task<Result<Round>> read_first_heartbeat(Connection& connection, Epoch epoch) {
  Result<FrameHeader> header = co_await read_header(connection, kHandshakeLimits);
  if (!header) co_return header.error();
  if (header->type != FrameType::heartbeat) co_return unexpected(header->type, "4 (heartbeat)");
  if (header->epoch != epoch) {
    co_return Error{ErrorCode::peer,
                    fmt::format("frame epoch is {}, expected {}", header->epoch, epoch)};
  }
  Result<Payload> payload = co_await expect(connection, *header);
  if (!payload) co_return payload.error();
  const auto heartbeat = parsed<wire::Heartbeat>(*payload, "Heartbeat");
  if (!heartbeat) co_return heartbeat.error();
  co_return Round{heartbeat.value().round()};
}

Task<Answer> say_hello(Connection& connection, wire::Hello hello) {
  Answer answer;
  // A write that fails is not the last word: the refusal may lie in our receive buffer.
  (void)co_await write_message(connection, FrameType::hello, 0, hello);
  Result<FrameHeader> header = co_await read_header(connection, kHandshakeLimits);
  if (header && header->type != FrameType::welcome && header->type != FrameType::refusal) {
    answer.error = unexpected(header->type, "2 (welcome) or 3 (refusal)");
    co_return answer;
  }
  if (!header) {
    answer.error = header.error();
    co_return answer;
  }
  Result<Payload> payload = co_await expect(connection, *header);
  if (!payload) {
    answer.error = payload.error();
  } else if (header->type == FrameType::welcome) {
    auto welcome = parsed<wire::Welcome>(*payload, "Welcome");
    if (welcome)
      answer.welcome = welcome.value();
    else
      answer.error = welcome.error();
  } else {
    auto refused = parsed<wire::Refusal>(*payload, "Refusal");
    if (refused)
      answer.refusal = refused.value();
    else
      answer.error = refused.error();
  }
  co_return answer;
}

}  // namespace starling::peer
