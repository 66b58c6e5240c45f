// He, Karimireddy, Jaggi 2022 (2202.01545): self-centred clipping, with a radius that both ends of
// an edge agree on.
#include "gossip/clipping.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>

#include "compress/sign.h"
#include "compress/top_k.h"
#include "gossip/d_psgd.h"
#include "gossip/delta.h"
#include "protocol/random.h"
#include "tests/support/lockstep.h"

using namespace starling;
using namespace starling::gossip;

namespace {

Message message_of(std::initializer_list<float> floats) {
  ByteBlock block(floats.size() * sizeof(float));
  std::ranges::copy(floats, block.floats().begin());
  return {SharedBytes(std::move(block))};
}

// A message that a node with this radius has sealed.
Message sealed(std::initializer_list<float> floats, double radius) {
  Clipping node(1, 1);
  const auto step = static_cast<float>(radius);
  node.follow(std::span(&step, 1));
  Message message = message_of(floats);
  node.seal(std::span(&message, 1));
  return message;
}

float share(Clipping& clipping, std::size_t edge, double ours, double theirs, float distance) {
  const Arrival arrival{edge, sealed({0}, ours), sealed({distance}, theirs)};
  const float zero = 0;
  return clipping.share(arrival, std::span(&distance, 1), std::span(&zero, 1));
}

}  // namespace

TEST_CASE("clipping: a difference beyond the radius is shortened to it, one within stays") {
  Clipping clipping(1, 1);
  CHECK(share(clipping, 0, 2, 2, 1) == 1);
  CHECK(share(clipping, 0, 2, 2, 2) == 1);
  CHECK(share(clipping, 0, 2, 2, 8) == 0.25f);
  CHECK(share(clipping, 0, 0, 2, 8) == 0);
  CHECK(share(clipping, 0, 0, 0, 0) == 1);
}

TEST_CASE("clipping: both ends take the smaller of their radii, and the same share of it") {
  Clipping a(1, 1), b(1, 1);
  CHECK(share(a, 0, 1, 4, 8) == 0.125f);
  CHECK(share(a, 0, 4, 1, 8) == 0.125f);
  std::vector<float> x(1000), y(1000);
  Random(1, Stream::test).fill_normal(x);
  Random(2, Stream::test).fill_normal(y);
  const Message low = sealed({0}, 3), high = sealed({1}, 5);
  const float at_low = a.share({0, low, high}, y, x), at_high = b.share({0, high, low}, x, y);
  CHECK(at_low == at_high);
  CHECK(at_low == static_cast<float>(3 / distance(x, y)));
}

TEST_CASE("clipping: the radius is the lower median of what neighbors allow, and at least a step") {
  Clipping clipping(4, 0.5);
  CHECK(clipping.radius() == 0);  // it has taken no step, and nobody was heard
  const float step = 0.25f;
  clipping.follow(std::span(&step, 1));
  CHECK(clipping.radius() == 0.5f);  // a step over γ
  for (std::size_t edge = 0; edge < 4; ++edge) {
    share(clipping, edge, 1, 9, static_cast<float>(4 - edge));
  }
  CHECK(clipping.radius() == 2);
  share(clipping, 3, 1, 1e30, 1e30f);  // one of four that lies moves it from honest to honest
  CHECK(clipping.radius() == 3);
  share(clipping, 3, 1, 0, 1e30f);
  CHECK(clipping.radius() == 2);
  clipping.open(1);  // 4, 2 and 0 are left
  CHECK(clipping.radius() == 2);
  const float large = 7;
  clipping.follow(std::span(&large, 1));
  CHECK(clipping.radius() == 14);
}

// Far from all its neighbors, because one of them pulls, it still takes no more than they.
TEST_CASE("clipping: a node that was pulled off does not take its distance for its radius") {
  Clipping clipping(3, 1);
  for (std::size_t edge = 0; edge < 2; ++edge) share(clipping, edge, 1, 2, 1000);
  share(clipping, 2, 1, 1e9, 1e6f);
  CHECK(clipping.radius() == 2);
}

TEST_CASE("clipping: a message is what it was behind its radius, and made once for all edges") {
  Clipping clipping(2, 1);
  const Message one = message_of({1, 2, 3});
  std::array<Message, 2> messages{one, one};
  clipping.seal(messages);
  CHECK(messages[0].body.bytes().data() == messages[1].body.bytes().data());
  CHECK(messages[0].body.size() == 16);
  const auto opened = Clipping::opened(messages[0]);
  REQUIRE(opened.ok());
  CHECK(std::ranges::equal(opened->body.floats(), one.body.floats()));
}

TEST_CASE("clipping: a radius that is none is refused") {
  const auto refusal = [](float radius) {
    const auto opened = Clipping::opened(message_of({1, radius}));
    return opened ? std::string() : opened.error().message;
  };
  CHECK(refusal(0) == "");
  CHECK(refusal(NAN) ==
        "the clip radius at the end of the body is nan, expected a finite number of at least 0");
  CHECK(refusal(INFINITY).find("is inf, expected") != std::string::npos);
  CHECK(refusal(-1).find("is -1, expected") != std::string::npos);
  CHECK(Clipping::opened({SharedBytes(ByteBlock(3))}).error().message ==
        "body has 3 bytes, expected a clip radius of 4 at its end");
}

// §8 of the specification: delta form with the same share at both ends.
TEST_CASE("clipping: the mean of the models stays, and they come closer") {
  const auto topology = *Topology::make({.kind = TopologyKind::torus, .nodes = 9}, 1);
  TensorLayout layout;
  layout.add("x", {40});
  std::vector<std::vector<float>> starts(9, std::vector<float>(40));
  for (std::size_t i = 0; i < 9; ++i) Random(3, Stream::test, {i}).fill_normal(starts[i]);
  for (const AlgorithmKind kind :
       {AlgorithmKind::d_psgd, AlgorithmKind::choco, AlgorithmKind::def_atc}) {
    CAPTURE(std::string(name_of(kind)));
    GossipOptions options{.algorithm = kind, .overlap = false, .clip = true};
    const auto compressor = [kind]() -> std::unique_ptr<compress::Compressor> {
      if (kind == AlgorithmKind::d_psgd) return nullptr;
      return std::make_unique<compress::Sign>(compress::Norm::l1, 0);
    };
    test::Lockstep flock(options, topology, layout, starts, 7, compressor);
    const std::vector<double> before = flock.mean();
    const double before_distance = flock.consensus_distance(1);
    flock.mix(1);
    if (kind == AlgorithmKind::d_psgd) {
      // Who takes no step lets nobody in.
      CHECK(std::ranges::equal(flock.model(4), starts[4]));
    }
    // Steps that sum to 0 over the nodes and over time.
    Round round = 0;
    const test::UpdateOf shake = [&](std::size_t node, std::span<const float>,
                                     std::span<float> update) {
      const bool down = (node + round) % 2 == 0;
      std::ranges::fill(update, node == 8 ? 0.0f : down ? -0.25f : 0.25f);
      round += node == 8;
    };
    flock.run(400, shake);
    if (kind != AlgorithmKind::def_atc) {  // rebuilds its model from what it has told
      for (std::size_t k = 0; k < before.size(); ++k) {
        CHECK(std::abs(flock.mean()[k] - before[k]) < 1e-4);
      }
    }
    CHECK(flock.consensus_distance(1) < 2);
    CHECK(flock.consensus_distance(1) < before_distance);
  }
}
