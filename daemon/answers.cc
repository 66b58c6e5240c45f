#include "daemon/answers.h"

#include <prometheus/metric_family.h>
#include <unistd.h>

#include <algorithm>

#include "daemon/error_reply.h"
#include "daemon/service_notify.h"

namespace starling::daemon {
namespace {

constexpr std::size_t kEvaluationsKept = 64;  // what control.proto says of StatusReply

const char* name_of(peer::LinkState state) {
  switch (state) {
    case peer::LinkState::connecting: return "connecting";
    case peer::LinkState::up: return "up";
    case peer::LinkState::down: return "down";
  }
  return "?";
}

std::uint64_t left_of(const peer::DayUse& day) {
  return day.at_once - std::min(day.used, day.at_once);
}

peer::Task<control::Reply> ready(control::Reply reply) { co_return reply; }

}  // namespace

Answers::Answers(NodeParts parts, std::shared_ptr<spdlog::logger> log)
    : parts_(std::move(parts)), log_(std::move(log)) {}

void Answers::progressed(std::shared_ptr<const node::Progress> progress) {
  const bool moves =
      progress->phase != progress_->phase || progress->rounds_done != progress_->rounds_done;
  if (moves) moved_at_ = parts_.engine.now();
  progress_ = std::move(progress);
}

void Answers::evaluated() {
  const node::Progress& p = *progress_;
  control::Evaluation e;
  e.set_round(p.evaluated_rounds);
  e.set_loss(p.evaluation->loss);
  if (p.evaluation->accuracy) e.set_accuracy(*p.evaluation->accuracy);
  if (p.evaluation->relative_error) e.set_relative_error(*p.evaluation->relative_error);
  e.set_train_seconds(p.evaluated_at_seconds);
  if (evaluations_.size() == kEvaluationsKept) evaluations_.pop_front();
  evaluations_.push_back(std::move(e));
}

peer::Task<control::Reply> Answers::answer(const control::Request& request) {
  if (request.verb_case() == control::Request::kCheckpoint) return save_now();
  if (request.verb_case() == control::Request::kReload) return read_again();
  if (request.verb_case() == control::Request::kPing) return measure(request.ping().peer());
  if (request.verb_case() == control::Request::kExport) return export_now();
  return ready(answer_at_once(request));
}

peer::Task<control::Reply> Answers::save_now() {
  if (!parts_.saves) {
    return ready(error_reply("checkpoints are switched off: [checkpoint] enabled = false"));
  }
  log_->info("checkpoint asked for on the control socket: saving at the end of the round");
  parts_.engine.post(node::CheckpointRequested{});
  return parts_.desk.next();
}

peer::Task<control::Reply> Answers::read_again() {
  log_->info("reload asked for on the control socket: reading {} again",
             parts_.run.config.file.string());
  parts_.engine.reload();
  return parts_.reload_desk.next();
}

control::Reply Answers::answer_at_once(const control::Request& request) {
  control::Reply reply;
  switch (request.verb_case()) {
    case control::Request::kStatus: fill(*reply.mutable_status()); break;
    case control::Request::kPeers: fill(*reply.mutable_peers()); break;
    case control::Request::kMetrics:
      reply.mutable_metrics()->set_node(name_of_node(parts_.self));
      reply.mutable_metrics()->set_text(text_of(metrics()));
      break;
    case control::Request::kPause:
    case control::Request::kResume: return pause(request);
    case control::Request::kStop:
      log_->info("{} asked for on the control socket: finishing the round",
                 request.stop().leave() ? "leave" : "stop");
      reply.mutable_stop()->set_round(progress_->rounds_done);
      parts_.stop(request.stop().leave() ? peer::Farewell::left : peer::Farewell::stopped);
      break;
    case control::Request::kCheckpoint:
    case control::Request::kReload:
    case control::Request::kPing:
    case control::Request::kExport:
    case control::Request::kMonitor:
    case control::Request::VERB_NOT_SET:
      return error_reply("the request names no verb that this daemon knows");
  }
  return reply;
}

void Answers::fill(control::StatusReply& s) const {
  const node::Progress& p = *progress_;
  s.set_run(parts_.run.config.run.name);
  s.set_node(name_of_node(parts_.self));
  s.set_algorithm(gossip::name_of(parts_.run.config.gossip.algorithm));
  s.set_pid(static_cast<std::uint32_t>(::getpid()));
  s.set_phase(stopping_ ? "stopping" : node::name_of(p.phase));
  s.set_round(p.rounds_done);
  s.set_rounds(parts_.run.config.run.rounds);
  s.set_checkpoint_round(p.rounds_saved);
  const node::LimitOptions& limits = parts_.run.config.limits;
  s.set_max_send(limits.max_send);
  s.set_max_receive(limits.max_receive);
  s.set_neighbor_max_send(limits.neighbor_max_send);
  s.set_neighbor_max_receive(limits.neighbor_max_receive);
  s.set_max_per_day(limits.max_per_day);
  s.set_neighbor_max_per_day(limits.neighbor_max_per_day);
  for (const peer::DayUse& day : parts_.links.day_use()) {
    const std::uint64_t left = left_of(day);
    if (!day.peer) {
      s.set_day_left(left);
    } else if (!s.has_neighbor_day_left() || left < s.neighbor_day_left()) {
      s.set_neighbor_day_left(left);
    }
  }
  fill_rate(s);
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
  s.set_uptime_seconds(seconds(parts_.engine.now()));
  if (p.phase == node::Phase::training) {
    s.set_standstill_seconds(seconds(parts_.engine.now() - moved_at_));
  }
  s.set_standstill_seconds_max(seconds(standstill_max()));
  if (const auto all = parts_.consensus.to_all()) {
    s.set_consensus_distance(all->relative);
    s.set_consensus_rounds(all->rounds);
  }
}

void Answers::fill_rate(control::StatusReply& s) const {
  if (progress_->rates.empty()) return;
  s.set_rate_budget(node::rate_in_words(parts_.run.config.rate));
  double queue = 0, cost = 0;
  for (const gossip::RateStatus& link : progress_->rates) {
    queue = std::max(queue, link.queue);
    cost = std::max(cost, link.mean_cost.value_or(0));
  }
  s.set_rate_cost(cost);
  s.set_rate_queue(queue);
}

void Answers::fill(control::PeersReply& reply) const {
  reply.set_node(name_of_node(parts_.self));
  const std::vector<peer::DayUse> days = parts_.links.day_use();
  for (const peer::LinkStatus& link : parts_.links.status()) {
    control::Peer& p = *reply.add_peers();
    p.set_name(name_of_node(link.peer));
    p.set_address(parts_.run.config.nodes[index_of(link.peer)].address);
    p.set_state(name_of(link.state));
    p.set_reason(link.away ? "away, its shard is the others': " + link.reason : link.reason);
    p.set_since_seconds(seconds(link.in_state));
    p.set_epoch(link.epoch);
    p.set_round(link.round);
    p.set_weight(parts_.run.topology.weight(parts_.self, link.peer));
    p.set_sent_bytes(link.sent_bytes);
    p.set_received_bytes(link.received_bytes);
    p.set_sending_seconds(seconds(link.sending));
    const node::EdgeCounts edge = counts_of(link.peer);
    p.set_counted(edge.counted);
    p.set_made_up(edge.made_up);
    p.set_reopened(edge.reopened);
    p.set_rejected(edge.rejected);
    p.set_malformed(edge.malformed);
    p.set_too_long(edge.too_long);
    p.set_strikes(edge.strikes);
    p.set_left_out_seconds(seconds(edge.left_out));
    p.set_lost(link.losses);
    p.set_refused(link.refusals);
    p.set_last_reason(link.last_reason);
    p.set_trouble(name_of(link.trouble));
    p.set_dials(link.dials);
    const auto day = std::ranges::find(days, std::optional(link.peer), &peer::DayUse::peer);
    if (day != days.end()) p.set_day_left(left_of(*day));
    if (link.redial_in) p.set_redial_seconds(seconds(*link.redial_in));
    if (const auto distance = parts_.consensus.to(link.peer)) {
      p.set_distance(distance->relative);
      p.set_distance_rounds(distance->rounds);
    }
  }
}

// All zero where the algorithm counts none.
node::EdgeCounts Answers::counts_of(NodeId peer) const {
  const auto& edges = progress_->edges;
  const auto edge = std::ranges::find(edges, peer, &node::EdgeCounts::peer);
  return edge == edges.end() ? node::EdgeCounts{.peer = peer} : *edge;
}

std::vector<prometheus::MetricFamily> Answers::metrics() const {
  const node::Config& config = parts_.run.config;
  Figures figures{.run = config.run.name,
                  .node = name_of_node(parts_.self),
                  .algorithm = gossip::name_of(config.gossip.algorithm),
                  .rounds = config.run.rounds,
                  .uptime_seconds = seconds(parts_.engine.now()),
                  .memory_forecast_bytes = parts_.memory.bytes(),
                  .progress = *progress_,
                  .tally = parts_.tally,
                  .consensus = parts_.consensus,
                  .peers = {}};
  for (peer::LinkStatus& link : parts_.links.status()) {
    const node::EdgeCounts counts = counts_of(link.peer);
    figures.peers.push_back({.name = name_of_node(link.peer),
                             .weight = parts_.run.topology.weight(parts_.self, link.peer),
                             .link = std::move(link),
                             .counts = counts});
  }
  return families_of(figures);
}

const std::string& Answers::name_of_node(NodeId id) const {
  return parts_.run.config.nodes[index_of(id)].name;
}

}  // namespace starling::daemon
