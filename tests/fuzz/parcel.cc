// An input is what a hostile neighbor sends to a node, after a byte that chooses the algorithm:
// messages of every type with any round, exchange, base and body, and now and then the bodies of a
// correct one. Aborts where more is queued than the bound, a message is rejected without a word, or
// the node goes on with a model that is not finite: it may add up what is finite beyond a float,
// and has to say so then.
#include <cstring>
#include <deque>
#include <optional>

#include "compress/finite.h"
#include "corpus.h"
#include "input.h"
#include "pair.h"
#include "protocol/check.h"

namespace starling::fuzz {
namespace {

using namespace gossip;

constexpr NodeId kFar = node_id(1);

class Node {
 public:
  explicit Node(const Pair& pair)
      : algorithm_(pair.make(0)), update_(algorithm_->model().size(), 0.01f) {
    link_up();
  }

  void happen(Input& input) {
    now_ += std::chrono::milliseconds{10};
    switch (input.below(6)) {
      case 0:
        if (idle_) {
          idle_ = false;
          give(BeginRound{round_});
        }
        break;
      case 1:
        if (steps_) {
          steps_ = false;
          give(LocalStepDone{update_});
        }
        break;
      case 2: give(Received{kFar, hostile(input)}); break;
      case 3: give(Received{kFar, echo(input)}); break;
      case 4:
        give(PeerDown{kFar});
        link_up();
        break;
      case 5:
        if (timer_) give(TimerFired{*timer_});
        break;
    }
    check();
  }

 private:
  void link_up() {
    ++epoch_;
    rejected_ = false;
    sent_.clear();
    give(PeerUp{kFar, epoch_});
  }

  // Any message within the bound that the link holds it to.
  Parcel hostile(Input& input) {
    Parcel parcel{.epoch = epoch_};
    parcel.type =
        static_cast<FrameType>(static_cast<std::uint8_t>(FrameType::exchange) + input.below(4));
    parcel.round = input.byte() < 200 ? round_ + input.below(4) : input.number<Round>();
    parcel.exchange = static_cast<std::uint32_t>(input.below(4));
    parcel.base = base_;
    if (input.byte() >= 200) parcel.base = input.number<std::uint64_t>();
    const auto bytes =
        input.take(std::min<std::size_t>(input.byte(), algorithm_->body_bytes_max()));
    parcel.body = body_of(std::as_bytes(bytes));
    return parcel;
  }

  // What this node has sent, back to it, with a byte changed perhaps.
  Parcel echo(Input& input) {
    if (sent_.empty()) return {.epoch = epoch_};
    Parcel parcel = sent_[input.below(sent_.size())];
    const std::size_t at = input.byte();
    const std::uint8_t change = input.byte();
    if (at < parcel.body.size()) {
      std::vector<std::byte> bytes(parcel.body.bytes().begin(), parcel.body.bytes().end());
      bytes[at] ^= static_cast<std::byte>(change);
      parcel.body = body_of(bytes);
    }
    return parcel;
  }

  static SharedBytes body_of(std::span<const std::byte> bytes) {
    ByteBlock block(bytes.size());
    if (!bytes.empty()) std::memcpy(block.bytes().data(), bytes.data(), bytes.size());
    return block;
  }

  void give(const Event& event) {
    if (rejected_ && std::holds_alternative<Received>(event)) return;
    Outbox out;
    algorithm_->handle(event, now_, out);
    for (Action& action : out) {
      if (auto* send = std::get_if<Send>(&action)) {
        if (send->parcel.type == FrameType::exchange) check_sent();
        if (send->parcel.type == FrameType::exchange) base_ = send->parcel.base;
        if (sent_.size() == 8) sent_.pop_front();
        sent_.push_back(std::move(send->parcel));
      } else if (std::holds_alternative<RunLocalStep>(action)) {
        steps_ = true;
      } else if (const auto* timer = std::get_if<ArmTimer>(&action)) {
        timer_ = timer->timer;
      } else if (std::holds_alternative<Diverged>(action)) {
        diverged_ = true;
      } else if (std::holds_alternative<RoundFinished>(action)) {
        idle_ = true;
        ++round_;
      } else if (const auto* reject = std::get_if<Reject>(&action)) {
        INVARIANT(reject->peer == kFar && !reject->why.empty());
        rejected_ = true;
      } else if (const auto* late = std::get_if<LeaveOut>(&action)) {
        INVARIANT(!late->why.empty());
        rejected_ = true;
      }
    }
  }

  // Nobody is told of a model that is not finite.
  void check_sent() const { INVARIANT(!compress::first_non_finite(algorithm_->model())); }

  void check() const {
    const EdgeStatus edge = algorithm_->edges().at(0);
    INVARIANT(edge.queued_bytes <= 8 * algorithm_->body_bytes_max());
  }

  const std::unique_ptr<Algorithm> algorithm_;
  const std::vector<float> update_;
  Epoch epoch_ = 0;
  Round round_ = 0;
  bool idle_ = true, steps_ = false, rejected_ = false, diverged_ = false;
  std::optional<std::uint64_t> timer_;
  std::uint64_t base_ = 0;  // of what this node sent last
  std::deque<Parcel> sent_;
  Time now_{0};
};

}  // namespace

std::vector<Seed> seeds() {
  std::vector<Seed> all;
  for (std::size_t kind = 0; kind < kAlgorithms.size(); ++kind) {
    Seed seed;
    const auto add = [&](std::initializer_list<int> bytes) {
      for (const int b : bytes) seed.push_back(static_cast<std::byte>(b));
    };
    add({static_cast<int>(kind), 0, 1, 3, 0, 0, 0});  // a round with its own messages
    add({0, 1, 2, 0, 0, 0, 0, 0, 8, 0, 0, 0x80, 0x3f, 0, 0, 0x80, 0x3f});  // eight bytes of a body
    add({4, 2, 2, 0, 0, 0, 0, 64, 1, 0, 0, 0});  // a settlement of a new epoch
    add({3, 0, 4, 0x55, 0, 1, 1, 5});            // and an echo of one that is damaged
    all.push_back(std::move(seed));
  }
  return all;
}

}  // namespace starling::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace starling::fuzz;
  Input input(data, std::min<std::size_t>(size, 1000));
  Node node(Pair::of(input.below(kAlgorithms.size())));
  while (!input.empty()) node.happen(input);
  return 0;
}
