// Ten thousand messages that a node must not apply (reliability specification, B.1 rows 7 and 8,
// bar F.8): NaN, infinity, what is finite and huge, wrong lengths, noise. Whatever is refused
// leaves the node as if the link had broken just before it came, to the bit, and the two ends go on
// from replicas that are equal.
#include <doctest/doctest.h>

#include <array>
#include <cmath>
#include <cstring>
#include <deque>
#include <limits>
#include <memory>

#include "compress/finite.h"
#include "gossip/algorithms.h"
#include "protocol/memory_state.h"
#include "tests/fuzz/pair.h"

using namespace starling;
using namespace starling::gossip;

namespace {

constexpr NodeId kNear = node_id(0), kFar = node_id(1);
constexpr std::size_t kFloats = 8;  // of fuzz::Pair

SharedBytes body_of(std::span<const std::byte> bytes) {
  ByteBlock block(bytes.size());
  std::ranges::copy(bytes, block.bytes().begin());
  return block;
}

// A message with something wrong in it.
SharedBytes broken(const SharedBytes& good, const Random& random) {
  std::vector<std::byte> bytes(good.bytes().begin(), good.bytes().end());
  constexpr float kWrong[] = {
      NAN,  std::numeric_limits<float>::infinity(), 1e30f, -std::numeric_limits<float>::infinity(),
      1e6f, -std::numeric_limits<float>::max(),     1e-40f};
  const std::size_t kind = random.below(0, 12);
  const std::size_t words = bytes.size() / sizeof(float);
  if (kind < std::size(kWrong) && words > 0) {
    std::memcpy(bytes.data() + sizeof(float) * random.below(1, words), &kWrong[kind], 4);
  } else if (kind == 7) {
    bytes.resize(random.below(1, bytes.size() + 1));
  } else if (kind == 8) {
    bytes.resize(bytes.size() + 1 + random.below(1, 16));
  } else if (kind == 9) {
    for (std::size_t i = 0; i < bytes.size(); ++i) {
      bytes[i] = static_cast<std::byte>(random.below(2 + i, 256));
    }
  } else {
    for (std::size_t i = 0; i < words; ++i) {
      const float huge = kind == 10 ? 1e30f : 1e6f;
      std::memcpy(bytes.data() + i * sizeof huge, &huge, sizeof huge);
    }
  }
  return body_of(bytes);
}

// One end of the edge.
struct End {
  std::unique_ptr<Algorithm> algorithm;
  std::array<float, kFloats> update;
  bool idle = true, rejected = false;
  std::string why = {};
};

// Everything of a node that an edge depends on, and the model.
struct State {
  std::vector<double> conserved;
  std::vector<float> model;
  std::uint64_t hash;
  bool operator==(const State&) const = default;
};

State state_of(const Algorithm& a) {
  return {a.conserved(), {a.model().begin(), a.model().end()}, a.edge_hash(kFar)};
}

// Two nodes, and a shadow of the first to which nothing is ever said that is wrong.
class Duo {
 public:
  explicit Duo(AlgorithmKind kind) : pair_(kind) {
    make(near_, 0);
    make(far_, 1);
    make(shadow_, 0);
  }

  void link_up() {
    ++epoch_;
    near_.rejected = far_.rejected = shadow_.rejected = false;
    for (End* end : {&near_, &shadow_}) give(*end, PeerUp{kFar, epoch_});
    give(far_, PeerUp{kNear, epoch_});
    pump();
  }

  // `random`: the first message of the far node is broken with it.
  void round(const Random* random) {
    breaks_ = random;
    const Round round = round_++;
    for (End* end : {&near_, &shadow_, &far_}) {
      end->idle = false;
      give(*end, BeginRound{round});
    }
    pump();
    breaks_ = nullptr;
    for (const End* end : {&near_, &far_}) REQUIRE(end->idle);
  }

  void link_down() {
    queue_.clear();
    for (End* end : {&near_, &shadow_}) give(*end, PeerDown{kFar});
    give(far_, PeerDown{kNear});
    pump();
  }

  // The shadow is what the node is, from now on; between two rounds without a link.
  void renew_shadow() {
    MemoryState state;
    {
      Archive saving(static_cast<StateWriter&>(state));
      near_.algorithm->archive(saving);
    }
    make(shadow_, 0);
    Archive loading(static_cast<const StateReader&>(state));
    shadow_.algorithm->archive(loading);
    REQUIRE(loading.done().ok());
  }

  bool agrees() const {
    return near_.algorithm->edge_hash(kFar) == far_.algorithm->edge_hash(kNear);
  }
  bool is_finite() const { return !compress::first_non_finite(near_.algorithm->model()); }

  std::uint64_t refused = 0, accepted = 0;

 private:
  void make(End& end, std::size_t node) const {
    end = {.algorithm = pair_.make(node), .update = {}};
    Random(5, Stream::test, {node}).fill_normal(end.update);
    for (float& u : end.update) u *= 0.01f;
  }

  void give(End& end, const Event& event) {
    if (end.rejected && std::holds_alternative<Received>(event)) return;
    Outbox out;
    end.algorithm->handle(event, Time{0}, out);
    for (Action& action : out) {
      if (auto* send = std::get_if<Send>(&action)) {
        if (&end != &shadow_ && !end.rejected) queue_.push_back({&end, send->parcel});
      } else if (std::holds_alternative<RunLocalStep>(action)) {
        give(end, LocalStepDone{end.update, 0.01});
      } else if (std::holds_alternative<RoundFinished>(action)) {
        end.idle = true;
      } else if (const auto* reject = std::get_if<Reject>(&action)) {
        end.rejected = true;
        end.why = reject->why;
      } else if (const auto* diverged = std::get_if<Diverged>(&action)) {
        FAIL(diverged->why);
      }
    }
  }

  void pump() {
    while (!queue_.empty()) {
      auto [from, parcel] = std::move(queue_.front());
      queue_.pop_front();
      if (from == &near_) {
        give(far_, Received{kNear, parcel});
      } else if (breaks_ && parcel.is_of_exchange()) {
        inject(std::move(parcel));
      } else {
        for (End* end : {&near_, &shadow_}) give(*end, Received{kFar, parcel});
      }
      if (near_.rejected || far_.rejected) return link_down_in_round();
    }
  }

  void link_down_in_round() {
    const bool at_far = far_.rejected;
    near_.rejected = far_.rejected = true;
    queue_.clear();
    if (at_far) give(near_, PeerDown{kFar}), give(shadow_, PeerDown{kFar});
    give(far_, PeerDown{kNear});
    queue_.clear();
  }

  void inject(Parcel parcel) {
    parcel.body = broken(parcel.body, *std::exchange(breaks_, nullptr));
    give(near_, Received{kFar, parcel});
    if (!near_.rejected) {
      ++accepted;
      return;
    }
    ++refused;
    CHECK_FALSE(near_.why.empty());
    for (End* end : {&near_, &shadow_}) give(*end, PeerDown{kFar});
    CHECK(state_of(*near_.algorithm) == state_of(*shadow_.algorithm));
  }

  const fuzz::Pair pair_;
  End near_, far_, shadow_;
  Epoch epoch_ = 0;
  Round round_ = 0;
  const Random* breaks_ = nullptr;
  std::deque<std::pair<End*, Parcel>> queue_;
};

constexpr std::array kKinds{AlgorithmKind::d_psgd,
                            AlgorithmKind::powergossip,
                            AlgorithmKind::powergossip_exact,
                            AlgorithmKind::choco,
                            AlgorithmKind::cold,
                            AlgorithmKind::dyna_cold,
                            AlgorithmKind::lead,
                            AlgorithmKind::def_atc,
                            AlgorithmKind::actc,
                            AlgorithmKind::nids,
                            AlgorithmKind::gradient_tracking,
                            AlgorithmKind::deepsqueeze,
                            AlgorithmKind::beer,
                            AlgorithmKind::lessbit,
                            AlgorithmKind::moniqua,
                            AlgorithmKind::sgp,
                            AlgorithmKind::ad_psgd,
                            AlgorithmKind::doublesqueeze,
                            AlgorithmKind::ef21_bc,
                            AlgorithmKind::econtrol,
                            AlgorithmKind::diana,
                            AlgorithmKind::cd_adam,
                            AlgorithmKind::liec_sgd,
                            AlgorithmKind::birder,
                            AlgorithmKind::one_bit_adam,
                            AlgorithmKind::zero_one_adam,
                            AlgorithmKind::sketched_amsgrad,
                            AlgorithmKind::neolithic,
                            AlgorithmKind::streaming_diloco};

}  // namespace

TEST_CASE("injections: what is refused leaves no trace, and the ends go on alike") {
  constexpr std::size_t kEach = 10'000 / kKinds.size() + 1;
  for (const AlgorithmKind kind : kKinds) {
    CAPTURE(std::string(name_of(kind)));
    auto duo = std::make_unique<Duo>(kind);
    std::uint64_t refused = 0;
    for (std::size_t i = 0; i < kEach; ++i) {
      CAPTURE(i);
      const Random random(11, Stream::test, {static_cast<std::uint64_t>(kind), i});
      duo->renew_shadow();
      duo->link_up();
      duo->round(nullptr);
      CHECK(duo->agrees());
      duo->round(&random);
      REQUIRE(duo->is_finite());
      duo->link_down();
      refused += std::exchange(duo->refused, 0);
      // One that passed has another history than its sender from now on.
      if (std::exchange(duo->accepted, 0) > 0) duo = std::make_unique<Duo>(kind);
    }
    CHECK(refused > kEach / 10);  // of moniqua every code is one: only lengths are refused
  }
}
