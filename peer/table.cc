#include "peer/table.h"

#include <fmt/format.h>

#include <algorithm>
#include <asio/post.hpp>
#include <utility>

#include "peer/spawn.h"
#include "protocol/check.h"

namespace starling::peer {
namespace {

std::uint64_t bytes_or_frames(std::uint64_t bytes, const FrameLimits& limits) {
  if (bytes != 0) return bytes;
  return kQueueFramesMax * (kFrameHeaderBytes + limits.message_bytes_max + limits.body_bytes_max);
}

LinkTrouble trouble_of(wire::Refusal::Reason reason) {
  switch (reason) {
    case wire::Refusal::version:
    case wire::Refusal::fingerprint: return LinkTrouble::mismatch;
    case wire::Refusal::unknown_node:
    case wire::Refusal::wrong_node: return LinkTrouble::other_node;
    case wire::Refusal::stopping: return LinkTrouble::stopped;
    case wire::Refusal::paused: return LinkTrouble::paused;
    case wire::Refusal::unspecified: return LinkTrouble::protocol;
    default: return LinkTrouble::lost;
  }
}

}  // namespace

Table::Table(asio::io_context& io, LinkOptions options, PeerEvents& events,
             std::shared_ptr<spdlog::logger> log)
    : io_(io),
      options_(std::move(options)),
      events_(events),
      log_(std::move(log)),
      self_{options_.self_name, options_.fingerprint},
      body_bytes_max_(options_.body_bytes_max),
      paces_(options_.rates),
      neighbor_rates_(options_.neighbor_rates),
      acceptor_(io),
      accept_wake_(io),
      stop_deadline_(io) {
  constexpr auto kLargest = ~std::uint32_t{0};
  for (const Neighbor& neighbor : options_.neighbors) {
    INVARIANT(neighbor.id != options_.self && neighbor.name != self_.name);
    INVARIANT(!options_.tls || !neighbor.keys.empty());
    const auto hello = make_hello(self_, neighbor.name, kLargest, kLargest);
    INVARIANT(hello.ByteSizeLong() + 8 <= kHandshakeLimits.message_bytes_max);
    edges_.push_back(std::make_shared<Edge>(neighbor, neighbor_rates_, io));
  }
}

std::size_t Table::handshakes_max() const { return kStrangersMax + 2 * edges_.size(); }

// --- an edge comes and goes ----------------------------------------------------------------------

void Table::up(Edge& edge, std::shared_ptr<Connection> connection, Handshake handshake) {
  if (edge.session) {
    edge.session->fail(
        {.kind = SessionEnd::Kind::ended_here,
         .reason = fmt::format("{} came back on a new connection", edge.neighbor.name)});
    down(edge);
  }
  drop_pending(edge, connection.get());
  const FrameLimits limits{.message_bytes_max = kHandshakeLimits.message_bytes_max,
                           .body_bytes_max = std::max<std::uint64_t>(
                               {body_bytes_max_, options_.piece_bytes_max, kSnapshotBodyBytes})};
  const SessionOptions options{
      .peer = edge.neighbor.name,
      .epoch = handshake.epoch,
      .limits = limits,
      .exchange_bytes_max = body_bytes_max_,
      .piece_bytes_max = options_.piece_bytes_max,
      .heartbeat_every = options_.heartbeat_every,
      .silence_max = options_.silence_max,
      .queue_bytes_max = bytes_or_frames(options_.queue_bytes_max, limits),
      .unread_bytes_max = bytes_or_frames(options_.unread_bytes_max, limits)};
  const std::string remote = connection->remote();
  connection->pace({paces_.sending, edge.paces.sending, paces_.day, edge.paces.day},
                   {paces_.receiving, edge.paces.receiving, paces_.day, edge.paces.day});
  auto session =
      std::make_shared<Session>(std::move(connection), options, handshake.round, edge.unread_bytes);
  session->set_round(round_);
  if (handshake.dialled) session->beat(round_);
  edge.session = session;
  edge.last_epoch = handshake.epoch;
  edge.reason.clear();
  edge.dial_told.clear();
  edge.dials = 0;
  update_state(edge);
  log_->info("{} is up, epoch {} ({} {})", edge.neighbor.name, handshake.epoch,
             handshake.dialled ? "dialled at" : "it dialled from", remote);
  run("link to " + edge.neighbor.name, serve(edge, session), edge.shared_from_this());
  run("writing to " + edge.neighbor.name, session->write_loop(), session);
  run("heartbeats to " + edge.neighbor.name, session->pulse_loop(), session);
  events_.peer_up(edge.neighbor.id, handshake.epoch, {handshake.round, handshake.told});
}

void Table::down(Edge& edge) {
  lose_session(edge);
  if (shut_) return;
  events_.peer_down(edge.neighbor.id, edge.lost);
  if (edge.trouble == LinkTrouble::left) events_.peer_left(edge.neighbor.id);
}

void Table::lose_session(Edge& edge) {
  const std::shared_ptr<Session> session = std::move(edge.session);
  edge.session = nullptr;
  const SessionEnd& end = *session->end();
  if (!shut_) session->end_pings();
  edge.unread_bytes = session->unread_bytes();
  edge.sent_bytes += session->connection().traffic().sent_bytes();
  edge.received_bytes += session->connection().traffic().received_bytes();
  edge.sending += session->sending();
  edge.round = session->peer_round();
  edge.lost = edge.reason = edge.last_reason = end.reason;
  edge.trouble = end.trouble;
  ++edge.losses;
  const auto now = Clock::now();
  // A link has to live longer than the wait before it to be worth a short wait again.
  if (now - edge.state_since >= edge.delay) edge.delay = options_.redial_min;
  if (end.redial_slowly) edge.delay = std::max(edge.delay, options_.redial_refused);
  if (end.kind == SessionEnd::Kind::broke_protocol) {
    edge.barred_until = now + options_.redial_refused / 2;
  }
  plan_dial(edge);
  log_down(edge, end);
  for (const auto& pending : edge.pending) {
    if (pending->held) pending->connection->interrupt();
  }
  update_state(edge);
  edge.wake.cancel();
}

void Table::post_down(Edge& edge) {
  asio::post(io_,
             [self = shared_from_this(), edge = edge.shared_from_this(), session = edge.session] {
               if (edge->session == session && !self->shut_) self->down(*edge);
             });
}

Task<void> Table::serve(Edge& edge, std::shared_ptr<Session> session) {
  std::string failure;
  try {
    co_await receive_all(edge, session);
  } catch (const std::exception& e) {  // no memory for a body, say: it costs this link only
    failure = e.what();
  }
  if (!failure.empty()) session->fail({.reason = failure});
  if (edge.session == session && !shut_) down(edge);
  co_await session->finish();
}

Task<void> Table::receive_all(Edge& edge, const std::shared_ptr<Session>& session) {
  while (true) {
    auto incoming = co_await session->receive();
    if (!incoming) co_return;
    if (shut_ || edge.session != session) continue;
    if (incoming->header.type == FrameType::heartbeat) {
      events_.sketched(edge.neighbor.id, incoming->header.round, std::move(incoming->body));
      continue;
    }
    events_.received(edge.neighbor.id, incoming->header, std::move(incoming->body));
  }
}

// --- what people see -----------------------------------------------------------------------------

void Table::refused(Edge& edge, const wire::Refusal& refusal, bool by_us,
                    const std::string& remote) {
  const std::string reason = sentence(refusal, by_us, edge.neighbor.name);
  // The everyday outcome of two dials at once.
  const bool tie = refusal.reason() == wire::Refusal::duplicate && refusal.text().empty();
  if (tie) {
    log_->debug("{} ({}): {}", edge.neighbor.name, remote, reason);
    return;
  }
  if (refusal.reason() == wire::Refusal::fingerprint && refusal.field() == kAwayField) {
    log_->debug("{} ({}): {}", edge.neighbor.name, remote, reason);
    if (!edge.session) edge.reason = reason;
    return;
  }
  // A pause may be long: it is said once, and at the end that wants it hold() has said it.
  if (refusal.reason() == wire::Refusal::paused && (by_us || edge.last_reason == reason)) return;
  note_refusal(edge, fmt::format("refused {}", static_cast<int>(refusal.reason())), reason,
               trouble_of(refusal.reason()), remote);
}

void Table::tell_difference(const Edge& edge, const wire::Refusal& refusal, bool by_us) {
  if (refusal.reason() != wire::Refusal::fingerprint) return;
  events_.differs(edge.neighbor.id, refusal.field(), by_us ? refusal.theirs() : refusal.ours());
}

void Table::note_refusal(Edge& edge, const std::string& code, const std::string& reason,
                         LinkTrouble trouble, const std::string& remote) {
  ++edge.refusals;
  edge.last_reason = reason;
  if (!edge.session) {
    edge.reason = reason;
    edge.trouble = trouble;
  }
  if (const auto more = edge.log_gate.passes(code, Clock::now())) {
    log_->warn("{} ({}): link refused: {}; {} closed{}", edge.neighbor.name, remote, reason,
               edge.session ? "this connection is" : "the connection is", *more);
  }
}

// One line a lost link: who, why, and what comes next.
void Table::log_down(Edge& edge, const SessionEnd& end) {
  const auto now = Clock::now();
  const bool bad = end.redial_slowly;
  const auto more =
      edge.log_gate.passes(fmt::format("down {} {}", static_cast<int>(end.kind), bad), now);
  if (!more) return;
  const std::string next = stopping_ || edge.held
                               ? "not redialled"
                               : fmt::format("redialled in {:.2f} s", seconds(edge.dial_at - now));
  log_->log(bad ? spdlog::level::warn : spdlog::level::info, "{} is down, epoch {}: {}; {}{}",
            edge.neighbor.name, edge.last_epoch, end.reason, next, *more);
}

void Table::update_state(Edge& edge) {
  const LinkState state = edge.session                         ? LinkState::up
                          : edge.dial || !edge.pending.empty() ? LinkState::connecting
                                                               : LinkState::down;
  if ((state == LinkState::up) != (edge.state == LinkState::up)) edge.state_since = Clock::now();
  edge.state = state;
}

// --- coroutines ----------------------------------------------------------------------------------

void Table::run(std::string name, Task<void> body, std::shared_ptr<void> keep) {
  ++running_;
  spawn(io_, fmt::format("{}: {}", self_.name, name), log_, std::move(body),
        [self = shared_from_this(), keep = std::move(keep)] {
          --self->running_;
          self->check_done();
        });
}

void Table::check_done() {
  if (stopping_ && running_ == 0) finish_stop();
}

void Table::finish_stop() {
  stop_deadline_.cancel();
  if (auto done = std::exchange(done_, nullptr)) done();
}

std::shared_ptr<Edge> Table::find(const std::string& name) {
  for (const auto& edge : edges_) {
    if (edge->neighbor.name == name) return edge;
  }
  return nullptr;
}

std::shared_ptr<Edge> Table::owner_of_key(const Connection& connection) {
  const std::optional<KeyPin> key = connection.peer_key();
  for (const auto& edge : edges_) {
    if (key && std::ranges::find(edge->neighbor.keys, *key) != edge->neighbor.keys.end()) {
      return edge;
    }
  }
  return nullptr;
}

Edge& Table::edge_of(NodeId peer) {
  const auto it = std::find_if(edges_.begin(), edges_.end(),
                               [peer](const auto& edge) { return edge->neighbor.id == peer; });
  INVARIANT(it != edges_.end());
  return **it;
}

}  // namespace starling::peer
