#include "daemon/flock.h"

#include <fmt/format.h>
#include <poll.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <nlohmann/json.hpp>

#include "daemon/control_client.h"
#include "daemon/state_dir.h"
#include "node/safetensors.h"

namespace starling::daemon {
namespace {

using namespace std::chrono_literals;

constexpr int kLookEveryMs = 200;
constexpr double kStopSeconds = 2.3;  // a daemon's own grace is 2 s; all are gone within 3 s
// For the answers of all daemons together: one that hangs must not hold up a stop. The least is
// for each of those that are asked after it.
constexpr auto kLookPatience = 300ms, kLookPatienceMin = 20ms;

// SIGINT, SIGTERM and SIGCHLD as something to wait for, while it lives.
class SignalFd {
 public:
  SignalFd() {
    sigemptyset(&set_);
    for (const int number : {SIGINT, SIGTERM, SIGHUP, SIGCHLD}) sigaddset(&set_, number);
    ::sigprocmask(SIG_BLOCK, &set_, &before_);
    fd_ = ::signalfd(-1, &set_, SFD_CLOEXEC | SFD_NONBLOCK);
  }
  ~SignalFd() {
    ::close(fd_);
    ::sigprocmask(SIG_SETMASK, &before_, nullptr);
  }
  SignalFd(const SignalFd&) = delete;
  SignalFd& operator=(const SignalFd&) = delete;

  // Waits a while; how many times somebody asked to stop.
  int wait(int milliseconds) {
    pollfd ready{fd_, POLLIN, 0};
    ::poll(&ready, 1, milliseconds);
    int asked = 0;
    signalfd_siginfo info;
    while (::read(fd_, &info, sizeof info) == sizeof info) {
      asked += info.ssi_signo != static_cast<std::uint32_t>(SIGCHLD);
    }
    return asked;
  }

 private:
  sigset_t set_{}, before_{};
  int fd_ = -1;
};

constexpr const char* kDone = "done";

std::string describe(const Ended& ended) {
  if (ended.signal != 0) return fmt::format("ended by signal {}", ended.signal);
  return ended.exit_code == 0 ? kDone : fmt::format("exit code {}", ended.exit_code);
}

}  // namespace

Flock::Flock(const node::Config& config, FlockOptions options, LiveView& view)
    : config_(config), options_(std::move(options)), view_(view) {
  if (config.run.until_accuracy) goal_.emplace(*config.run.until_accuracy);
}

Result<FlockResult> Flock::run() {
  FlockResult result;
  const auto begin = std::chrono::steady_clock::now();
  SignalFd signals;
  if (auto started = start(); !started) return started.error();
  view_.begin(gossip::name_of(config_.gossip.algorithm), config_.run.rounds);
  int asked = 0;
  std::optional<Error> failure;
  while (!all_ended()) {
    asked += signals.wait(kLookEveryMs);
    elapsed_ = seconds(std::chrono::steady_clock::now() - begin);
    if (asked > 0) {
      result.interrupted = true;
      stop_all();
    }
    kill_the_late();
    if (auto failed = failure_of_one()) {
      failure = std::move(failed);
      stop_all();
    }
    if (failure) continue;  // the others are only waited for
    const std::vector<NodeView> nodes = look();
    note_evaluations(nodes, result);
    view_.update(nodes, elapsed_);
  }
  if (failure) return *failure;
  view_.update(look(), elapsed_);
  view_.end();
  result.report = gather(seconds(std::chrono::steady_clock::now() - begin));
  note_reports(result);
  return result;
}

Result<void> Flock::start() {
  // Before anything starts: a second flock must not take the logs of one that runs.
  for (const node::NodeEntry& entry : config_.nodes) {
    const auto lock = StateLock::acquire(paths_of(options_.state_dir, entry.name));
    if (!lock) return lock.error();
  }
  for (std::size_t i = 0; i < config_.nodes.size(); ++i) {
    if (config_.nodes[i].left) continue;
    const NodePaths paths = paths_of(options_.state_dir, config_.nodes[i].name);
    auto process = ChildProcess::start(command_of(i), paths.log());
    if (!process) return process.error();
    members_.push_back({config_.nodes[i].name, std::move(*process)});
    last_seen_.push_back({config_.nodes[i].name, "", std::nullopt});
  }
  return {};
}

std::vector<std::string> Flock::command_of(std::size_t node) const {
  std::vector<std::string> command;
  for (std::string word : options_.launcher) {
    const std::size_t at = word.find("{i}");
    if (at != std::string::npos) word.replace(at, 3, fmt::format("{}", node));
    command.push_back(std::move(word));
  }
  command.insert(command.end(),
                 {options_.program.string(), config_.file.string(), "--node",
                  config_.nodes[node].name, "--state", options_.state_dir.string(), "--json"});
  if (options_.fresh) command.emplace_back("--fresh");
  for (const std::string& override_text : options_.overrides) {
    command.insert(command.end(), {"--set", override_text});
  }
  command.insert(command.end(), {"--set", fmt::format("gossip.algorithm=\"{}\"",
                                                      gossip::name_of(config_.gossip.algorithm))});
  return command;
}

bool Flock::all_ended() {
  bool all = true;
  for (Member& member : members_) {
    member.process.drain();
    all = member.process.poll().has_value() && all;
  }
  return all;
}

// A daemon that gave up by itself. What follows a stop of ours is no failure.
std::optional<Error> Flock::failure_of_one() {
  if (stopped_at_) return std::nullopt;
  for (Member& member : members_) {
    const std::optional<Ended>& ended = member.process.poll();
    if (!ended || ended->signal != 0 || ended->exit_code == 0) continue;
    std::string why = last_line_of(paths_of(options_.state_dir, member.name).log());
    if (why.empty()) why = fmt::format("{} ended with code {}", member.name, ended->exit_code);
    return Error{static_cast<ErrorCode>(ended->exit_code), why};
  }
  return std::nullopt;
}

// Asks every living daemon; one that does not answer keeps its last words, and so do all once they
// have been told to stop.
std::vector<NodeView> Flock::look() {
  control::Request request;
  request.mutable_status();
  const auto deadline = std::chrono::steady_clock::now() + kLookPatience;
  for (std::size_t i = 0; i < members_.size(); ++i) {
    if (const auto& ended = members_[i].process.poll()) {
      last_seen_[i].ended = describe(*ended);
      continue;
    }
    if (stopped_at_) continue;
    const Duration left = deadline - std::chrono::steady_clock::now();
    const auto reply = ask(paths_of(options_.state_dir, members_[i].name).control_socket(), request,
                           std::max<Duration>(left, kLookPatienceMin));
    if (reply && reply->has_status()) last_seen_[i].status = reply->status();
  }
  return last_seen_;
}

void Flock::note_evaluations(const std::vector<NodeView>& nodes, FlockResult& result) {
  if (!goal_ || result.reached) return;
  std::size_t expected = 0;  // the dead have no say
  for (const NodeView& node : nodes) {
    expected += node.ended.empty() || node.ended == kDone;
    if (!node.status) continue;
    for (const control::Evaluation& e : node.status->evaluations()) {
      goal_->note(e.round(), node.name, e.accuracy(), e.train_seconds());
    }
  }
  result.reached = goal_->reached(expected);
  if (result.reached) stop_all();
}

// The evaluation after the last round, which the control sockets may not have lived to tell.
void Flock::note_reports(FlockResult& result) {
  if (!goal_ || result.reached || stopped_at_) return;
  for (const node::NodeReport& node : result.report.nodes) {
    goal_->note(node.round, node.name, node.accuracy.value_or(0), node.train_seconds);
  }
  result.reached = goal_->reached(result.report.nodes.size());
}

void Flock::stop_all() {
  if (stopped_at_) return;
  stopped_at_ = elapsed_;
  for (const Member& member : members_) member.process.signal(SIGTERM);
}

void Flock::kill_the_late() {
  if (!stopped_at_ || elapsed_ < *stopped_at_ + kStopSeconds) return;
  for (const Member& member : members_) member.process.signal(SIGKILL);
}

node::RunReport Flock::gather(double wall_seconds) {
  node::RunReport report;
  report.run = config_.run.name;
  report.algorithm = gossip::name_of(config_.gossip.algorithm);
  report.wall_seconds = wall_seconds;
  std::vector<node::Model> models;
  for (Member& member : members_) {
    const auto json = nlohmann::ordered_json::parse(member.process.last_line(), nullptr, false);
    if (!json.is_object()) {
      report.missing.push_back(member.name);
      continue;
    }
    report.nodes.push_back(node::node_report_from_json(json));
    auto model = node::read_safetensors(paths_of(options_.state_dir, member.name).model());
    if (model) models.push_back(std::move(*model));
  }
  std::vector<std::span<const float>> parameters;
  for (const node::Model& model : models) parameters.push_back(model.parameters);
  if (models.size() == report.nodes.size()) {
    report.consensus_distance = node::consensus_distance(parameters);
  }
  node::summarize(report);
  return report;
}

}  // namespace starling::daemon
