// The listening half of the table, and the rule for more than one connection.
#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "peer/table.h"

namespace starling::peer {
namespace {

constexpr std::chrono::milliseconds kAcceptPause{100};

wire::Refusal refusal(wire::Refusal::Reason reason, const std::string& text) {
  wire::Refusal out;
  out.set_reason(reason);
  out.set_text(text);
  return out;
}

}  // namespace

Task<void> Table::accept_loop() {
  while (!stopping_) {
    if (handshakes_.size() >= handshakes_max()) {
      accept_wake_.expires_at(kNever);
      co_await accept_wake_.async_wait(awaited());
      continue;
    }
    auto [error, socket] = co_await acceptor_.async_accept(awaited());
    if (stopping_) co_return;
    if (error) {
      const std::string why = "cannot accept a connection: " + sentence(error);
      if (const auto more = stranger_gate_.passes("accept", Clock::now())) {
        log_->warn("{}; again in {:.2f} s{}", why, seconds(kAcceptPause), *more);
      }
      accept_wake_.expires_after(kAcceptPause);
      co_await accept_wake_.async_wait(awaited());
      continue;
    }
    const auto connection = std::make_shared<Connection>(std::move(socket));
    if (!has_room_for(*connection)) continue;
    connection->close_after(options_.handshake_max);
    handshakes_.insert(connection);
    run("handshake with " + connection->remote(), incoming(connection), connection);
  }
}

std::size_t Table::strangers_max_from(const asio::ip::address& address) const {
  std::size_t neighbors = 0;
  for (const auto& edge : edges_) {
    const HostPort at = parse_address(edge->neighbor.address).value();  // listen() checked it
    neighbors += literal(at.host) == address;
  }
  return kStrangersPerAddressMax + 2 * neighbors;
}

// One address cannot take the places of all.
bool Table::has_room_for(const Connection& connection) {
  const asio::ip::address& address = connection.remote_address();
  const auto here = static_cast<std::size_t>(
      std::ranges::count_if(handshakes_, [&](const std::shared_ptr<Connection>& other) {
        return other->remote_address() == address;
      }));
  const std::size_t most = strangers_max_from(address);
  if (here < most) return true;
  if (const auto more = stranger_gate_.passes("address full", Clock::now())) {
    log_->warn(
        "{}: {} connections in their handshake, which is the limit of one address; closing "
        "the next ones{}",
        address.to_string(), here, *more);
  }
  return false;
}

Task<Result<void>> Table::admit(Connection& connection) {
  if (!options_.tls) {
    co_return allow_plaintext(connection.remote_address(), options_.insecure_plaintext,
                              "a stranger");
  }
  std::vector<KeyPin> keys;
  for (const auto& edge : edges_)
    keys.insert(keys.end(), edge->neighbor.keys.begin(), edge->neighbor.keys.end());
  Result<void> secured = co_await connection.secure(*options_.tls, TlsStream::Side::listener,
                                                    std::move(keys), &strangers_share_);
  co_return secured;
}

Task<void> Table::incoming(std::shared_ptr<Connection> connection) {
  std::string failure;
  try {
    const Result<void> admitted = co_await admit(*connection);
    Result<wire::Hello> hello = Error{ErrorCode::io, ""};
    if (admitted) hello = co_await read_hello(*connection);
    if (!admitted) {
      const std::string& why = admitted.error().message;
      log_stranger(*connection, connection->peer_key() ? "key" : "admission: " + why, why);
      // Closing with unread bytes in the socket would reset the connection, and the other end would
      // not learn what was wrong with it.
      connection->close_after(kDrainMax);
      co_await connection->drain();
    } else if (!hello) {
      no_hello(*connection, hello.error());
    } else {
      co_await answer_hello(connection, std::move(*hello));
    }
  } catch (const std::exception& e) {
    failure = e.what();
  }
  if (!failure.empty()) log_stranger(*connection, "failure", failure);
  // The session that took it over has an edge of its own now.
  const bool is_up = std::any_of(edges_.begin(), edges_.end(), [&](const auto& edge) {
    return edge->session && &edge->session->connection() == connection.get();
  });
  if (!is_up) connection->close();
  handshakes_.erase(connection);
  accept_wake_.cancel();
}

void Table::no_hello(const Connection& connection, const Error& error) {
  const bool broke_protocol = error.code == ErrorCode::peer;
  const std::shared_ptr<Edge> edge = broke_protocol ? owner_of_key(connection) : nullptr;
  if (edge) {
    note_refusal(*edge, "handshake", error.message, LinkTrouble::handshake, connection.remote());
    return;
  }
  log_stranger(connection, broke_protocol ? "hello" : "no hello", error.message);
}

void Table::log_stranger(const Connection& connection, const std::string& code,
                         const std::string& why) {
  if (stopping_) return;
  // Whoever connects and leaves without a word is a port scan or a health check.
  const bool silent = connection.traffic().received_bytes() == 0 && !connection.timed_out();
  if (silent) return;
  if (const auto more = stranger_gate_.passes(code, Clock::now())) {
    log_->warn("{}: connection closed: {}{}", connection.remote(), why, *more);
  }
}

Task<void> Table::answer_hello(std::shared_ptr<Connection> connection, wire::Hello hello) {
  if (stopping_) co_return;
  const std::shared_ptr<Edge> edge = find(hello.node());
  auto no = judge(self_, hello, edge != nullptr);
  if (edge && no && !judge_key(*edge, *connection)) tell_difference(*edge, *no, true);
  if (edge && !no) no = judge_key(*edge, *connection);
  if (edge && !no) no = judge_epoch(*edge, hello.last_epoch());
  if (edge && !no) no = settle(*edge);
  if (no) {
    if (edge) {
      refused(*edge, *no, true, connection->remote());
    } else {
      log_stranger(*connection, fmt::format("refused {}", static_cast<int>(no->reason())),
                   sentence(*no, true, "it"));
    }
    co_await refuse(connection, *no);
    co_return;
  }
  const auto pending = std::make_shared<Pending>(Pending{.connection = connection});
  if (edge->pending.size() >= kPendingMax) drop_oldest(*edge);
  edge->pending.push_back(pending);
  update_state(*edge);
  co_await welcome(*edge, pending, std::move(hello));
  std::erase(edge->pending, pending);
  update_state(*edge);
  edge->wake.cancel();
}

void Table::drop_oldest(Edge& edge) {
  const Connection& oldest = *edge.pending.front()->connection;
  ++edge.refusals;
  edge.last_reason =
      fmt::format("{} has begun {} handshakes and finished none, expected at most {}",
                  edge.neighbor.name, edge.pending.size() + 1, kPendingMax);
  if (const auto more = edge.log_gate.passes("pending", Clock::now())) {
    log_->warn("{} ({}): {}; the oldest is closed{}", edge.neighbor.name, oldest.remote(),
               edge.last_reason, *more);
  }
  edge.pending.front()->connection->close();
}

std::optional<wire::Refusal> Table::judge_key(const Edge& edge,
                                              const Connection& connection) const {
  if (!options_.tls) return std::nullopt;
  const KeyPin key = connection.peer_key().value();
  if (std::ranges::find(edge.neighbor.keys, key) != edge.neighbor.keys.end()) return std::nullopt;
  return refusal(wire::Refusal::wrong_node,
                 fmt::format("the key {} is none of {} in the run file of {}", text_of(key),
                             edge.neighbor.name, self_.name));
}

std::optional<wire::Refusal> Table::judge_epoch(const Edge& edge, Epoch told) {
  const Epoch most = epoch_told_max(edge.last_epoch);
  if (told <= most) return std::nullopt;
  return refusal(wire::Refusal::unspecified,
                 fmt::format("the last epoch of {} is {}, expected at most {}", edge.neighbor.name,
                             told, most));
}

std::optional<wire::Refusal> Table::settle(Edge& edge) {
  if (edge.held) return refusal(wire::Refusal::paused, "");
  if (edge.neighbor.away) return refusal_of_absent(edge.neighbor.name);
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
    if (!cancelled && pending->held) pending->connection->interrupt();
  });
  // A dialler has nothing to say now. down() and the timer cut this short.
  std::byte extra;
  const ReadSome read = co_await connection->read_some({&extra, 1});
  pending->held = false;
  timer.cancel();
  if (read.error != asio::error::operation_aborted) connection->close();
  if (edge.session != session || session->connection().traffic().heard() <= asked)
    co_return std::nullopt;
  co_return refusal(
      wire::Refusal::duplicate,
      fmt::format("{} is connected to {} from {} already; does a second process run under that "
                  "name?",
                  edge.neighbor.name, self_.name, session->connection().remote()));
}

Task<void> Table::welcome(Edge& edge, std::shared_ptr<Pending> pending, wire::Hello hello) {
  const auto connection = pending->connection;
  if (edge.session) {
    const auto no = co_await hold(edge, pending);
    if (!connection->is_open() || stopping_) co_return;
    if (no) {
      refused(edge, *no, true, connection->remote());
      co_await refuse(connection, *no);
      co_return;
    }
  }
  const Epoch epoch = 1 + std::max(edge.last_epoch, Epoch{hello.last_epoch()});
  const Round told = round_;
  (void)co_await write_message(*connection, FrameType::welcome, 0,
                               make_welcome(self_, epoch, told));
  const Result<Round> round = co_await read_first_heartbeat(*connection, epoch);
  if (stopping_ || !connection->is_open()) co_return;
  if (!round && round.error().code == ErrorCode::peer) {
    note_refusal(edge, "handshake", round.error().message, LinkTrouble::handshake,
                 connection->remote());
    co_return;
  }
  if (!round) {
    log_->debug("{} ({}): handshake not finished: {}", edge.neighbor.name, connection->remote(),
                round.error().message);
    co_return;
  }
  std::erase(edge.pending, pending);
  if (epoch > edge.last_epoch) {
    up(edge, connection, {.epoch = epoch, .round = round.value(), .told = told, .dialled = false});
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
