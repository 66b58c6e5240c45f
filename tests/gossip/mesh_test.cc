// The engine of the mesh, and the methods that are made of legs (mesh-algorithms.md).
#include <doctest/doctest.h>

#include "compress/quantize.h"
#include "protocol/parts.h"
#include "tests/gossip/least_squares.h"
#include "tests/support/effort.h"

using namespace starling;
using namespace starling::gossip;
using namespace starling::test;

namespace {

// Otherwise every node has one of its own.
bool has_common_model(AlgorithmKind kind) {
  return kind != AlgorithmKind::liec_sgd && kind != AlgorithmKind::streaming_diloco;
}

}  // namespace

// §12, §14: shifts make a method exact where data differ; error feedback alone stays away.
TEST_CASE(
    "mesh: on heterogeneous least squares EF21, EF21-BC, EControl and CD-Adam reach float "
    "accuracy, EF-SGD and DoubleSqueeze do not" *
    in_release_only) {
  using enum AlgorithmKind;
  for (const AlgorithmKind kind : {ef21, ef21_bc, econtrol}) {
    CAPTURE(std::string(name_of(kind)));
    CHECK(error_of(kind, kTopOne, 4000, 0.05f) < 1e-5);
  }
  // AMSGrad's steps are as long as its rate.
  CHECK(error_with_decay(options_of(cd_adam), kTopOne, 8000, 0.02f) < 1e-5);
  for (const AlgorithmKind kind : {ef_sgd, doublesqueeze}) {
    CAPTURE(std::string(name_of(kind)));
    const double error = error_of(kind, kTopOne, 4000, 0.05f);
    CHECK(error > 1e-4);
    CHECK(error < 0.5);
  }
}

TEST_CASE("mesh: DIANA with an unbiased operator is exact, compressed SGD is not" *
          in_release_only) {
  const MakeCompressor quantize = [] {
    return std::make_unique<compress::Quantize>(compress::QuantizeParams{.bits = 2});
  };
  CHECK(error_of(AlgorithmKind::diana, quantize, 3000, 0.05f) < 1e-5);
  CHECK(error_of(AlgorithmKind::dcsgd, quantize, 3000, 0.05f) > 1e-4);
}

// §2: η is the gain of an integrator; at 1 it is the naive form, which diverges.
TEST_CASE("mesh: EControl converges with eta = delta and diverges with eta = 1") {
  CHECK(error_of(AlgorithmKind::econtrol, kTopOne, 3000, 0.05f, 0.1) < 1e-4);
  const LeastSquares problem;
  Lockstep naive = mesh(AlgorithmKind::econtrol, kTopOne, 1.0);
  for (int step = 0; step < 300 && problem.error(naive.model(0)) < 1e3; ++step) {
    naive.run(10, problem.step(0.05f));
  }
  CHECK(problem.error(naive.model(0)) >= 1e3);
}

// §7: z = x - e_s - mean(e_i) moves by the mean update exactly, whatever C loses.
TEST_CASE("mesh: DoubleSqueeze's virtual iterate follows exact gradient descent") {
  const LeastSquares problem;
  Lockstep flock = mesh(AlgorithmKind::doublesqueeze, kSign);
  const auto iterate = [&] {
    std::vector<double> z(kSize);
    for (std::size_t i = 0; i < kNodes; ++i) {
      const Vector e = saved_floats(flock, i, "method.up.error");
      const Vector own = saved_floats(flock, i, "method.down.error");
      for (std::size_t k = 0; k < kSize; ++k) z[k] -= double{e[k]} / kNodes;
      for (std::size_t k = 0; k < own.size(); ++k) z[kSize * i / kNodes + k] -= own[k];
    }
    for (std::size_t k = 0; k < kSize; ++k) z[k] += flock.model(0)[k];
    return z;
  };
  for (int round = 0; round < 50; ++round) {
    std::vector<double> expected = iterate();
    for (std::size_t i = 0; i < kNodes; ++i) {
      Vector update(kSize);
      problem.step(0.05f)(i, flock.model(i), update);
      for (std::size_t k = 0; k < kSize; ++k) expected[k] -= double{update[k]} / kNodes;
    }
    flock.run(1, problem.step(0.05f));
    const std::vector<double> z = iterate();
    for (std::size_t k = 0; k < kSize; ++k) CHECK(std::abs(z[k] - expected[k]) < 1e-5);
  }
}

// §0.2: both legs of one bit a coordinate.
TEST_CASE("mesh: one bit each way is less than a twenty-fifth of the bytes of raw float32") {
  const std::size_t size = 80'000;
  const auto bytes = [&](AlgorithmKind kind, const MakeCompressor& make) {
    Lockstep flock(options_of(kind), complete(kNodes), vector_of(size),
                   std::vector(kNodes, Vector(size, 0.0f)), 7, make);
    flock.run(2, [](std::size_t i, std::span<const float>, std::span<float> update) {
      Random(1, Stream::test, {i}).fill_normal(update);
    });
    return flock.sent_bytes();
  };
  CHECK(25 * bytes(AlgorithmKind::doublesqueeze, kSign) < bytes(AlgorithmKind::ef_sgd, kIdentity));
}

// §11: models stay equal to the bit where a node misses what an owner told.
TEST_CASE("mesh: a node whose edge was down is brought up to date in front of the next message") {
  const LeastSquares problem;
  for (const AlgorithmTraits& traits : all_algorithms()) {
    if (!traits.is_mesh() || !has_common_model(traits.kind)) continue;
    CAPTURE(std::string(traits.name));
    GossipOptions options = options_of(traits.kind);
    options.freeze = 16;
    options.period = 1;
    Lockstep flock = mesh(options, usual_operator(traits.kind));
    const auto all_equal = [&] {
      for (std::size_t i = 1; i < kNodes; ++i) {
        if (!std::ranges::equal(flock.model(0), flock.model(i))) return false;
      }
      return true;
    };
    flock.run(20, problem.step(0.05f));
    CHECK(all_equal());
    flock.give(2, PeerDown{node_id(5)});
    flock.give(5, PeerDown{node_id(2)});
    flock.run(20, problem.step(0.05f));
    CHECK_FALSE(all_equal());
    flock.give(2, PeerUp{node_id(5), 2});
    flock.give(5, PeerUp{node_id(2), 2});
    flock.pump();
    flock.run(20, problem.step(0.05f));
    CHECK(all_equal());
    for (const EdgeStatus& edge : flock.algorithm(2).edges()) CHECK(edge.reopened == 0);
  }
}

TEST_CASE("mesh: a rate that no schedule of this run can have is refused, and nothing applied") {
  const LeastSquares problem;
  for (const float made_up : {1e3f, INFINITY, NAN, -0.05f}) {
    CAPTURE(made_up);
    Lockstep flock = mesh(AlgorithmKind::ef21, kTopOne);
    flock.run(20, problem.step(0.05f));
    const std::vector<float> before(flock.model(2).begin(), flock.model(2).end());
    std::string why;
    flock.on_action = [&](std::size_t node, const Action& action) {
      const auto* reject = std::get_if<Reject>(&action);
      if (!reject) return;
      CHECK(node == 2);
      CHECK(reject->peer == node_id(5));
      why = reject->why;
      flock.give(2, PeerDown{node_id(5)});
    };
    flock.tamper = [made_up](std::size_t node, Send& send) {
      if (node != 5 || send.to != node_id(2) || send.parcel.exchange != 1) return;
      ByteBlock block(send.parcel.body.size());
      std::ranges::copy(send.parcel.body.bytes(), block.bytes().begin());
      store(made_up, block.bytes().data());
      send.parcel.body = std::move(block);
    };
    flock.run(1, problem.step(0.05f));
    CAPTURE(why);
    CHECK(why.find("a rate of ") != std::string::npos);
    CHECK(why.find("expected 0 to 100 (100 times this node's own)") != std::string::npos);
    double moved = 0;
    for (std::size_t i = 0; i < before.size(); ++i)
      moved = std::max(moved, std::abs(double{flock.model(2)[i]} - before[i]));
    CHECK(moved < 1);
  }
}

// §0.2: shared state is equal to the bit, and a hash says so in every sixteenth round.
TEST_CASE("mesh: a node whose copy of a shard is another one is found out, and told anew") {
  const LeastSquares problem;
  Lockstep flock = mesh(AlgorithmKind::doublesqueeze, kTopOne);
  std::vector<std::string> rejected;
  flock.on_action = [&](std::size_t node, const Action& action) {
    const auto* reject = std::get_if<Reject>(&action);
    if (!reject) return;
    CHECK(node == 5);
    CHECK(reject->peer == node_id(2));
    rejected.push_back(reject->why);
    flock.give(2, PeerDown{node_id(5)});
  };
  flock.run(20, problem.step(0.05f));
  CHECK(rejected.empty());
  // As if node 2 held something else of node 5's shard.
  flock.tamper = [](std::size_t node, Send& send) {
    Parcel& parcel = send.parcel;
    if (node != 2 || send.to != node_id(5) || parcel.round % 16 != 0 || parcel.exchange != 0)
      return;
    ByteBlock block(parcel.body.size());
    std::ranges::copy(parcel.body.bytes(), block.bytes().begin());
    block.bytes()[3] ^= std::byte{1};
    parcel.body = std::move(block);
  };
  flock.run(13, problem.step(0.05f));
  REQUIRE(rejected.size() == 1);
  CHECK(rejected.front().find("round 32 exchange 0: its copy of this node's shard has the hash") !=
        std::string::npos);
  flock.tamper = nullptr;
  for (const std::size_t i : {2, 5}) flock.give(i, PeerUp{node_id(i == 2 ? 5 : 2), 2});
  flock.pump();
  flock.run(5, problem.step(0.05f));
  CHECK(std::ranges::equal(flock.model(2), flock.model(5)));
}
