// Golden conversations: all that three nodes are told and answer, compared with a committed text.
// A change of behaviour shows as a diff of that text; STARLING_UPDATE_GOLDEN=1 rewrites it.
#include <doctest/doctest.h>
#include <fmt/format.h>

#include <cstdlib>
#include <fstream>
#include <sstream>

#include "gossip/topology.h"
#include "protocol/random.h"
#include "tests/gossip/problems.h"
#include "tests/support/lockstep.h"

using namespace starling;
using namespace starling::gossip;
using starling::test::Lockstep;

namespace {

std::string digest(std::span<const std::byte> bytes) {
  return fmt::format("#{:08x}", static_cast<std::uint32_t>(hash_of(bytes)));
}

// One line an event or action; bodies and models as the low half of their XXH3.
class Script {
 public:
  explicit Script(Lockstep& flock) : flock_(flock) {
    flock.on_event = [this](std::size_t node, const Event& event) {
      std::visit([&](const auto& e) { line(fmt::format("n{} ", node), e); }, event);
    };
    flock.on_action = [this](std::size_t node, const Action& action) {
      std::visit([&](const auto& a) { line(fmt::format("    n{} ", node), a); }, action);
    };
  }

  void say(const std::string& text) { text_ << "-- " << text << '\n'; }
  void show_models() {
    for (std::size_t i = 0; i < flock_.size(); ++i) {
      text_ << fmt::format("n{} model {}\n", i, digest(std::as_bytes(flock_.model(i))));
    }
  }
  std::string text() const { return text_.str(); }

 private:
  static const char* kind(const Parcel& parcel) {
    switch (parcel.type) {
      case FrameType::opening: return " opening";
      case FrameType::settlement: return " settlement";
      default: return "";
    }
  }
  void line(const std::string& who, const BeginRound& e) {
    text_ << who << "BeginRound " << e.round << '\n';
  }
  void line(const std::string& who, const PeerUp& e) {
    text_ << who << fmt::format("PeerUp n{} epoch {}\n", index_of(e.peer), e.epoch);
  }
  void line(const std::string& who, const PeerDown& e) {
    text_ << who << fmt::format("PeerDown n{}\n", index_of(e.peer));
  }
  void line(const std::string& who, const LocalStepDone& e) {
    text_ << who << "LocalStepDone " << digest(std::as_bytes(e.update)) << '\n';
  }
  void line(const std::string& who, const Received& e) {
    text_ << who
          << fmt::format("Received{} n{} epoch {} round {} exchange {} {}\n", kind(e.parcel),
                         index_of(e.from), e.parcel.epoch, e.parcel.round, e.parcel.exchange,
                         digest(e.parcel.body.bytes()));
  }
  void line(const std::string& who, const TimerFired& e) {
    text_ << who << "TimerFired " << e.timer << '\n';
  }
  void line(const std::string& who, const Send& a) {
    text_ << who
          << fmt::format("->{} n{} epoch {} round {} exchange {} {} bytes {}\n", kind(a.parcel),
                         index_of(a.to), a.parcel.epoch, a.parcel.round, a.parcel.exchange,
                         a.parcel.body.size(), digest(a.parcel.body.bytes()));
  }
  void line(const std::string& who, const EdgeSettled& a) {
    text_ << who
          << fmt::format("EdgeSettled n{} {}\n", index_of(a.peer),
                         a.reunion
                             ? fmt::format("{}, {:.4f} apart", a.reunion->how, a.reunion->distance)
                             : std::string());
  }
  void line(const std::string& who, const RunLocalStep& a) {
    text_ << who << "RunLocalStep " << a.round << '\n';
  }
  void line(const std::string& who, const ArmTimer& a) {
    text_ << who << fmt::format("ArmTimer {} after {:.3f} s\n", a.timer, seconds(a.after));
  }
  void line(const std::string& who, const LeaveOut& a) {
    text_ << who << fmt::format("LeaveOut n{}: {}\n", index_of(a.peer), a.why);
  }
  void line(const std::string& who, const Diverged& a) {
    text_ << who << fmt::format("Diverged: {}\n", a.why);
  }
  void line(const std::string& who, const Reject& a) {
    text_ << who << fmt::format("Reject n{}: {}\n", index_of(a.peer), a.why);
  }
  void line(const std::string& who, const RoundFinished& a) {
    text_ << who << "RoundFinished " << a.round << '\n';
  }

  Lockstep& flock_;
  std::ostringstream text_;
};

void compare_with_golden(const std::string& name, const std::string& text) {
  const std::string path = std::string(STARLING_SOURCE_DIR) + "/tests/golden/" + name;
  if (std::getenv("STARLING_UPDATE_GOLDEN")) {
    std::ofstream(path) << text;
    return;
  }
  std::ifstream in(path);
  REQUIRE_MESSAGE(in.good(), path << " is missing; STARLING_UPDATE_GOLDEN=1 writes it");
  std::stringstream golden;
  golden << in.rdbuf();
  CHECK(text == golden.str());
}

// Three nodes, on a path if not otherwise said, a matrix and a vector each; an edge is lost and
// comes back.
std::string conversation(const GossipOptions& options, TopologyKind kind = TopologyKind::path,
                         const test::MakeCompressor& compressor = {}) {
  TensorLayout layout;
  layout.add("weight", {4, 3});
  layout.add("bias", {4});
  std::vector<std::vector<float>> starts(3, std::vector<float>(layout.size()));
  for (std::size_t i = 0; i < 3; ++i) Random(9, Stream::test, {i}).fill_normal(starts[i]);
  const Topology topology =
      *Topology::make({.kind = kind, .nodes = 3, .degree = 0, .edges = {}}, 1);
  Lockstep flock(options, topology, layout, starts, 7, compressor);
  Script script(flock);
  const auto tenth = [](std::size_t, std::span<const float> model, std::span<float> update) {
    for (std::size_t k = 0; k < update.size(); ++k) update[k] = 0.125f * model[k];
  };
  script.say("a round with all neighbors");
  flock.run(1, tenth);
  script.show_models();
  script.say("n2 is lost to n1 and n1 to n2: both leave the edge out");
  flock.give(1, PeerDown{node_id(2)});
  flock.give(2, PeerDown{node_id(1)});
  flock.run(1, tenth);
  script.show_models();
  script.say("the edge comes back in a new epoch");
  flock.give(1, PeerUp{node_id(2), 2});
  flock.give(2, PeerUp{node_id(1), 2});
  flock.pump();
  flock.run(1, tenth);
  script.show_models();
  return script.text();
}

}  // namespace

TEST_CASE("conversation: d-psgd on a path, an edge lost and back") {
  compare_with_golden("d-psgd-path.txt", conversation({.algorithm = AlgorithmKind::d_psgd,
                                                       .rank = 1,
                                                       .iterations = 1,
                                                       .overlap = false,
                                                       .relaxation = 1}));
}

TEST_CASE("conversation: powergossip with two iterations on a path, an edge lost and back") {
  compare_with_golden("powergossip-path.txt", conversation({.algorithm = AlgorithmKind::powergossip,
                                                            .rank = 1,
                                                            .iterations = 2,
                                                            .overlap = true,
                                                            .relaxation = 1}));
}

// Innovations of one bit a coordinate, and a dual an edge.
TEST_CASE("conversation: cold with sign on a path, an edge lost and back") {
  compare_with_golden("cold-path.txt", conversation(test::options_of(AlgorithmKind::cold, 0.25),
                                                    TopologyKind::path, test::kSign));
}

// Of the two messages that cross on an edge one is empty.
TEST_CASE("conversation: sgp with one peer a round, an edge lost and back") {
  compare_with_golden("sgp-one-peer.txt", conversation(test::options_of(AlgorithmKind::sgp),
                                                       TopologyKind::one_peer_exponential));
}
