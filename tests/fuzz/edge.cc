// An input is what happens to two nodes and the link between them, an event a byte, after a byte
// that chooses their algorithm: rounds, steps, messages that arrive, deadlines, a link that breaks
// and is noticed at each end in its time, a node that comes back as it was when it was saved.
//
// The model: an edge is a sequence of exchanges. Both ends have counted the same ones, or one of
// them one more; where both have counted the same, what they hold alike is equal. No end rejects
// the other, no model becomes infinite, and when nothing breaks any more both go on.
#include <deque>
#include <optional>

#include "compress/finite.h"
#include "corpus.h"
#include "input.h"
#include "pair.h"
#include "protocol/check.h"
#include "tests/support/memory_state.h"

namespace starling::fuzz {
namespace {

using namespace gossip;

constexpr Duration kTick = std::chrono::milliseconds{10};

class World {
 public:
  explicit World(const Pair& pair) : pair_(pair) {
    for (std::size_t i = 0; i < 2; ++i) ends_[i].algorithm = pair_.make(i);
  }

  void happen(std::uint8_t event) {
    now_ += kTick;
    const std::uint64_t before = events_;
    const std::size_t at = event % 2, far = 1 - at;
    switch (event / 2 % 8) {
      case 0: begin(at); break;
      case 1: step(at); break;
      case 2: deliver(at); break;
      case 3: fire(at); break;
      case 4: break_link(); break;
      case 5: notice(at); break;
      case 6: link_up(); break;
      case 7: event & 0x10 ? come_back(at, far) : save(at); break;
    }
    if (events_ > before) check();
  }

  // Nothing breaks from now on: before long both ends have made rounds and counted exchanges.
  void recover() {
    constexpr int kTurnsMax = 100;
    constexpr Round kRounds = 2;
    const std::array<Round, 2> until{ends_[0].round + kRounds, ends_[1].round + kRounds};
    const auto goes_on = [&](std::size_t at) {
      const EdgeStatus edge = ends_[at].algorithm->edges().at(0);
      return ends_[at].round >= until[at] && edge.in_use && edge.ledger.count > 0;
    };
    for (int turn = 0; turn < kTurnsMax && !(goes_on(0) && goes_on(1)); ++turn) {
      if (!up_) {
        notice(0);
        notice(1);
        link_up();
      }
      const std::uint64_t before = events_;
      for (const std::uint8_t event : {4, 5, 2, 3, 0, 1}) happen(event);
      // A deadline of before may still be under way, and take the link down once more.
      if (events_ == before) {
        for (const std::uint8_t event : {6, 7}) happen(event);
      }
    }
    INVARIANT(goes_on(0) && goes_on(1));
  }

 private:
  struct End {
    std::unique_ptr<Algorithm> algorithm;
    Round round = 0;
    bool idle = true, steps = false;
    std::vector<float> update = {};
    bool up = false;                    // as it knows
    bool remembers = true;              // or its edge was settled since it came back
    std::deque<Parcel> under_way = {};  // what it has sent
    std::optional<std::uint64_t> timer = std::nullopt;
    std::optional<test::MemoryState> saved = std::nullopt;
    Round saved_round = 0;
    // As it told them since its last event.
    std::optional<EdgeStatus> status = std::nullopt;
    std::optional<std::uint64_t> hash = std::nullopt;
  };

  void give(std::size_t at, const Event& event) {
    ++events_;
    ends_[at].status.reset();
    ends_[at].hash.reset();
    Outbox out;
    ends_[at].algorithm->handle(event, now_, out);
    for (Action& action : out) follow(at, std::move(action));
  }

  void follow(std::size_t at, Action action) {
    End& end = ends_[at];
    if (auto* send = std::get_if<Send>(&action)) {
      INVARIANT(send->parcel.body.size() <= end.algorithm->body_bytes_max() ||
                send->parcel.type == FrameType::settlement);
      if (up_ && send->parcel.epoch == epoch_) end.under_way.push_back(std::move(send->parcel));
    } else if (std::holds_alternative<RunLocalStep>(action)) {
      end.steps = true;
    } else if (const auto* timer = std::get_if<ArmTimer>(&action)) {
      end.timer = timer->timer;
    } else if (std::holds_alternative<RoundFinished>(action)) {
      end.idle = true;
      ++end.round;
    } else if (std::holds_alternative<LeaveOut>(action)) {
      break_link();
    } else if (const auto* settled = std::get_if<EdgeSettled>(&action)) {
      INVARIANT(index_of(settled->peer) == 1 - at);
    } else {
      // Reject, Diverged
      INVARIANT(false);
    }
  }

  void begin(std::size_t at) {
    End& end = ends_[at];
    if (!end.idle) return;
    end.idle = false;
    give(at, BeginRound{end.round});
  }

  void step(std::size_t at) {
    End& end = ends_[at];
    if (!end.steps) return;
    end.steps = false;
    const auto model = end.algorithm->model();
    end.update.assign(model.begin(), model.end());
    for (float& u : end.update) u *= 0.125f;
    give(at, LocalStepDone{end.update});
  }

  // The oldest message of that end.
  void deliver(std::size_t from) {
    if (!up_ || !ends_[1 - from].up || ends_[from].under_way.empty()) return;
    const Parcel parcel = std::move(ends_[from].under_way.front());
    ends_[from].under_way.pop_front();
    give(1 - from, Received{node_id(from), parcel});
  }

  void fire(std::size_t at) {
    if (!ends_[at].timer) return;
    const std::uint64_t timer = *ends_[at].timer;
    ends_[at].timer.reset();
    now_ += std::chrono::minutes{10};
    give(at, TimerFired{timer});
  }

  void break_link() {
    up_ = false;
    for (End& end : ends_) end.under_way.clear();
  }

  void notice(std::size_t at) {
    End& end = ends_[at];
    if (up_ || !end.up) return;
    end.up = false;
    give(at, PeerDown{node_id(1 - at)});
  }

  void link_up() {
    if (up_ || ends_[0].up || ends_[1].up) return;
    up_ = true;
    ++epoch_;
    for (std::size_t i = 0; i < 2; ++i) {
      ends_[i].up = true;
      give(i, PeerUp{node_id(1 - i), epoch_});
    }
  }

  void save(std::size_t at) {
    End& end = ends_[at];
    if (!end.idle) return;
    end.saved.emplace();
    end.saved_round = end.round;
    Archive archive(static_cast<StateWriter&>(*end.saved));
    end.algorithm->archive(archive);
  }

  // Killed, and begun again from what was saved, or from nothing.
  void come_back(std::size_t at, std::size_t far) {
    break_link();
    End& end = ends_[at];
    End fresh;
    fresh.algorithm = pair_.make(at);
    fresh.saved = std::move(end.saved);
    fresh.remembers = false;
    if (fresh.saved) {
      fresh.round = fresh.saved_round = end.saved_round;
      Archive archive(static_cast<StateReader&>(*fresh.saved));
      fresh.algorithm->archive(archive);
      INVARIANT(archive.done().ok());
    }
    end = std::move(fresh);
    notice(far);
  }

  void check() {
    for (End& end : ends_) {
      if (end.status) continue;
      INVARIANT(!compress::first_non_finite(end.algorithm->model()));
      end.status = end.algorithm->edges().at(0);
      if (end.status->in_use) end.remembers = true;
    }
    const Settlement &a = ends_[0].status->ledger, &b = ends_[1].status->ledger;
    if (a.history == 0 || a.history != b.history) return;
    const bool in_use = ends_[0].status->in_use && ends_[1].status->in_use;
    // One that came back knows less than it knew, until the two have settled.
    if (!in_use && !(ends_[0].remembers && ends_[1].remembers)) return;
    INVARIANT(a.count <= b.count + 1 && b.count <= a.count + 1);
    if (a.count > b.count) INVARIANT(a.before == b.chain);
    if (b.count > a.count) INVARIANT(b.before == a.chain);
    if (a.count == b.count) INVARIANT(a.chain == b.chain);
    if (a.count == b.count && in_use) INVARIANT(hash(0) == hash(1));
  }

  std::uint64_t hash(std::size_t at) {
    End& end = ends_[at];
    if (!end.hash) end.hash = end.algorithm->edge_hash(node_id(1 - at));
    return *end.hash;
  }

  const Pair& pair_;
  std::array<End, 2> ends_;
  std::uint64_t events_ = 0;  // given to an end
  bool up_ = false;
  Epoch epoch_ = 0;
  Time now_{0};
};

}  // namespace

std::vector<Seed> seeds() {
  std::vector<Seed> all;
  // Two whole rounds, a break at each place of the third, noticed, and on.
  const std::vector<int> round = {0, 1, 2, 3, 4, 5, 4, 5};
  for (std::size_t kind = 0; kind < kAlgorithms.size(); ++kind) {
    std::vector<int> events = {static_cast<int>(kind), 12};
    for (int repeat = 0; repeat < 2; ++repeat)
      events.insert(events.end(), round.begin(), round.end());
    events.push_back(14);
    events.insert(events.end(), round.begin(), round.begin() + 1 + static_cast<int>(kind) % 7);
    for (const int event : {8, 10, 11, 12, 4, 5, 4, 5}) events.push_back(event);
    events.insert(events.end(), round.begin(), round.end());
    if (kind % 2 == 1) events.push_back(30);
    for (const int event : {10, 11, 12, 4, 5}) events.push_back(event);
    Seed seed;
    for (const int event : events) seed.push_back(static_cast<std::byte>(event));
    all.push_back(std::move(seed));
  }
  return all;
}

}  // namespace starling::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace starling::fuzz;
  Input input(data, std::min<std::size_t>(size, 300));
  World world(Pair::of(input.below(kAlgorithms.size())));
  while (!input.empty()) world.happen(input.byte());
  world.recover();
  return 0;
}
