// An input is a message of the handshake, or of a link that is up. Its first byte says which.
// Aborts where what this node would answer is too long for a frame, or what it would log is not fit
// for one line.
#include "peer/handshake.h"

#include <google/protobuf/stubs/logging.h>

#include <algorithm>
#include <string>

#include "corpus.h"
#include "input.h"
#include "protocol/check.h"

namespace starling::fuzz {
namespace {

const peer::Introduction kSelf{
    "n0", {{"run", "r"}, {"seed", "7"}, {"model", "w[4,3] b[4]"}, {"topology", "ring of 4"}}};

Seed seed(int kind, const google::protobuf::MessageLite& message) {
  const std::string text = message.SerializeAsString();
  Seed out{static_cast<std::byte>(kind)};
  for (const char c : text) out.push_back(static_cast<std::byte>(c));
  return out;
}

// A log has it in one line, not without end.
void check_sentence(const std::string& text) {
  INVARIANT(!text.empty() && text.size() < 8192);
  INVARIANT(std::ranges::none_of(
      text, [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; }));
}

void check_refusal(const wire::Refusal& refusal, bool ours) {
  if (ours) INVARIANT(refusal.ByteSizeLong() <= peer::kHandshakeLimits.message_bytes_max);
  check_sentence(peer::sentence(refusal, ours, "n1"));
}

template <class Message>
bool parses(std::string_view bytes, Message& message) {
  return bytes.size() <= peer::kHandshakeLimits.message_bytes_max &&
         message.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()));
}

}  // namespace

std::vector<Seed> seeds() {
  const peer::Introduction other{"n1", kSelf.fingerprint};
  peer::Introduction stranger = other;
  stranger.fingerprint[1] = {"seed", "8"};
  wire::Refusal refusal;
  refusal.set_reason(wire::Refusal::fingerprint);
  refusal.set_field("seed");
  refusal.set_ours("7\n\x7f");
  refusal.set_theirs("8");
  wire::Heartbeat heartbeat;
  heartbeat.set_round(12);
  wire::Goodbye goodbye;
  goodbye.set_reason(wire::Goodbye::left_out);
  goodbye.set_text("late by 2 s");
  return {seed(0, peer::make_hello(other, "n0", 3, 17)),
          seed(0, peer::make_hello(stranger, "n0", 0, 0)),
          seed(1, peer::make_welcome(other, 4, 17)),
          seed(1, peer::make_welcome(stranger, 1, 0)),
          seed(2, refusal),
          seed(3, heartbeat),
          seed(4, goodbye)};
}

}  // namespace starling::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace starling;
  // Protocol Buffers tell of every text that is none, which takes longer than all the rest.
  static const auto told = google::protobuf::SetLogHandler(nullptr);
  (void)told;
  fuzz::Input input(data, size);
  const std::size_t kind = input.below(5);
  const std::string_view bytes = input.rest();
  wire::Hello hello;
  wire::Welcome welcome;
  wire::Refusal refusal;
  wire::Heartbeat heartbeat;
  wire::Goodbye goodbye;
  switch (kind) {
    case 0:
      if (!fuzz::parses(bytes, hello)) break;
      for (const bool known : {false, true}) {
        const auto no = peer::judge(fuzz::kSelf, hello, known);
        INVARIANT(no || (known && hello.wanted() == fuzz::kSelf.name));
        if (no) fuzz::check_refusal(*no, true);
      }
      break;
    case 1:
      if (!fuzz::parses(bytes, welcome)) break;
      if (const auto no = peer::judge(fuzz::kSelf, welcome, "n1")) {
        fuzz::check_refusal(*no, true);
      } else {
        INVARIANT(welcome.node() == "n1");
      }
      break;
    case 2:
      if (fuzz::parses(bytes, refusal)) fuzz::check_refusal(refusal, false);
      break;
    case 3: (void)fuzz::parses(bytes, heartbeat); break;
    case 4:
      if (fuzz::parses(bytes, goodbye)) {
        const std::string shown = peer::printable(goodbye.text());
        INVARIANT(shown.size() <= 256);
        if (!shown.empty()) fuzz::check_sentence(shown);
      }
      break;
  }
  return 0;
}
