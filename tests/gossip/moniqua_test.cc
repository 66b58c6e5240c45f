// Moniqua (Lu & De Sa 2020, Algorithm 1; gossip specification §7).
#include "gossip/moniqua.h"

#include <doctest/doctest.h>

#include <algorithm>

#include "tests/gossip/problems.h"

using namespace starling;
using namespace starling::gossip;
using namespace starling::test;

namespace {

constexpr std::size_t kSize = 40;

GossipOptions options(double theta, std::size_t bits, double gamma = 1) {
  GossipOptions o = options_of(AlgorithmKind::moniqua, gamma);
  o.theta = theta;
  o.bits = bits;
  return o;
}

// Coordinates within ±spread/2.
std::vector<std::vector<float>> starts_within(double spread, std::size_t nodes) {
  std::vector<std::vector<float>> starts(nodes, std::vector<float>(kSize));
  for (std::size_t i = 0; i < nodes; ++i) {
    const Random random(3, Stream::test, {i});
    for (std::size_t k = 0; k < kSize; ++k) {
      starts[i][k] = static_cast<float>(100 + spread * (random.uniform(k) - 0.5));
    }
  }
  return starts;
}

// Node 1 of a complete graph of three with both neighbors, at the method's level.
struct Three {
  std::vector<std::unique_ptr<Method>> nodes;

  Three(const MoniquaOptions& o, const std::vector<std::vector<float>>& starts) {
    for (std::size_t i = 0; i < 3; ++i) {
      nodes.push_back(make_moniqua(starts[i], o));
    }
  }
  // One exchange over all edges; the first failure to encode, if any.
  Result<void> exchange(Round round) {
    std::vector<std::vector<Message>> out(3, std::vector<Message>(2));
    const std::vector<std::size_t> both = {0, 1};
    for (std::size_t i = 0; i < 3; ++i) {
      if (auto made = nodes[i]->encode({round, 0}, both, out[i]); !made) return made;
    }
    for (std::size_t i = 0; i < 3; ++i) {
      std::vector<Arrival> arrivals;
      for (std::size_t j = 0; j < 3; ++j) {
        if (j != i) arrivals.push_back({arrivals.size(), out[i][0], out[j][0], {1.0 / 3}});
      }
      nodes[i]->mix({round, 0}, arrivals);
    }
    return {};
  }
};

double mean_at(const Three& flock, std::size_t k) {
  double sum = 0;
  for (const auto& node : flock.nodes) sum += node->model()[k];
  return sum / 3;
}

}  // namespace

// Two neighbors round with the same u: what x gains is the difference of the models, up to one step
// on each edge, and on average over the rounds the difference itself.
TEST_CASE("moniqua: within the bound an exchange is that of D-PSGD, up to a step of rounding") {
  const std::size_t nodes = 5;
  for (const std::size_t bits : {2, 3, 8, 16}) {
    CAPTURE(bits);
    const MoniquaOptions o{.theta = 1, .bits = static_cast<unsigned>(bits)};
    const auto starts = starts_within(0.999 * o.theta, nodes);
    const Topology topology = ring(nodes);
    std::vector<double> average(kSize, 0.0);
    constexpr int kDraws = 400;
    for (std::uint64_t seed = 0; seed < kDraws; ++seed) {
      Lockstep flock(options(o.theta, bits), topology, vector_of(kSize), starts, seed);
      flock.mix(1);
      for (std::size_t k = 0; k < kSize; ++k) {
        const double plain = (double{starts[0][k]} + starts[1][k] + starts[4][k]) / 3;
        CHECK(std::abs(flock.model(0)[k] - plain) < 2.0 / 3 * moniqua_step(o) + 2e-5);
        average[k] += (flock.model(0)[k] - plain) / kDraws;
      }
    }
    for (const double a : average) CHECK(std::abs(a) < 0.1 * moniqua_step(o) + 2e-5);
  }
}

TEST_CASE("moniqua: gossip alone keeps the mean and ends within steps of consensus") {
  const MoniquaOptions o{.theta = 2, .bits = 8};
  Lockstep flock(options(o.theta, o.bits), ring(8), vector_of(kSize), starts_within(1.9, 8));
  const auto before = flock.mean();
  flock.mix(300);
  const auto after = flock.mean();
  for (std::size_t k = 0; k < kSize; ++k) CHECK(std::abs(after[k] - before[k]) < 1e-4);
  CHECK(flock.consensus_distance(1) < std::sqrt(kSize) * 2 * moniqua_step(o));
}

// §7, D-PSGD's floor: halves with the step, if theta follows it. With γ it is that of D-PSGD
// relaxed by as much.
TEST_CASE("moniqua: the error on heterogeneous quadratics is that of D-PSGD") {
  const Quad quad;
  const auto end_of = [&](const GossipOptions& o, double rate) {
    Lockstep flock(o, ring(8), quad.layout(), quad.starts());
    flock.run(static_cast<Round>(15 / rate), quad.step(rate));
    return quad.error(flock);
  };
  GossipOptions plain = options_of(AlgorithmKind::d_psgd);
  for (const double gamma : {1.0, 0.3}) {
    plain.relaxation = gamma;
    for (const double rate : {0.01, 0.005}) {
      CAPTURE(gamma);
      CAPTURE(rate);
      const double theta = 200 * rate / gamma;
      CHECK(end_of(options(theta, 8, gamma), rate) ==
            doctest::Approx(end_of(plain, rate)).epsilon(0.01));
    }
  }
  const double full = end_of(options(2, 8), 0.01), half = end_of(options(1, 8), 0.005);
  CHECK(full / half > 1.7);
  CHECK(full / half < 2.1);
}

// §7: θ = 2 fails quietly on QUAD, with a floor of 2.7 where γ is small. Quietly here means that
// the models are wrong and the mean is still that of the local steps.
TEST_CASE("moniqua: beyond the bound models are wrong and their mean is not") {
  const Quad quad;
  Lockstep flock(options(2, 8, 0.1), ring(8), quad.layout(), quad.starts());
  Lockstep wide(options(20, 8, 0.1), ring(8), quad.layout(), quad.starts());
  std::vector<double> expected(Quad::kSize, 0.0);
  double drift = 0;
  const UpdateOf step = quad.step(0.01);
  for (int r = 0; r < 1500; ++r) {
    wide.run(1, step);
    flock.run(1, [&](std::size_t node, std::span<const float> model, std::span<float> update) {
      step(node, model, update);
      for (std::size_t k = 0; k < update.size(); ++k) expected[k] -= update[k] / Quad::kNodes;
    });
    const auto mean = flock.mean();
    for (std::size_t k = 0; k < mean.size(); ++k) {
      drift = std::max(drift, std::abs(mean[k] - expected[k]));
    }
  }
  CHECK(quad.error(flock) > 1.3 * quad.error(wide));
  CHECK(drift < 1e-4);
}

TEST_CASE("moniqua: a node that proves every neighbor out of the bound says so") {
  const MoniquaOptions o{.theta = 0.5, .bits = 2};
  auto starts = std::vector(3, std::vector<float>(kSize, 1.0f));
  for (float& x : starts[1]) x += 1.0f;  // half of the circle of 4 steps of 0.5
  Three flock(o, starts);
  REQUIRE(flock.exchange(0).ok());
  // Both ends left the edges of node 1 out; the others agree.
  for (std::size_t i = 0; i < 3; ++i) CHECK(std::ranges::equal(flock.nodes[i]->model(), starts[i]));
  const Result<void> second = flock.exchange(1);
  REQUIRE_FALSE(second.ok());
  CHECK(second.error().code == ErrorCode::diverged);
  CHECK(second.error().message ==
        "the models of all neighbors are theta = 0.5 or more away from this one, and moniqua can "
        "tell no such difference; raise [gossip] theta (with a bit more for each doubling), or "
        "lower the learning rate");
}

TEST_CASE("moniqua: a whole circle apart looks like agreement") {
  const MoniquaOptions o{.theta = 0.5, .bits = 2};
  auto starts = std::vector(3, std::vector<float>(kSize, 1.0f));
  for (float& x : starts[1]) x += 2.0f;
  Three flock(o, starts);
  for (Round r = 0; r < 20; ++r) REQUIRE(flock.exchange(r).ok());
  for (std::size_t k = 0; k < kSize; ++k) {
    CHECK(flock.nodes[1]->model()[k] == 3.0f);
    CHECK(mean_at(flock, k) == doctest::Approx(5.0 / 3));
  }
}

TEST_CASE("moniqua: sent are b bits a coordinate") {
  for (const std::size_t bits : {2, 3, 8}) {
    Lockstep flock(options(1, bits), ring(4), vector_of(kSize + 1),
                   {4, std::vector<float>(kSize + 1)});
    flock.mix(3);
    CHECK(flock.sent_bytes() == 3 * 4 * 2 * (((kSize + 1) * bits + 7) / 8));
  }
}

TEST_CASE("moniqua: a message of another length or with bits behind its codes is refused") {
  const auto method = make_moniqua(std::vector<float>(5), {.theta = 1, .bits = 3});
  const auto refusal = [&](std::initializer_list<int> bytes) {
    ByteBlock block(bytes.size());
    std::ranges::transform(bytes, block.bytes().begin(),
                           [](int b) { return static_cast<std::byte>(b); });
    const auto checked = method->check({}, 0, {SharedBytes(std::move(block))});
    return checked ? std::string() : checked.error().message;
  };
  CHECK(refusal({0xff, 0x7f}) == "");
  CHECK(refusal({0xff}) == "body has 1 bytes, expected 2 (5 codes of 3 bits)");
  CHECK(refusal({0, 0, 0}) == "body has 3 bytes, expected 2 (5 codes of 3 bits)");
  CHECK(refusal({0, 0x80}) == "body has bits behind its 5 codes of 3 bits, expected zeros");
}

TEST_CASE("moniqua: a model that is no number, or beyond what steps can count, diverges") {
  for (const float wrong : {NAN, INFINITY, 1e30f}) {
    std::vector<float> start(3, 1.0f);
    start[1] = wrong;
    const auto method = make_moniqua(start, {.theta = 1, .bits = 8});
    std::vector<Message> out(1);
    const std::vector<std::size_t> edge = {0};
    const Result<void> encoded = method->encode({}, edge, out);
    REQUIRE_FALSE(encoded.ok());
    CHECK(encoded.error().code == ErrorCode::diverged);
  }
}
