// The listening half of the table, and the rule for more than one connection.
#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "peer/table.h"

namespace starling::peer {
namespace {

constexpr std::size_t kPendingMax = 4;  // of one neighbor; the oldest goes
constexpr std::chrono::milliseconds kAcceptPause{100};

}  // namespace

Task<void> Table::accept_loop() {
  while (!stopping_) {
    if (handshakes_.size() >= handshakes_max_) {
      accept_wake_.expires_at(kNever);
      co_await accept_wake_.async_wait(awaited());
      continue;
    }
    auto [error, socket] = co_await acceptor_.async_accept(awaited());
    if (stopping_) co_return;
    if (error) {
      const std::string why = "cannot accept a connection: " + sentence(error);
      if (stranger_gate_.passes(why, Clock::now())) log_->warn("{}", why);
      accept_wake_.expires_after(kAcceptPause);
      co_await accept_wake_.async_wait(awaited());
      continue;
    }
    const auto connection = std::make_shared<Connection>(std::move(socket));
    connection->close_after(options_.handshake_max);
    handshakes_.insert(connection);
    run("handshake with " + connection->remote(), incoming(connection), connection);
  }
}

Task<void> Table::incoming(std::shared_ptr<Connection> connection) {
  std::string failure;
  try {
    std::error_code gone;
    const auto remote = connection->socket().remote_endpoint(gone).address();
    const auto allowed = allow_plaintext(remote, options_.insecure_plaintext, "a stranger");
    Result<wire::Hello> hello = Error{ErrorCode::io, ""};
    if (allowed) hello = co_await read_hello(*connection);
    if (!allowed) {
      log_stranger(*connection, allowed.error().message);
    } else if (!hello) {
      log_stranger(*connection, hello.error().message);
    } else {
      co_await answer_hello(connection, std::move(*hello));
    }
  } catch (const std::exception& e) {
    failure = e.what();
  }
  if (!failure.empty()) log_stranger(*connection, failure);
  // The session that took it over has an edge of its own now.
  const bool is_up = std::any_of(edges_.begin(), edges_.end(), [&](const auto& edge) {
    return edge->session && &edge->session->connection() == connection.get();
  });
  if (!is_up) connection->close();
  handshakes_.erase(connection);
  accept_wake_.cancel();
}

void Table::log_stranger(const Connection& connection, const std::string& why) {
  if (stopping_) return;
  // Whoever connects and leaves without a word is a port scan or a health check.
  const bool silent = connection.received_bytes() == 0 && !connection.timed_out();
  if (!silent && stranger_gate_.passes(why, Clock::now())) {
    log_->warn("{}: connection closed: {}", connection.remote(), why);
  }
}

Task<void> Table::answer_hello(std::shared_ptr<Connection> connection, wire::Hello hello) {
  if (stopping_) co_return;
  Edge* const edge = find(hello.node());
  auto refusal = judge(self_, hello, edge != nullptr);
  if (edge && !refusal) refusal = settle(*edge);
  if (refusal) {
    if (edge) {
      refused(*edge, *refusal, true, connection->remote());
    } else {
      log_stranger(*connection, sentence(*refusal, true, "it"));
    }
    co_await refuse(connection, *refusal);
    co_return;
  }
  const auto pending = std::make_shared<Pending>(Pending{.connection = connection});
  if (edge->pending.size() >= kPendingMax) edge->pending.front()->connection->close();
  edge->pending.push_back(pending);
  update_state(*edge);
  co_await welcome(*edge, pending, std::move(hello));
  std::erase(edge->pending, pending);
  update_state(*edge);
  edge->wake.cancel();
}

std::optional<wire::Refusal> Table::settle(Edge& edge) {
  const auto refusal = [](wire::Refusal::Reason reason, const std::string& text) {
    wire::Refusal out;
    out.set_reason(reason);
    out.set_text(text);
    return out;
  };
  if (Clock::now() < edge.barred_until) {
    return refusal(wire::Refusal::unspecified,
                   fmt::format("{} takes no link from {} for a moment, since it broke the protocol",
                               self_.name, edge.neighbor.name));
  }
  if (!edge.dial) return std::nullopt;
  // The smaller id decides, alone: once its Hello is out, that connection is the one. Until then,
  // and always at the larger id, the neighbor's Hello ends a dial of our own.
  if (edge.dial->hello_sent && options_.self < edge.neighbor.id) {
    return refusal(wire::Refusal::duplicate, "");
  }
  abandon_dial(edge);
  return std::nullopt;
}

// The edge is up, and its peer says Hello again. A peer that has restarted has no old connection
// any more: a byte of ours on it brings a reset, or nothing at all. A live one is heard on it.
Task<std::optional<wire::Refusal>> Table::hold(Edge& edge, std::shared_ptr<Pending> pending) {
  const auto session = edge.session;
  const auto connection = pending->connection;
  const auto asked = Clock::now();
  session->beat(round_);
  pending->held = true;
  asio::steady_timer timer(io_,
                           std::min(options_.heartbeat_every * 3 / 2, options_.handshake_max / 2));
  timer.async_wait([pending](std::error_code cancelled) {
    if (!cancelled && pending->held) pending->connection->socket().cancel();
  });
  // A dialler has nothing to say now. down() and the timer cut this short.
  std::byte extra;
  const ReadSome read = co_await connection->read_some({&extra, 1});
  pending->held = false;
  timer.cancel();
  if (read.error != asio::error::operation_aborted) connection->close();
  if (edge.session != session || session->connection().heard() <= asked) co_return std::nullopt;
  wire::Refusal refusal;
  refusal.set_reason(wire::Refusal::duplicate);
  refusal.set_text(
      fmt::format("{} is connected to {} from {} already; does a second process run "
                  "under that name?",
                  edge.neighbor.name, self_.name, session->connection().remote()));
  co_return refusal;
}

Task<void> Table::welcome(Edge& edge, std::shared_ptr<Pending> pending, wire::Hello hello) {
  const auto connection = pending->connection;
  if (edge.session) {
    const auto refusal = co_await hold(edge, pending);
    if (!connection->is_open() || stopping_) co_return;
    if (refusal) {
      refused(edge, *refusal, true, connection->remote());
      co_await refuse(connection, *refusal);
      co_return;
    }
  }
  const Epoch epoch = 1 + std::max(edge.last_epoch, Epoch{hello.last_epoch()});
  (void)co_await write_message(*connection, FrameType::welcome, 0,
                               make_welcome(self_, epoch, round_));
  const Result<Round> round = co_await read_first_heartbeat(*connection, epoch);
  if (stopping_ || !connection->is_open()) co_return;
  if (!round) {
    log_->debug("{} ({}): handshake not finished: {}", edge.neighbor.name, connection->remote(),
                round.error().message);
    co_return;
  }
  std::erase(edge.pending, pending);
  if (epoch > edge.last_epoch) {
    up(edge, connection, {.epoch = epoch, .round = round.value(), .dialled = false});
  }
}

Task<void> Table::refuse(std::shared_ptr<Connection> connection, wire::Refusal refusal) {
  const auto written = co_await write_message(*connection, FrameType::refusal, 0, refusal);
  if (written) {
    // Waits, within the handshake's deadline, for the other end to have read it and to close.
    connection->shut_sending();
    std::byte extra;
    (void)co_await connection->read_some({&extra, 1});
  }
  connection->close();
}

void Table::drop_pending(Edge& edge, const Connection* except) {
  for (const auto& pending : edge.pending) {
    if (pending->connection.get() != except) pending->connection->close();
  }
}

}  // namespace starling::peer
