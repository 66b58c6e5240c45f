// The methods of the mesh that have files of their own: specification mesh-algorithms.md §1 - §9.
#include <doctest/doctest.h>

#include "compress/quantize.h"
#include "gossip/mesh/adam_moments.h"
#include "tests/gossip/least_squares.h"
#include "tests/support/effort.h"

using namespace starling;
using namespace starling::gossip;
using namespace starling::test;

namespace {

// Σ over the owners' parts of what each has saved under that name.
std::vector<double> whole_of(Lockstep& flock, const std::string& name) {
  std::vector<double> all;
  for (std::size_t i = 0; i < kNodes; ++i) {
    const Vector part = saved_floats(flock, i, name);
    all.insert(all.end(), part.begin(), part.end());
  }
  return all;
}

std::vector<double> mean_of(Lockstep& flock, const std::string& name) {
  std::vector<double> all(kSize);
  for (std::size_t i = 0; i < kNodes; ++i) {
    const Vector one = saved_floats(flock, i, name);
    for (std::size_t k = 0; k < kSize; ++k) all[k] += double{one[k]} / kNodes;
  }
  return all;
}

// The mean of what all nodes would subtract.
std::vector<double> mean_update(const Lockstep& flock, const UpdateOf& update_of) {
  std::vector<double> mean(kSize);
  for (std::size_t i = 0; i < kNodes; ++i) {
    Vector update(kSize);
    update_of(i, flock.model(i), update);
    for (std::size_t k = 0; k < kSize; ++k) mean[k] += double{update[k]} / kNodes;
  }
  return mean;
}

GossipOptions options_with(AlgorithmKind kind, Round freeze, Round period) {
  GossipOptions options = options_of(kind);
  options.freeze = freeze;
  options.period = period;
  return options;
}

}  // namespace

// §1: z = mean x_i - e moves by the mean update exactly, whatever C loses and when models average.
TEST_CASE("mesh: LIEC's mean model without the owners' errors follows exact gradient descent") {
  const LeastSquares problem;
  Lockstep flock = mesh(options_with(AlgorithmKind::liec_sgd, 1, 8), kTopOne);
  const auto iterate = [&] {
    std::vector<double> z = flock.mean();
    const std::vector<double> e = whole_of(flock, "method.down.error");
    for (std::size_t k = 0; k < kSize; ++k) z[k] -= e[k];
    return z;
  };
  for (int round = 0; round < 50; ++round) {
    std::vector<double> expected = iterate();
    const std::vector<double> step = mean_update(flock, problem.step(0.05f));
    for (std::size_t k = 0; k < kSize; ++k) expected[k] -= step[k];
    flock.run(1, problem.step(0.05f));
    const std::vector<double> z = iterate();
    for (std::size_t k = 0; k < kSize; ++k) CHECK(std::abs(z[k] - expected[k]) < 1e-5);
  }
}

// §1: with p = 8 it converges to a floor, without averages it does not; neither is exact.
TEST_CASE("mesh: LIEC averages to converge, and stays away from the optimum where data differ" *
          in_release_only) {
  const LeastSquares problem;
  const auto error = [&](Round period) {
    Lockstep flock = mesh(options_with(AlgorithmKind::liec_sgd, 1, period), kTopOne);
    flock.learning_rate = 0.05;
    flock.run(4000, problem.step(0.05f));
    double sum = 0;
    for (std::size_t i = 0; i < kNodes; ++i) sum += problem.error(flock.model(i)) / kNodes;
    return sum;
  };
  const double averaged = error(8), never = error(1'000'000);
  CHECK(averaged < 0.1);
  CHECK(averaged > 1e-4);
  CHECK(never > 0.3);
}

// §2: z = x - e_s - rate · mean e_i moves by the mean update exactly; η bends the path of e alone.
TEST_CASE("mesh: EControl's virtual iterate follows exact gradient descent") {
  const LeastSquares problem;
  constexpr float kRate = 0.0625f;
  Lockstep flock = mesh(AlgorithmKind::econtrol, kTopOne, 0.1);
  flock.learning_rate = kRate;
  const auto iterate = [&] {
    const std::vector<double> up = mean_of(flock, "method.up.error"),
                              down = whole_of(flock, "method.down.error");
    std::vector<double> z(kSize);
    for (std::size_t k = 0; k < kSize; ++k) z[k] = flock.model(0)[k] - kRate * up[k] - down[k];
    return z;
  };
  for (int round = 0; round < 50; ++round) {
    std::vector<double> expected = iterate();
    const std::vector<double> step = mean_update(flock, problem.step(kRate));
    for (std::size_t k = 0; k < kSize; ++k) expected[k] -= step[k];
    flock.run(1, problem.step(kRate));
    const std::vector<double> z = iterate();
    for (std::size_t k = 0; k < kSize; ++k) CHECK(std::abs(z[k] - expected[k]) < 1e-5);
  }
}

// §2.
TEST_CASE("mesh: EControl with eta = 0 is EF21, to the bit") {
  const LeastSquares problem;
  const auto flock_of = [](AlgorithmKind kind) {
    GossipOptions options = options_of(kind);
    options.eta = 0;
    const gossip::Topology graph = complete(kNodes);
    const TensorLayout layout = vector_of(kSize);
    const Vector start(kSize, 0.0f);
    std::vector<std::unique_ptr<Algorithm>> nodes;
    for (std::size_t i = 0; i < kNodes; ++i) {
      nodes.push_back(make_algorithm(
          options, {graph, layout, start, start, node_id(i), 7, kTopOne(), kIdentity()}));
    }
    return Lockstep(std::move(nodes), graph);
  };
  Lockstep econtrol = flock_of(AlgorithmKind::econtrol), ef21 = flock_of(AlgorithmKind::ef21);
  econtrol.run(200, problem.step(0.0625f));
  ef21.run(200, problem.step(0.0625f));
  CHECK(std::ranges::equal(econtrol.model(0), ef21.model(0)));
}

// §7: the counterexample of error-free top-1, once in every shard of three coordinates.
TEST_CASE("mesh: top-1 without error feedback diverges where three workers pull apart") {
  constexpr float kPull[3][3] = {{-3, 2, 2}, {2, -3, 2}, {2, 2, -3}};
  const UpdateOf step = [&](std::size_t i, std::span<const float> x, std::span<float> update) {
    for (std::size_t block = 0; block < 9; block += 3) {
      float along = 0;
      for (std::size_t k = 0; k < 3; ++k) along += kPull[i][k] * x[block + k];
      for (std::size_t k = 0; k < 3; ++k) {
        update[block + k] = 0.02f * (2 * along * kPull[i][k] + 0.5f * x[block + k]);
      }
    }
  };
  const MakeCompressor top_one = [] { return std::make_unique<compress::TopK>(0.34); };
  const auto largest = [&](AlgorithmKind kind) {
    Lockstep flock(options_of(kind), complete(3), vector_of(9),
                   std::vector(3, std::vector<float>(9, 1.0f)), 7, top_one);
    flock.run(200, step);
    return *std::ranges::max_element(flock.model(0), {}, [](float x) { return std::abs(x); });
  };
  CHECK(std::abs(largest(AlgorithmKind::dcsgd)) > 1e3);
  CHECK(std::abs(largest(AlgorithmKind::ef_sgd)) < 10);
}

// §7, measured: repeating the operator lowers the floor of error feedback.
TEST_CASE("mesh: NEOLITHIC comes closer than DoubleSqueeze, at as many times the bytes" *
          in_release_only) {
  const LeastSquares problem;
  const auto run = [&](const GossipOptions& options) {
    Lockstep flock = mesh(options, kTopOne);
    flock.run(3000, problem.step(0.05f));
    return std::pair{problem.error(flock.model(0)), flock.sent_bytes()};
  };
  GossipOptions repeated = options_of(AlgorithmKind::neolithic);
  repeated.repeats = 4;
  const auto [error, bytes] = run(repeated);
  const auto [plain_error, plain_bytes] = run(options_of(AlgorithmKind::doublesqueeze));
  CHECK(error < plain_error / 2);
  CHECK(bytes > 2 * plain_bytes);
  CHECK(bytes < 6 * plain_bytes);
}

// §7, measured: exact with η = 0, divergent with η = 1 and an operator that expands.
TEST_CASE("mesh: DORE is exact without feedback of what an unbiased operator loses") {
  const MakeCompressor quantize = [] {
    return std::make_unique<compress::Quantize>(compress::QuantizeParams{.bits = 2});
  };
  CHECK(error_of(AlgorithmKind::dore, quantize, 4000, 0.05f) < 1e-5);
}

// §4.1: Σ m = Σ mean_i m_i - mean_i e_i - e, where m_i = β₁ m + (1 - β₁) g_i.
TEST_CASE("mesh: 1-bit Adam's momentum loses nothing that its errors do not hold") {
  const LeastSquares problem;
  constexpr Round kFreeze = 20;
  Lockstep flock = mesh(options_with(AlgorithmKind::one_bit_adam, kFreeze, 1), kSign);
  flock.learning_rate = 0.001;
  flock.run(kFreeze, problem.step(0.001f));
  std::vector<double> told(kSize), meant(kSize);
  for (int round = 0; round < 100; ++round) {
    const Vector m = saved_floats(flock, 0, "method.down.m");
    const std::vector<double> g = mean_update(flock, problem.step(1));
    flock.run(1, problem.step(0.001f));
    const Vector now = saved_floats(flock, 0, "method.down.m");
    const std::vector<double> up = mean_of(flock, "method.up.error"),
                              down = whole_of(flock, "method.down.error");
    for (std::size_t k = 0; k < kSize; ++k) {
      meant[k] += 0.9 * m[k] + 0.1 * g[k];
      told[k] += now[k];
      CHECK(std::abs(told[k] + up[k] + down[k] - meant[k]) < 1e-3);
    }
  }
}

TEST_CASE("mesh: 1-bit and 0/1 Adam come near the optimum as the rate falls" * in_release_only) {
  CHECK(error_with_decay(options_with(AlgorithmKind::one_bit_adam, 200, 1), kSign, 4000, 0.02f) <
        0.01);
  CHECK(error_with_decay(options_with(AlgorithmKind::zero_one_adam, 200, 1), kSign, 4000, 0.02f) <
        0.04);
}

// §4, pitfalls: a variance that freezes when gradients have become tiny.
TEST_CASE("mesh: 1-bit Adam does not blow up where the warm-up has reached the optimum" *
          in_release_only) {
  const UpdateOf all_alike = [](std::size_t, std::span<const float> x, std::span<float> update) {
    for (std::size_t k = 0; k < kSize; ++k) {
      const float center = k % 7 == 0 ? 0.0f : 1.0f;  // some coordinates never have a gradient
      update[k] = 0.01f * (x[k] - center);
    }
  };
  Lockstep flock = mesh(options_with(AlgorithmKind::one_bit_adam, 1500, 1), kSign);
  flock.learning_rate = 0.01;
  flock.run(6000, all_alike);
  for (std::size_t k = 0; k < kSize; ++k) {
    CHECK(std::abs(flock.model(0)[k] - (k % 7 == 0 ? 0.0f : 1.0f)) < 0.2f);
  }
}

// §4.3: I_u doubles every `freeze` rounds up to the period.
TEST_CASE("mesh: 0/1 Adam sends nothing in the rounds between two exchanges") {
  const LeastSquares problem;
  Lockstep flock = mesh(options_with(AlgorithmKind::zero_one_adam, 8, 4), kSign);
  flock.learning_rate = 0.001;
  std::vector<Round> silent;
  for (Round round = 0; round < 40; ++round) {
    const std::uint64_t before = flock.sent_bytes();
    flock.run(1, problem.step(0.001f));
    if (flock.sent_bytes() == before) silent.push_back(round);
  }
  CHECK(silent ==
        std::vector<Round>{16, 18, 20, 22, 24, 25, 26, 28, 29, 30, 32, 33, 34, 36, 37, 38});
  for (std::size_t i = 1; i < kNodes; ++i) {
    CHECK(std::ranges::equal(flock.model(0), flock.model(i)));
  }
}

// §3: E Q(mean_i Q(u_i)) = mean_i u_i; the variance of a coordinate of Q is at most 1.
TEST_CASE("mesh: Birder's steps are right on average") {
  constexpr std::size_t kDraws = 4000, kFew = 3, kShort = 6;
  const auto gradient = [](std::size_t i, int round) {
    return static_cast<float>(i + 1) * (round == 0 ? 1.0f : -0.4f * static_cast<float>(i));
  };
  std::vector<double> moved(kShort);
  for (std::size_t draw = 0; draw < kDraws; ++draw) {
    Lockstep flock(options_of(AlgorithmKind::birder), complete(kFew), vector_of(kShort),
                   std::vector(kFew, std::vector<float>(kShort, 0.0f)), draw);
    std::vector<float> before;
    for (const int round : {0, 1}) {
      before.assign(flock.model(0).begin(), flock.model(0).end());
      flock.run(1, [&](std::size_t i, std::span<const float>, std::span<float> update) {
        std::ranges::fill(update, gradient(i, round));
      });
    }
    for (std::size_t k = 0; k < kShort; ++k) {
      const double step = before[k] - flock.model(0)[k];
      CHECK(std::abs(std::abs(step) - 1) < 1e-6);
      moved[k] += step / kDraws;
    }
  }
  double expected = 0;
  for (std::size_t i = 0; i < kFew; ++i) {
    const double first = gradient(i, 0), second = gradient(i, 1);
    expected += (0.95 * first + second) / (0.95 * std::abs(first) + std::abs(second)) / kFew;
  }
  for (const double step : moved) CHECK(std::abs(step - expected) < 4 / std::sqrt(double{kDraws}));
}

// §5: the sketch says where, the second round what; the same floor as AMSGrad's.
TEST_CASE("mesh: SketchedAMSGrad comes near the optimum from sketches smaller than a shard" *
          in_release_only) {
  const MakeCompressor sketch = usual_operator(AlgorithmKind::sketched_amsgrad);
  CHECK(error_with_decay(options_of(AlgorithmKind::sketched_amsgrad), sketch, 4000, 0.02f) < 0.02);
}

// §9.5: H = 1, an outer rate of 1 and no momentum.
TEST_CASE("mesh: DiLoCo with one local step and a plain outer step is synchronous SGD") {
  const LeastSquares problem;
  for (const AlgorithmKind kind : {AlgorithmKind::diloco, AlgorithmKind::streaming_diloco}) {
    GossipOptions options = options_of(kind);
    options.outer_rate = 1;
    options.outer_momentum = 0;
    options.fragments = 1;
    options.blend = 0;
    options.overlap = false;
    Lockstep flock = mesh(options, kIdentity);
    Vector x(kSize, 0.0f);
    for (int round = 0; round < 200; ++round) {
      std::vector<double> step(kSize);
      for (std::size_t i = 0; i < kNodes; ++i) {
        Vector update(kSize);
        problem.step(0.05f)(i, x, update);
        for (std::size_t k = 0; k < kSize; ++k) step[k] += double{update[k]} / kNodes;
      }
      for (std::size_t k = 0; k < kSize; ++k) x[k] -= static_cast<float>(step[k]);
      flock.run(1, problem.step(0.05f));
    }
    for (std::size_t k = 0; k < kSize; ++k) CHECK(std::abs(flock.model(3)[k] - x[k]) < 1e-4f);
  }
}

// §9.2: after F rounds every part has been told once, and in between the others have not.
TEST_CASE("mesh: streaming DiLoCo moves one fragment a round, and its nodes stay together") {
  const LeastSquares problem;
  for (const bool overlap : {false, true}) {
    CAPTURE(overlap);
    GossipOptions options = options_of(AlgorithmKind::streaming_diloco);
    options.overlap = overlap;
    Lockstep flock = mesh(options, kIdentity);
    std::vector<float> theta = saved_floats(flock, 0, "method.down.theta");
    for (std::size_t f = 0; f < options.fragments; ++f) {
      flock.run(1, problem.step(0.05f));
      const Vector now = saved_floats(flock, 0, "method.down.theta");
      std::size_t moved = 0;
      for (std::size_t k = 0; k < kSize; ++k) moved += now[k] != theta[k] ? 1 : 0;
      if (overlap && f == 0) {
        CHECK(moved == 0);  // the first exchange knows of no step yet
      } else {
        CHECK(moved > kSize / options.fragments - kNodes);
        CHECK(moved < kSize / options.fragments + kNodes);
      }
      theta = now;
    }
    flock.run(2000, problem.step(0.02f));
    CHECK(worst_error(flock, problem) < 0.3);
    for (std::size_t i = 1; i < kNodes; ++i) {
      CHECK(saved_floats(flock, i, "method.down.theta") ==
            saved_floats(flock, 0, "method.down.theta"));
    }
  }
}
