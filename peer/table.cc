#include "peer/table.h"

#include <fmt/format.h>

#include <algorithm>
#include <asio/post.hpp>
#include <utility>

#include "peer/spawn.h"
#include "protocol/check.h"

namespace starling::peer {
namespace {

// Connections that say nothing, or nothing yet, cannot keep more than these from being accepted.
constexpr std::size_t kStrangersMax = 32;
constexpr std::uint64_t kFramesMax = 4;  // the default bound of the queues

std::uint64_t bytes_or_frames(std::uint64_t bytes, const FrameLimits& limits) {
  if (bytes != 0) return bytes;
  return kFramesMax * (kFrameHeaderBytes + limits.message_bytes_max + limits.body_bytes_max);
}

}  // namespace

Table::Table(asio::io_context& io, LinkOptions options, PeerEvents& events,
             std::shared_ptr<spdlog::logger> log)
    : io_(io),
      options_(std::move(options)),
      self_{options_.self_name, options_.fingerprint},
      limits_{.message_bytes_max = kHandshakeLimits.message_bytes_max,
              .body_bytes_max = options_.body_bytes_max},
      handshakes_max_(kStrangersMax + 2 * options_.neighbors.size()),
      events_(events),
      log_(std::move(log)),
      acceptor_(io),
      accept_wake_(io),
      stop_deadline_(io) {
  constexpr auto kLargest = ~std::uint32_t{0};
  for (const Neighbor& neighbor : options_.neighbors) {
    INVARIANT(neighbor.id != options_.self && neighbor.name != self_.name);
    const auto hello = make_hello(self_, neighbor.name, kLargest, kLargest);
    INVARIANT(hello.ByteSizeLong() + 8 <= kHandshakeLimits.message_bytes_max);
    edges_.push_back(std::make_unique<Edge>(neighbor, io));
  }
}

// --- an edge comes and goes ----------------------------------------------------------------------

void Table::up(Edge& edge, std::shared_ptr<Connection> connection, Handshake handshake) {
  if (edge.session) {
    edge.session->fail(
        {.kind = SessionEnd::Kind::ended_here,
         .reason = fmt::format("{} came back on a new connection", edge.neighbor.name)});
    down(edge);
  }
  drop_pending(edge, connection.get());
  const SessionOptions options{
      .peer = edge.neighbor.name,
      .epoch = handshake.epoch,
      .limits = limits_,
      .heartbeat_every = options_.heartbeat_every,
      .silence_max = options_.silence_max,
      .queue_bytes_max = bytes_or_frames(options_.queue_bytes_max, limits_),
      .unread_bytes_max = bytes_or_frames(options_.unread_bytes_max, limits_)};
  const std::string remote = connection->remote();
  auto session =
      std::make_shared<Session>(std::move(connection), options, handshake.round, edge.unread_bytes);
  session->set_round(round_);
  if (handshake.dialled) session->beat(round_);
  edge.session = session;
  edge.last_epoch = handshake.epoch;
  edge.reason.clear();
  update_state(edge);
  log_->info("{} is up, epoch {} ({} {})", edge.neighbor.name, handshake.epoch,
             handshake.dialled ? "dialled at" : "it dialled from", remote);
  run("link to " + edge.neighbor.name, serve(edge, session), session);
  run("writing to " + edge.neighbor.name, session->write_loop(), session);
  run("heartbeats to " + edge.neighbor.name, session->pulse_loop(), session);
  events_.peer_up(edge.neighbor.id, handshake.epoch, handshake.round);
}

void Table::down(Edge& edge) {
  const std::shared_ptr<Session> session = std::move(edge.session);
  edge.session = nullptr;
  const SessionEnd& end = *session->end();
  edge.unread_bytes = session->unread_bytes();
  edge.sent_bytes += session->connection().sent_bytes();
  edge.received_bytes += session->connection().received_bytes();
  edge.round = session->peer_round();
  edge.lost = edge.reason = end.reason;
  const auto now = Clock::now();
  // A link has to live longer than the wait before it to be worth a short wait again.
  if (now - edge.state_since >= edge.delay) edge.delay = options_.redial_min;
  if (end.redial_slowly) edge.delay = std::max(edge.delay, options_.redial_refused);
  if (end.kind == SessionEnd::Kind::broke_protocol) {
    edge.barred_until = now + options_.redial_refused / 2;
    if (edge.log_gate.passes(end.reason, now)) log_->warn("{}: {}", edge.neighbor.name, end.reason);
  } else {
    log_->info("{} is down, epoch {}: {}", edge.neighbor.name, edge.last_epoch, end.reason);
  }
  plan_dial(edge);
  for (const auto& pending : edge.pending) {
    if (pending->held) pending->connection->socket().cancel();
  }
  update_state(edge);
  edge.wake.cancel();
  if (!shut_) events_.peer_down(edge.neighbor.id, end.reason);
}

void Table::post_down(Edge& edge) {
  asio::post(io_, [self = shared_from_this(), &edge, session = edge.session] {
    if (edge.session == session && !self->shut_) self->down(edge);
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
    events_.received(edge.neighbor.id, incoming->header, std::move(incoming->body));
  }
}

// --- what people see -----------------------------------------------------------------------------

void Table::refused(Edge& edge, const wire::Refusal& refusal, bool by_us,
                    const std::string& remote) {
  const std::string reason = sentence(refusal, by_us, edge.neighbor.name);
  // The everyday outcome of two dials at once.
  const bool tie = refusal.reason() == wire::Refusal::duplicate && refusal.text().empty();
  if (!edge.session && !tie) edge.reason = reason;
  if (tie) {
    log_->debug("{} ({}): {}", edge.neighbor.name, remote, reason);
  } else if (edge.log_gate.passes(reason, Clock::now())) {
    log_->warn("{} ({}): link refused: {}", edge.neighbor.name, remote, reason);
  }
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

Edge* Table::find(const std::string& name) {
  for (const auto& edge : edges_) {
    if (edge->neighbor.name == name) return edge.get();
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
