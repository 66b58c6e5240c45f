// What two nodes say before a link is up, and what makes one of them refuse. No policy about
// connections here: which of several is kept is the table's business.
#pragma once

#include <optional>
#include <string>

#include "peer/wire.h"
#include "protocol/fingerprint.h"
#include "protocol/peer.pb.h"

namespace starling::peer {

// All that a frame may weigh until the handshake is over.
inline constexpr FrameLimits kHandshakeLimits{.message_bytes_max = 4096, .body_bytes_max = 0};

// What every handshake of this process says of this node.
struct Introduction {
  std::string name;
  Fingerprint fingerprint;
};

wire::Hello make_hello(const Introduction& self, const std::string& wanted, Epoch last_epoch,
                       Round round);
wire::Welcome make_welcome(const Introduction& self, Epoch epoch, Round round);

// Why we refuse who said this, in the order: version, name, whom it wanted, fingerprint. `known`:
// it is the name of a neighbor.
std::optional<wire::Refusal> judge(const Introduction& self, const wire::Hello& hello, bool known);
// The dialler's look at the answer: the node that it dialled, in the same run.
std::optional<wire::Refusal> judge(const Introduction& self, const wire::Welcome& welcome,
                                   const std::string& dialled);

// Of a neighbor that says the same as we, and that is away by that (Neighbor::away).
wire::Refusal refusal_of_absent(const std::string& name);

// The refusal as this node sees it, whoever of the two sent it; `peer` names the other one.
std::string sentence(const wire::Refusal& refusal, bool sent_by_us, const std::string& peer);

// Text from the wire as a log may show it: no control characters, cut at `bytes_max`.
std::string printable(const std::string& text, std::size_t bytes_max = 256);

// The first frame of an accepted connection.
Task<Result<wire::Hello>> read_hello(Connection& connection);
// The third one, with which the link is up for the listener; its round.
Task<Result<Round>> read_first_heartbeat(Connection& connection, Epoch epoch);

// The dialler's whole handshake up to the answer.
struct Answer {
  std::optional<wire::Welcome> welcome;  // one of these three is set
  std::optional<wire::Refusal> refusal;
  std::optional<Error> error;
};
Task<Answer> say_hello(Connection& connection, wire::Hello hello);

}  // namespace starling::peer
