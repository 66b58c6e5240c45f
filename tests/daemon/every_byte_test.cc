// Two nodes over real sockets: the connection is cut behind every single byte that three rounds
// take, in each direction; both nodes go on, or one of them dies with it and comes back without a
// memory, or from its newest checkpoint after a loss of power. More rounds show what came of it.
#include <doctest/doctest.h>
#include <fmt/format.h>
#include <spdlog/sinks/null_sink.h>

#include <array>
#include <asio/io_context.hpp>
#include <asio/post.hpp>
#include <asio/steady_timer.hpp>
#include <asio/write.hpp>
#include <cmath>
#include <optional>

#include "node/checkpoint.h"
#include "node/run.h"
#include "peer/links.h"
#include "sim/faulty_store.h"
#include "tests/peer/support.h"
#include "tests/sim/runs.h"
#include "tests/support/effort.h"

using namespace starling;
using namespace std::chrono_literals;
using peer::Tcp;
using peer::test::FreePort;
using peer::test::run_until;

namespace {

// Passes connections on, and cuts the first behind that many bytes of one direction.
class Proxy {
 public:
  Proxy(asio::io_context& io, std::uint16_t port, std::uint16_t target, int direction,
        std::size_t cut_behind)
      : io_(io), acceptor_(io), target_(target), direction_(direction), left_(cut_behind) {
    acceptor_.open(Tcp::v4());
    acceptor_.set_option(Tcp::acceptor::reuse_address(true));
    acceptor_.bind({asio::ip::address_v4::loopback(), port});
    acceptor_.listen();
    accept();
  }

  std::function<void()> on_cut;
  bool has_cut() const { return has_cut_; }
  // Of the first connection, in the direction that is not cut: from the dialler, to it.
  std::array<std::size_t, 2> passed{};

 private:
  struct Pipe {
    explicit Pipe(asio::io_context& io) : ends{Tcp::socket(io), Tcp::socket(io)} {}
    std::array<Tcp::socket, 2> ends;  // the dialler, the listener
    std::array<std::array<char, 4096>, 2> buffers;
    bool first = false;
    void close() {
      std::error_code ignored;
      for (Tcp::socket& end : ends) end.close(ignored);
    }
  };

  void accept() {
    auto pipe = std::make_shared<Pipe>(io_);
    acceptor_.async_accept(pipe->ends[0], [this, pipe](std::error_code error) {
      if (error) return;
      std::error_code refused;
      pipe->ends[1].connect({asio::ip::address_v4::loopback(), target_}, refused);
      if (refused) {
        pipe->close();
      } else {
        pipe->first = !std::exchange(seen_one_, true);
        for (const int from : {0, 1}) pump(pipe, from);
      }
      accept();
    });
  }

  void pump(const std::shared_ptr<Pipe>& pipe, int from) {
    const auto i = static_cast<std::size_t>(from);
    pipe->ends[i].async_read_some(
        asio::buffer(pipe->buffers[i]),
        [this, pipe, from, i](std::error_code error, std::size_t n) {
          if (error) return pipe->close();
          if (pipe->first) passed[i] += n;
          const bool cut = pipe->first && from == direction_ && !has_cut_ && n >= left_;
          if (pipe->first && from == direction_ && !has_cut_) n = std::min(n, left_), left_ -= n;
          std::error_code ignored;
          asio::write(pipe->ends[1 - i], asio::buffer(pipe->buffers[i], n), ignored);
          if (!cut) return pump(pipe, from);
          has_cut_ = true;
          pipe->close();
          if (on_cut) asio::post(io_, on_cut);
        });
  }

  asio::io_context& io_;
  Tcp::acceptor acceptor_;
  const std::uint16_t target_;
  const int direction_;
  std::size_t left_;
  bool seen_one_ = false, has_cut_ = false;
};

// A disk that outlives the node, and the newest round that it has acknowledged.
struct Disk {
  sim::FaultyStore store;
  Round acknowledged = 0;
};

// A core on its links, in the thread of the io_context. With a disk it saves every round and goes
// on from what is there.
class LiveNode final : public peer::PeerEvents {
 public:
  LiveNode(asio::io_context& io, const node::Run& run, peer::LinkOptions options,
           Disk* disk = nullptr)
      : rounds_(run.config.run.rounds), disk_(disk), timer_(io), work_(io) {
    make_core(run, options.self);
    options.body_bytes_max = core_->body_bytes_max();
    options.piece_bytes_max = core_->piece_bytes_max();
    options.fingerprint = node::fingerprint_of(run);
    links_ = std::make_unique<peer::Links>(
        io, std::move(options), *this,
        std::make_shared<spdlog::logger>("node", std::make_shared<spdlog::sinks::null_sink_st>()));
    REQUIRE(links_->listen().ok());
    links_->start();
    give(node::Start{});
  }

  void peer_up(NodeId peer, Epoch epoch, const peer::ToldRounds& told) override {
    give(node::PeerUp{peer, epoch, told.theirs, told.ours});
  }
  void peer_down(NodeId peer, std::string) override { give(node::PeerDown{peer}); }
  void received(NodeId peer, const FrameHeader& h, SharedBytes body) override {
    links_->consumed(peer, body.size());
    give(node::Received{peer,
                        {.epoch = h.epoch,
                         .type = h.type,
                         .round = h.round,
                         .exchange = h.exchange,
                         .base = h.base_hash,
                         .body = std::move(body)}});
  }

  void sketched(NodeId, Round, SharedBytes) override {}

  bool done() const { return done_; }
  const node::Core& core() const { return *core_; }
  const std::vector<double>& updates() const { return updates_; }
  const std::vector<std::string>& rejected() const { return rejected_; }

 private:
  void make_core(const node::Run& run, NodeId self) {
    const node::CheckpointPlan plan{.every = disk_ ? Round{1} : Round{0}};
    if (disk_) {
      checkpoints_.emplace(disk_->store, "disk", node::fingerprint_of(run, self));
      const auto loaded = checkpoints_->load([&](Archive& archive) {
        core_ = node::make_core(run, self, plan);
        core_->archive(archive, std::chrono::steady_clock::now().time_since_epoch());
      });
      REQUIRE(loaded.ok());
      CHECK((*loaded ? (*loaded)->round : 0) >= disk_->acknowledged);
      if (*loaded) return;
    }
    core_ = node::make_core(run, self, plan);
  }

  void save() {
    const Round round = core_->progress({}).rounds_done;
    const auto saved = checkpoints_->save(round, [&](Archive& archive) {
      core_->archive(archive, std::chrono::steady_clock::now().time_since_epoch());
    });
    REQUIRE(saved.ok());
    disk_->acknowledged = round;
    give(node::CheckpointSaved{Duration{0}, true});
  }

  void give(const node::CoreEvent& event) {
    node::Effects effects;
    core_->handle(event, std::chrono::steady_clock::now().time_since_epoch(), effects);
    links_->set_round(core_->progress({}).rounds_done);
    for (const node::Effect& effect : effects) carry_out(effect);
  }

  void carry_out(const node::Effect& effect) {
    if (const auto* send = std::get_if<node::Send>(&effect)) {
      const gossip::Parcel& p = send->parcel;
      links_->send(send->to, {p.type, p.epoch, p.round, p.exchange, p.base}, p.body);
    } else if (std::holds_alternative<node::RunLocalStep>(effect)) {
      take_step();
    } else if (std::holds_alternative<node::RunEvaluation>(effect)) {
      after(work_, 0ms, [this] {
        core_->evaluate();
        give(node::Evaluated{});
      });
    } else if (std::holds_alternative<node::SaveCheckpoint>(effect)) {
      after(work_, 0ms, [this] { save(); });
    } else if (const auto* timer = std::get_if<node::ArmTimer>(&effect)) {
      after(timer_, timer->after, [this, id = timer->timer] { give(node::TimerFired{id}); });
    } else if (const auto* wrong = std::get_if<node::Reject>(&effect)) {
      rejected_.push_back(wrong->why);
      links_->misbehaved(wrong->peer, wrong->why);
    } else if (const auto* late = std::get_if<node::LeaveOut>(&effect)) {
      links_->left_out(late->peer, late->why);
    } else if (std::holds_alternative<node::Finished>(effect)) {
      links_->stop(peer::Farewell::finished, 100ms, [this] { done_ = true; });
    }
  }

  // Steps but the last last until the edge is settled again, so that the run is not over before.
  void take_step() {
    after(work_, 200us, [this] {
      const bool last = core_->progress({}).rounds_done + 1 == rounds_;
      if (!last && !core_->algorithm().edges()[0].up) return take_step();
      core_->compute_step();
      updates_.resize(core_->update().size());
      for (std::size_t k = 0; k < updates_.size(); ++k) updates_[k] += core_->update()[k];
      give(node::StepComputed{});
    });
  }

  // Not at all where the node is gone by then.
  void after(asio::steady_timer& timer, Duration wait, std::function<void()> f) {
    timer.expires_after(wait);
    timer.async_wait([f = std::move(f), weak = std::weak_ptr(alive_)](std::error_code cancelled) {
      if (!cancelled && !weak.expired()) f();
    });
  }

  const Round rounds_;
  Disk* const disk_;
  std::optional<node::Checkpoints> checkpoints_;
  std::unique_ptr<node::Core> core_;
  std::unique_ptr<peer::Links> links_;
  asio::steady_timer timer_, work_;
  const std::shared_ptr<int> alive_ = std::make_shared<int>(0);
  std::vector<double> updates_;
  std::vector<std::string> rejected_;
  bool done_ = false;
};

// What becomes of node 0 when the connection is cut.
enum class Fate { goes_on, loses_memory, loses_power };

struct Case {
  const node::Run& run;
  int direction;           // 0: from the dialler, node 1
  std::size_t cut_behind;  // bytes
  Fate fate;
};

// What is wrong at the end, if anything; the bytes of the first connection go to `passed`.
std::optional<std::string> play(const Case& c, std::array<std::size_t, 2>* passed = nullptr) {
  asio::io_context io;
  const FreePort at0, at1, at_proxy, nowhere;
  Proxy proxy(io, at_proxy.number(), at0.number(), c.direction, c.cut_behind);
  const auto options = [&](std::size_t self) {
    peer::LinkOptions o;
    o.self = node_id(self);
    o.self_name = fmt::format("n{}", self);
    o.listen_address = (self == 0 ? at0 : at1).address();
    // Node 1 dials through the proxy; where node 0 dials, nobody answers.
    o.neighbors.push_back({node_id(1 - self), fmt::format("n{}", 1 - self),
                           (self == 0 ? nowhere : at_proxy).address()});
    o.redial_min = 1ms;
    o.redial_max = 2ms;
    o.redial_refused = 2ms;
    return o;
  };
  Disk disk;
  Disk* const its_disk = c.fate == Fate::loses_power ? &disk : nullptr;
  std::array<std::unique_ptr<LiveNode>, 2> nodes;
  nodes[0] = std::make_unique<LiveNode>(io, c.run, options(0), its_disk);
  nodes[1] = std::make_unique<LiveNode>(io, c.run, options(1));
  if (c.fate != Fate::goes_on) {
    proxy.on_cut = [&] {
      nodes[0].reset();
      disk.store.restart();
      nodes[0] = std::make_unique<LiveNode>(io, c.run, options(0), its_disk);
    };
  }
  if (!run_until(
          io, [&] { return nodes[0]->done() && nodes[1]->done(); }, 30s)) {
    return fmt::format("not done: rounds {} and {}", nodes[0]->core().progress({}).rounds_done,
                       nodes[1]->core().progress({}).rounds_done);
  }
  if (passed) *passed = proxy.passed;
  for (const auto& node : nodes) {
    if (!node->rejected().empty()) return node->rejected().front();
  }
  const gossip::Algorithm &a = nodes[0]->core().algorithm(), &b = nodes[1]->core().algorithm();
  const gossip::EdgeStatus left = a.edges()[0], right = b.edges()[0];
  // The one that finished first may have counted what it could not tell any more.
  const bool even =
      left.ledger.history == right.ledger.history && left.ledger.count == right.ledger.count;
  if (!even) {
    return fmt::format("counted {} in history {} and {} in {}", left.ledger.count,
                       left.ledger.history, right.ledger.count, right.ledger.history);
  }
  if (left.ledger.chain != right.ledger.chain) return "counted different messages";
  if (left.ledger.count > 0 && a.edge_hash(node_id(1)) != b.edge_hash(node_id(0))) {
    return "what both ends hold differs";
  }
  if (c.fate != Fate::goes_on) return std::nullopt;
  // In each of the two handshakes one end may begin a round before the other has the edge; where
  // the cut falls into the first, both of them cost one.
  constexpr Round kHandshakes = 2;
  if (left.ledger.count + kHandshakes < c.run.config.run.rounds) {
    return fmt::format("counted {} of {}", left.ledger.count, c.run.config.run.rounds);
  }
  for (std::size_t k = 0; k < a.model().size(); ++k) {
    const double sum = a.model()[k] + static_cast<double>(b.model()[k]);
    const double expected = -nodes[0]->updates()[k] - nodes[1]->updates()[k];
    if (std::abs(sum - expected) > 1e-6) return fmt::format("the sum is {}, not {}", sum, expected);
  }
  return std::nullopt;
}

void cut_everywhere(Fate fate) {
  const auto run_of = [](Round rounds) {
    return sim::test::quadratic({"topology.kind=path", "topology.nodes=2", "data.dimension=12",
                                 "gossip.algorithm=choco", "compress.operator=sign",
                                 "gossip.gamma=0.5", "gossip.allow_unproven=true",
                                 fmt::format("run.rounds={}", rounds), "run.join=start"});
  };
  const node::Run three = run_of(3), run = run_of(8);
  std::array<std::size_t, 2> passed{};
  REQUIRE_FALSE(play({three, 0, SIZE_MAX, Fate::goes_on}, &passed));
  REQUIRE(passed[0] > 3 * 64);
  const std::size_t stride = effort(1, 7);
  std::size_t cases = 0;
  for (const int direction : {0, 1}) {
    for (std::size_t k = 1; k < passed[static_cast<std::size_t>(direction)]; k += stride, ++cases) {
      const auto wrong = play({run, direction, k, fate});
      CHECK_MESSAGE(!wrong, "direction " << direction << ", cut behind byte " << k << ": "
                                         << wrong.value_or(""));
    }
  }
  MESSAGE(cases << " cuts");
}

}  // namespace

TEST_CASE("every byte: a connection cut behind any byte loses no exchange") {
  cut_everywhere(Fate::goes_on);
}

TEST_CASE("every byte: a node that loses its memory with the connection comes back") {
  cut_everywhere(Fate::loses_memory);
}

TEST_CASE("every byte: a node that loses its power with the connection goes on from its disk") {
  cut_everywhere(Fate::loses_power);
}
