#include "daemon/daemon.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <unistd.h>

#include <algorithm>
#include <asio/io_context.hpp>
#include <asio/signal_set.hpp>
#include <asio/steady_timer.hpp>
#include <csignal>
#include <deque>

#include "daemon/control_server.h"
#include "daemon/engine.h"
#include "daemon/resume.h"
#include "daemon/state_dir.h"
#include "gossip/assembly.h"
#include "node/safetensors.h"
#include "peer/links.h"

namespace starling::daemon {
namespace {

using namespace std::chrono_literals;

constexpr auto kRoundGrace = 1s;              // how long a stop waits for the round to end
constexpr auto kGoodbyeGrace = 1s;            // and for the neighbors to hear of it
constexpr std::size_t kEvaluationsKept = 64;  // what control.proto says of StatusReply

peer::LinkOptions link_options(const node::Run& run, NodeId self, const node::Core& core) {
  const node::Config& config = run.config;
  peer::LinkOptions options;
  options.self = self;
  options.self_name = config.nodes[index_of(self)].name;
  options.listen_address = config.nodes[index_of(self)].address;
  for (const NodeId id : gossip::partners(config.gossip, run.topology, self)) {
    const node::NodeEntry& entry = config.nodes[index_of(id)];
    options.neighbors.push_back({id, entry.name, entry.address});
  }
  // What an edge was before a restart goes on in its next epoch; 0 of one that is new.
  for (const gossip::EdgeStatus& edge : core.algorithm().edges()) {
    const auto at = std::ranges::find(options.neighbors, edge.peer, &peer::Neighbor::id);
    if (at != options.neighbors.end()) at->last_epoch = edge.epoch;
  }
  options.fingerprint = node::fingerprint_of(run);
  options.body_bytes_max = core.body_bytes_max();
  options.insecure_plaintext = config.run.insecure_plaintext;
  options.seed = config.run.seed;
  return options;
}

const char* name_of(peer::LinkState state) {
  switch (state) {
    case peer::LinkState::connecting: return "connecting";
    case peer::LinkState::up: return "up";
    case peer::LinkState::down: return "down";
  }
  return "?";
}

// io thread only; the engine thread is behind Engine.
class Daemon final : public peer::PeerEvents, public EngineOutput {
 public:
  Daemon(const node::Run& run, const DaemonOptions& options, std::shared_ptr<spdlog::logger> log,
         Beginning beginning)
      : run_(run),
        options_(options),
        log_(std::move(log)),
        beginning_(std::move(beginning)),
        engine_(io_, std::move(beginning_.core), beginning_.checkpoints.get(), *this),
        links_(io_, link_options(run, options.self, engine_.core()), *this, log_),
        control_(
            io_, beginning_.paths.control_socket(),
            [this](const control::Request& request) { return answer(request); }, log_) {}

  Result<node::NodeReport> run() {
    if (auto listening = links_.listen(); !listening) return listening.error();
    if (auto answering = control_.start(); !answering) return answering.error();
    banner();
    await_signal();
    links_.start();
    engine_.post(node::Start{});
    io_.run();
    if (failure_) return *failure_;
    const node::Core& core = engine_.core();
    node::NodeReport report =
        node::report_of(self_name(), core.progress(engine_.now()), core.model());
    if (beginning_.resumed) report.resumed_at = beginning_.resumed->round;
    return report;
  }

  // ---- from the links ------------------------------------------------------------------------

  void peer_up(NodeId peer, Epoch epoch, Round round) override {
    engine_.post(node::PeerUp{peer, epoch, round});
  }
  void peer_down(NodeId peer, std::string /*reason*/) override {
    engine_.post(node::PeerDown{peer});
  }
  void received(NodeId peer, const FrameHeader& header, SharedBytes body) override {
    engine_.post(node::Received{peer,
                                {.epoch = header.epoch,
                                 .type = header.type,
                                 .round = header.round,
                                 .exchange = header.exchange,
                                 .base = header.base_hash,
                                 .body = std::move(body)}});
  }

  // ---- from the engine -----------------------------------------------------------------------

  void send(const node::Send& m) override {
    const gossip::Parcel& parcel = m.parcel;
    links_.send(m.to,
                {.type = parcel.type,
                 .epoch = parcel.epoch,
                 .round = parcel.round,
                 .exchange = parcel.exchange,
                 .base_hash = parcel.base},
                parcel.body);
  }
  void settled(NodeId peer, const std::string& how) override {
    if (!how.empty()) log_->info("the edge to {} {}", name_of_node(peer), how);
  }
  void leave_out(NodeId peer, const std::string& why) override {
    log_->warn("{} is left out: {}", name_of_node(peer), why);
    links_.left_out(peer, why);
  }
  void reject(NodeId peer, const std::string& why) override {
    log_->warn("{} broke the protocol: {}", name_of_node(peer), why);
    links_.misbehaved(peer, why);
  }
  void consumed(NodeId peer, std::uint64_t bytes) override { links_.consumed(peer, bytes); }
  void progressed(std::shared_ptr<const node::Progress> progress) override {
    progress_ = std::move(progress);
    links_.set_round(progress_->rounds_done);
  }
  void round_done(const node::RoundDone& done) override {
    const node::Progress& p = *progress_;
    std::string line = fmt::format(
        "round={} loss={:.6g} sent={} received={} compute={:.3f} encode={:.3f} wait={:.3f}",
        done.round, p.step_loss, p.sent_bytes, p.received_bytes, seconds(p.compute),
        seconds(p.encode), seconds(p.wait()));
    if (done.evaluated) {
      remember_evaluation(p);
      line += fmt::format(" test_loss={:.6g}", p.evaluation->loss);
      if (p.evaluation->accuracy) line += fmt::format(" accuracy={:.4f}", *p.evaluation->accuracy);
      if (p.evaluation->relative_error) {
        line += fmt::format(" relative_error={:.6g}", *p.evaluation->relative_error);
      }
    }
    log_->info("{}", line);
  }
  void checkpointed(const CheckpointOutcome& outcome) override { desk_.note(outcome); }
  void finished(const std::optional<std::string>& failure) override {
    desk_.close();
    grace_.cancel();
    if (failure) {
      log_->error("{}", *failure);
      failure_ = Error{ErrorCode::diverged, self_name() + ": " + *failure};
    }
    export_model();
    links_.stop(!stopping_ && !failure, kGoodbyeGrace, [this] { io_.stop(); });
  }

 private:
  const std::string& self_name() const { return name_of_node(options_.self); }
  const std::string& name_of_node(NodeId id) const { return run_.config.nodes[index_of(id)].name; }

  void banner() {
    log_->info("run '{}', node {}: {}", run_.config.run.name, self_name(),
               engine_.core().describe());
    std::vector<std::string> names;
    for (const auto& link : links_.status()) names.push_back(name_of_node(link.peer));
    log_->info(
        "{} with {} on {}, process {}", node::algorithm_summary(run_),
        names.empty() ? std::string("no neighbors") : fmt::format("{}", fmt::join(names, ", ")),
        run_.config.nodes[index_of(options_.self)].address, ::getpid());
    log_->info("{}", node::operator_summary(run_));
    log_->info("state in {}", beginning_.paths.dir.string());
    for (const std::string& warning : beginning_.warnings) log_->warn("{}", warning);
    if (beginning_.resumed) {
      const Round done = beginning_.resumed->round;
      log_->info("resumed from {} after {} rounds{}", beginning_.resumed->file.string(), done,
                 done < run_.config.run.rounds
                     ? ""
                     : ", which is all: raise [run] rounds to go on, or begin anew with --fresh");
    }
    if (!names.empty()) {
      log_->warn(
          "LINKS ARE PLAIN TCP: whoever is on their path can read and change the models{}",
          run_.config.run.insecure_plaintext ? "; insecure_plaintext allows any address" : "");
    }
  }

  void await_signal() {
    signals_.async_wait([this](const asio::error_code& failed, int signal) {
      if (failed) return;
      if (stopping_) {
        log_->warn("second signal {}: ending at once", signal);
        ::_exit(128 + signal);
      }
      log_->info("signal {}: finishing the round", signal);
      stop();
      await_signal();
    });
  }

  // Twice is as good as once.
  void stop() {
    if (stopping_) return;
    stopping_ = true;
    engine_.post(node::StopRequested{false});
    grace_.expires_after(kRoundGrace);
    grace_.async_wait([this](const asio::error_code& cancelled) {
      if (!cancelled) engine_.post(node::StopRequested{true});
    });
  }

  void export_model() {
    const node::Core& core = engine_.core();
    const auto written = node::write_safetensors(
        beginning_.paths.model(), core.layout(), core.model(),
        {{"run", run_.config.run.name},
         {"node", self_name()},
         {"rounds", fmt::format("{}", core.progress(engine_.now()).rounds_done)}});
    if (written) {
      log_->info("model written to {}", beginning_.paths.model().string());
    } else {
      log_->error("{}", written.error().message);
    }
  }

  // ---- control socket ------------------------------------------------------------------------

  peer::Task<control::Reply> answer(const control::Request& request) {
    if (request.verb_case() == control::Request::kCheckpoint) return save_now();
    return ready(answer_at_once(request));
  }
  static peer::Task<control::Reply> ready(control::Reply reply) { co_return reply; }

  peer::Task<control::Reply> save_now() {
    if (!beginning_.checkpoints) {
      control::Reply reply;
      reply.mutable_error()->set_text("checkpoints are switched off: [checkpoint] enabled = false");
      return ready(std::move(reply));
    }
    log_->info("checkpoint asked for on the control socket: saving at the end of the round");
    engine_.post(node::CheckpointRequested{});
    return desk_.next();
  }

  control::Reply answer_at_once(const control::Request& request) {
    control::Reply reply;
    switch (request.verb_case()) {
      case control::Request::kStatus: fill(*reply.mutable_status()); break;
      case control::Request::kPeers: fill(*reply.mutable_peers()); break;
      case control::Request::kStop:
        log_->info("stop asked for on the control socket: finishing the round");
        reply.mutable_stop()->set_round(progress_->rounds_done);
        stop();
        break;
      case control::Request::kCheckpoint:
      case control::Request::VERB_NOT_SET:
        reply.mutable_error()->set_text("the request names no verb that this daemon knows");
    }
    return reply;
  }

  void remember_evaluation(const node::Progress& p) {
    control::Evaluation e;
    e.set_round(p.evaluated_rounds);
    e.set_loss(p.evaluation->loss);
    if (p.evaluation->accuracy) e.set_accuracy(*p.evaluation->accuracy);
    if (p.evaluation->relative_error) e.set_relative_error(*p.evaluation->relative_error);
    e.set_train_seconds(p.evaluated_at_seconds);
    if (evaluations_.size() == kEvaluationsKept) evaluations_.pop_front();
    evaluations_.push_back(std::move(e));
  }

  void fill(control::StatusReply& s) const {
    const node::Progress& p = *progress_;
    s.set_run(run_.config.run.name);
    s.set_node(self_name());
    s.set_algorithm(gossip::name_of(run_.config.gossip.algorithm));
    s.set_pid(static_cast<std::uint32_t>(::getpid()));
    s.set_phase(stopping_ ? "stopping" : node::name_of(p.phase));
    s.set_round(p.rounds_done);
    s.set_rounds(run_.config.run.rounds);
    s.set_checkpoint_round(p.rounds_saved);
    s.set_loss(p.step_loss);
    if (!evaluations_.empty()) *s.mutable_evaluation() = evaluations_.back();
    s.mutable_evaluations()->Assign(evaluations_.begin(), evaluations_.end());
    s.set_sent_bytes(p.sent_bytes);
    s.set_sent_uncompressed_bytes(p.sent_uncompressed_bytes);
    s.set_received_bytes(p.received_bytes);
    s.set_compute_seconds(seconds(p.compute));
    s.set_encode_seconds(seconds(p.encode));
    s.set_wait_seconds(seconds(p.wait()));
    for (const NodeId peer : p.waiting_for) s.add_waiting_for(name_of_node(peer));
    s.set_uptime_seconds(seconds(engine_.now()));
  }

  void fill(control::PeersReply& reply) const {
    reply.set_node(self_name());
    for (const peer::LinkStatus& link : links_.status()) {
      control::Peer& p = *reply.add_peers();
      p.set_name(name_of_node(link.peer));
      p.set_address(run_.config.nodes[index_of(link.peer)].address);
      p.set_state(name_of(link.state));
      p.set_reason(link.reason);
      p.set_since_seconds(seconds(link.in_state));
      p.set_epoch(link.epoch);
      p.set_round(link.round);
      p.set_weight(run_.topology.weight(options_.self, link.peer));
      p.set_sent_bytes(link.sent_bytes);
      p.set_received_bytes(link.received_bytes);
    }
  }

  // Constant after construction.
  const node::Run& run_;
  const DaemonOptions options_;
  const std::shared_ptr<spdlog::logger> log_;
  Beginning beginning_;  // its core is the engine's, its checkpoints are the engine thread's

  asio::io_context io_{1};
  asio::signal_set signals_{io_, SIGINT, SIGTERM};
  asio::steady_timer grace_{io_};
  CheckpointDesk desk_{io_, log_};
  std::shared_ptr<const node::Progress> progress_ = std::make_shared<node::Progress>();
  std::deque<control::Evaluation> evaluations_;
  bool stopping_ = false;
  std::optional<Error> failure_;
  Engine engine_;
  peer::Links links_;
  ControlServer control_;
};

}  // namespace

Result<node::NodeReport> run_daemon(const node::Run& run, const DaemonOptions& options,
                                    std::shared_ptr<spdlog::logger> log) {
  auto beginning = begin_node(run, options);
  if (!beginning) return beginning.error();
  return Daemon(run, options, std::move(log), std::move(*beginning)).run();
}

}  // namespace starling::daemon
