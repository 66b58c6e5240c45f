#include "daemon/daemon.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <prometheus/metric_family.h>
#include <unistd.h>

#include <algorithm>
#include <asio/io_context.hpp>
#include <asio/signal_set.hpp>
#include <asio/steady_timer.hpp>
#include <csignal>

#include "daemon/announce.h"
#include "daemon/answers.h"
#include "daemon/control_server.h"
#include "daemon/day_file.h"
#include "daemon/engine.h"
#include "daemon/goodput.h"
#include "daemon/metrics.h"
#include "daemon/metrics_server.h"
#include "daemon/model_file.h"
#include "daemon/pauses.h"
#include "daemon/reload_desk.h"
#include "daemon/resume.h"
#include "daemon/run_links.h"
#include "daemon/service_notify.h"
#include "daemon/state_dir.h"
#include "peer/links.h"
#include "peer/log_gate.h"

namespace starling::daemon {
namespace {

using namespace std::chrono_literals;

constexpr auto kRoundGrace = 1s;    // how long a stop waits for the round to end
constexpr auto kGoodbyeGrace = 1s;  // and for the neighbors to hear of it

// io thread only; the engine thread is behind Engine.
class Daemon final : public peer::PeerEvents, public EngineOutput {
 public:
  Daemon(const node::Run& run, const DaemonOptions& options, std::shared_ptr<spdlog::logger> log,
         Beginning beginning)
      : run_(run),
        memory_(node::forecast_memory(run, options.self)),
        options_(options),
        log_(std::move(log)),
        beginning_(std::move(beginning)),
        engine_(io_, std::move(beginning_.core), beginning_.checkpoints.get(),
                run_file_of(run, options), *this),
        links_(io_, link_options(run, options.self, engine_.core(), beginning_.tls), *this, log_),
        day_file_(
            io_, beginning_.paths.day(), links_, [this](NodeId id) { return name_of_node(id); },
            log_),
        answers_({.run = run_,
                  .self = options.self,
                  .engine = engine_,
                  .links = links_,
                  .desk = desk_,
                  .reload_desk = reload_desk_,
                  .pauses = pauses_,
                  .tally = tally_,
                  .consensus = consensus_,
                  .exports = exports_,
                  .memory = memory_,
                  .saves = beginning_.checkpoints != nullptr,
                  .stop = [this](peer::Farewell farewell) { stop(farewell); }},
                 log_),
        control_(io_, {.path = beginning_.paths.control_socket(), .tap = &tap_}, answerer(), log_),
        monitor_(io_,
                 {.path = options.monitor_socket,
                  .read_only = true,
                  .group = options.monitor_group,
                  .tap = &tap_},
                 answerer(), log_),
        metrics_(io_, [this] { return answers_.metrics(); }),
        service_(io_, [this] { return service_state(); }) {}

  Result<node::NodeReport> run() {
    if (auto listening = links_.listen(); !listening) return listening.error();
    if (auto answering = control_.start(); !answering) return answering.error();
    if (!options_.monitor_socket.empty()) {
      if (auto answering = monitor_.start(); !answering) return answering.error();
    }
    if (auto answering = open_metrics(); !answering) return answering.error();
    announce(*log_, run_, options_.self, engine_.core(), memory_, beginning_);
    await_signal();
    await_hangup();
    tally_.begin(engine_.core().progress(engine_.now()));
    day_file_.begin();
    links_.start();
    engine_.post(node::Start{});
    service_.ready();
    io_.run();
    if (failure_) return *failure_;
    const node::Core& core = engine_.core();
    node::NodeReport report =
        node::report_of(self_name(), core.progress(engine_.now()), core.model());
    if (beginning_.resumed) report.resumed_at = beginning_.resumed->round;
    return report;
  }

  // ---- from the links ------------------------------------------------------------------------

  void peer_up(NodeId peer, Epoch epoch, const peer::ToldRounds& told) override {
    engine_.post(node::PeerUp{peer, epoch, told.theirs, told.ours});
  }
  void peer_down(NodeId peer, std::string /*reason*/) override {
    consensus_.forget(peer);
    engine_.post(node::PeerDown{peer});
  }
  void peer_left(NodeId peer) override { engine_.post(node::PeerLeft{peer}); }
  void received(NodeId peer, const FrameHeader& header, SharedBytes body) override {
    engine_.post(node::Received{peer,
                                {.epoch = header.epoch,
                                 .type = header.type,
                                 .round = header.round,
                                 .exchange = header.exchange,
                                 .base = header.base_hash,
                                 .body = std::move(body)}});
  }

  void differs(NodeId peer, std::string field, std::string theirs) override {
    if (field != kAwayField) return;
    const auto told = node::Membership::parse(theirs, run_.config.nodes.size());
    if (told) return engine_.hear(*told);
    warn_of_who_is_away(name_of_node(peer) + ": " + told.error().message);
  }
  void sketched(NodeId peer, Round rounds, SharedBytes sketch) override {
    const auto noted = consensus_.note(peer, rounds, sketch.bytes());
    if (!noted) reject(peer, noted.error().message);
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
  void settled(const node::EdgeSettled& edge) override {
    log_->info("the edge to {} {}", name_of_node(edge.peer), edge.reunion->how);
  }
  void healed(const node::EdgeHealed& edge) override {
    const auto level = edge.is_moment() ? spdlog::level::debug : spdlog::level::info;
    log_->log(level, "{} {}", name_of_node(edge.peer), describe(edge));
  }
  void sketched(const node::ModelSketch& model) override {
    consensus_.note_own(model);
    links_.sketch(model.rounds, std::as_bytes(std::span(model.cells)));
  }
  void fetched(const node::ModelFetched& model) override {
    log_->info("{}", describe(model, name_of_node(model.from)));
  }
  void fetch_given_up(const node::FetchGivenUp& fetch) override {
    log_->warn("no model could be fetched: {}; begins with the start model", fetch.why);
  }
  // The links write the line: what was wrong, and when they dial again.
  void leave_out(NodeId peer, const std::string& why) override {
    tally_.left_out(peer);
    links_.left_out(peer, why);
  }
  void reject(NodeId peer, const std::string& why) override {
    tally_.rejected(peer);
    links_.misbehaved(peer, why);
  }
  void consumed(NodeId peer, std::uint64_t bytes) override { links_.consumed(peer, bytes); }
  void progressed(std::shared_ptr<const node::Progress> progress) override {
    links_.set_round(progress->rounds_done);
    pauses_.progressed(*progress);
    answers_.progressed(std::move(progress));
  }
  void round_done(const node::RoundDone& done) override {
    if (done.evaluated) answers_.evaluated();
    tally_.round_done(answers_.progress());
    if (run_.config.rate.seconds_per_round) {
      for (const node::LinkMeasured& link : goodput_.since(links_.status())) engine_.post(link);
    }
    log_->info("{}", round_line(done, answers_.progress()));
  }
  void checkpointed(const CheckpointOutcome& outcome) override {
    tally_.checkpointed(outcome.saved.ok());
    desk_.note(outcome);
  }
  void reloaded(const Result<node::Reload>& reload, std::uint64_t body_bytes_max) override {
    if (reload) take_up(*reload, body_bytes_max);
    reload_desk_.note(reload, answers_.progress().rounds_done);
    service_.ready();
  }
  void regrouped(const Result<node::Reload>& change, std::uint64_t body_bytes_max) override {
    if (!change) return warn_of_who_is_away("it cannot be so: " + change.error().message);
    log_->warn("after {} rounds: {}", answers_.progress().rounds_done,
               fmt::join(change->changes, ", "));
    if (change->begins_anew) links_.set_round(0);
    take_up(*change, body_bytes_max);
  }
  void finished(const std::optional<std::string>& failure) override {
    desk_.close();
    reload_desk_.close();
    grace_.cancel();
    service_.stopping();
    if (failure) {
      log_->error("{}", *failure);
      failure_ = Error{ErrorCode::diverged, self_name() + ": " + *failure};
    }
    export_model();
    const bool over = !stopping_ && !failure;
    links_.stop(over ? peer::Farewell::finished : farewell_, kGoodbyeGrace, [this] {
      day_file_.end();
      io_.stop();
    });
  }

 private:
  ControlServer::Answer answerer() {
    return [this](const control::Request& request) { return answers_.answer(request); };
  }
  const std::string& self_name() const { return name_of_node(options_.self); }
  const std::string& name_of_node(NodeId id) const { return run_.config.nodes[index_of(id)].name; }

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

  void await_hangup() {
    hangups_.async_wait([this](const asio::error_code& failed, int /*signal*/) {
      if (failed) return;
      log_->info("SIGHUP: reading {} again", run_.config.file.string());
      service_.reloading();
      reload_desk_.expect();
      engine_.reload();
      await_hangup();
    });
  }

  // Twice is as good as once.
  void stop(peer::Farewell farewell = peer::Farewell::stopped) {
    if (stopping_) return;
    stopping_ = true;
    farewell_ = farewell;
    service_.stopping();
    answers_.stopping();
    engine_.post(node::StopRequested{false});
    grace_.expires_after(kRoundGrace);
    grace_.async_wait([this](const asio::error_code& cancelled) {
      if (!cancelled) engine_.post(node::StopRequested{true});
    });
  }

  ServiceNotify::State service_state() const {
    const node::Progress& progress = answers_.progress();
    return {progress.phase, answers_.moved_at(),
            state_line(progress, run_.config.run.rounds, links_.status())};
  }

  Result<void> open_metrics() {
    const std::string address = node::metrics_address(run_.config, options_.self);
    if (address.empty()) return {};
    auto answering = metrics_.start(address);
    if (answering) log_->info("metrics are at http://{}/metrics", address);
    return answering;
  }

  void export_model() {
    const auto written =
        write_model({beginning_.paths.model(), run_.config.run.name, self_name()}, engine_.core());
    if (written) {
      log_->info("model written to {}", beginning_.paths.model().string());
    } else {
      log_->error("{}", written.error().message);
    }
  }

  // Neighbors may say it as often as they dial.
  void warn_of_who_is_away(const std::string& what) {
    const auto more = away_gate_.passes("away", peer::Clock::now());
    if (more) log_->warn("what is said of who is away is not taken up: {}{}", what, *more);
  }

  void take_up(const node::Reload& change, std::uint64_t body_bytes_max) {
    run_ = change.run;
    if (change.graph_changed) forecast_again();
    links_.limit(rates_of_all(run_.config.limits), rates_of_each(run_.config.limits));
    links_.rewire(neighbors_of(run_, options_.self), node::fingerprint_of(run_), body_bytes_max);
    pauses_.rewired();
    consensus_.forget_all();
  }

  void forecast_again() {
    const std::uint64_t before = memory_.bytes();
    memory_ = node::forecast_memory(run_, options_.self);
    if (memory_.bytes() != before) log_->info("{}", memory_.sentence());
  }

  // As the newest reload has left them.
  node::Run run_;
  node::MemoryForecast memory_;

  // Constant after construction.
  const DaemonOptions options_;
  const std::shared_ptr<spdlog::logger> log_;
  Beginning beginning_;  // its core is the engine's, its checkpoints are the engine thread's

  asio::io_context io_{1};
  asio::signal_set signals_{io_, SIGINT, SIGTERM};
  asio::signal_set hangups_{io_, SIGHUP};
  asio::steady_timer grace_{io_};
  CheckpointDesk desk_{io_, log_};
  ReloadDesk reload_desk_{io_, log_};
  bool stopping_ = false;
  peer::Farewell farewell_ = peer::Farewell::stopped;
  std::optional<Error> failure_;
  Engine engine_;
  peer::Links links_;
  DayFile day_file_;
  Pauses pauses_{engine_, links_};
  Goodput goodput_;
  Tally tally_;
  node::Consensus consensus_;
  peer::LogGate away_gate_;
  ExportFiles exports_{beginning_.paths.dir};
  Answers answers_;
  LogTap tap_{io_, log_};
  ControlServer control_, monitor_;
  MetricsServer metrics_;
  ServiceNotify service_;
};

}  // namespace

Result<node::NodeReport> run_daemon(const node::Run& run, const DaemonOptions& options,
                                    std::shared_ptr<spdlog::logger> log) {
  auto beginning = begin_node(run, options);
  if (!beginning) return beginning.error();
  const node::Run begun = beginning->run;
  return Daemon(begun, options, std::move(log), std::move(*beginning)).run();
}

}  // namespace starling::daemon
