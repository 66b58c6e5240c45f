// The dialling half of the table.
#include <fmt/format.h>

#include <algorithm>

#include "peer/table.h"

namespace starling::peer {

Task<void> Table::dial_loop(Edge& edge) {
  while (!stopping_ && !edge.gone) {
    const bool busy = edge.session || !edge.pending.empty() || edge.held;
    if (!busy && Clock::now() >= edge.dial_at) {
      co_await dial_once(edge);
      continue;
    }
    edge.wake.expires_at(busy ? kNever : edge.dial_at);
    co_await edge.wake.async_wait(awaited());
  }
}

Task<void> Table::dial_once(Edge& edge) {
  const auto dial = std::make_shared<Dial>();
  const auto connection = std::make_shared<Connection>(io_);
  dial->connection = connection;
  connection->close_after(options_.handshake_max);
  edge.dial = dial;
  ++edge.dials;
  update_state(edge);

  Result<void> connected = co_await connect(edge, *dial);
  if (connected && options_.tls && !dial->abandoned) {
    dial->trouble = LinkTrouble::key;
    connected =
        co_await connection->secure(*options_.tls, TlsStream::Side::dialler, edge.neighbor.keys);
  }
  Answer answer;
  if (!connected) {
    answer.error = connected.error();
  } else if (!dial->abandoned) {
    dial->hello_sent = true;
    dial->trouble = LinkTrouble::handshake;
    answer = co_await say_hello(*connection,
                                make_hello(self_, edge.neighbor.name, edge.last_epoch, round_));
  }
  edge.dial = nullptr;
  if (dial->abandoned) {
    plan_dial(edge);
    update_state(edge);
    co_return;
  }
  co_await take_answer(edge, *dial, std::move(answer));
  update_state(edge);
}

Task<Result<std::vector<Tcp::endpoint>>> Table::look_up(const Edge& edge, Dial& dial) {
  const HostPort address = parse_address(edge.neighbor.address).value();  // listen() checked it
  std::vector<Tcp::endpoint> endpoints;
  if (const auto ip = literal(address.host)) {
    endpoints.emplace_back(*ip, address.port);
    co_return endpoints;
  }
  dial.resolver = std::make_shared<Tcp::resolver>(io_);
  const auto [error, found] =
      co_await dial.resolver->async_resolve(address.host, fmt::to_string(address.port), awaited());
  if (error) {
    dial.trouble = LinkTrouble::no_address;
    co_return Error{ErrorCode::io,
                    fmt::format("the name {} is not known: {}", address.host, sentence(error))};
  }
  for (const auto& entry : found) endpoints.push_back(entry.endpoint());
  co_return endpoints;
}

Task<Result<void>> Table::connect(const Edge& edge, Dial& dial) {
  const auto endpoints = co_await look_up(edge, dial);
  if (!endpoints) co_return endpoints.error();
  Result<void> last = Error{ErrorCode::io, "its name has no address"};
  dial.trouble = LinkTrouble::unreachable;
  for (const Tcp::endpoint& endpoint : endpoints.value()) {
    last = allow(endpoint.address().to_string(), edge.neighbor.name);
    if (!last) continue;
    // Asio would open a closed socket again.
    if (dial.abandoned || dial.connection->timed_out()) {
      dial.trouble = LinkTrouble::timed_out;
      co_return Error{ErrorCode::io, "no connection before the deadline"};
    }
    last = co_await connect_to(endpoint, dial);
    if (last) break;
  }
  co_return last;
}

Task<Result<void>> Table::connect_to(Tcp::endpoint endpoint, Dial& dial) {
  Tcp::socket& socket = dial.connection->socket();
  auto [error] = co_await socket.async_connect(endpoint, awaited());
  if (dial.connection->timed_out()) {
    dial.trouble = LinkTrouble::timed_out;
    co_return Error{ErrorCode::io, "no connection before the deadline"};
  }
  if (!error) {
    // Dialling a free local port can meet itself: TCP's simultaneous open.
    std::error_code gone;
    if (socket.local_endpoint(gone) == socket.remote_endpoint(gone)) {
      error = asio::error::connection_refused;
    }
  }
  if (error) {
    std::error_code ignored;
    socket.close(ignored);
    dial.trouble = error == asio::error::connection_refused ? LinkTrouble::connection_refused
                   : error == asio::error::timed_out        ? LinkTrouble::timed_out
                                                            : LinkTrouble::unreachable;
    co_return Error{ErrorCode::io, sentence(error)};
  }
  dial.connection->connected();
  co_return Result<void>{};
}

Task<void> Table::take_answer(Edge& edge, const Dial& dial, Answer answer) {
  const std::shared_ptr<Connection> connection = dial.connection;
  if (answer.welcome) {
    auto refusal = judge(self_, *answer.welcome, edge.neighbor.name);
    if (refusal) tell_difference(edge, *refusal, true);
    if (!refusal && edge.neighbor.away) refusal = refusal_of_absent(edge.neighbor.name);
    const Epoch epoch = answer.welcome->epoch();
    if (refusal) {
      refused(edge, *refusal, true, connection->remote());
      edge.delay = std::max(edge.delay, options_.redial_refused);
      plan_dial(edge);
      co_await refuse(connection, *refusal);
      co_return;
    }
    const Epoch most = epoch_told_max(edge.last_epoch) + 1;
    if (epoch > edge.last_epoch && epoch <= most) {
      up(edge, connection,
         {.epoch = epoch, .round = answer.welcome->round(), .told = round_, .dialled = true});
      co_return;
    }
    answer.error = Error{ErrorCode::peer, fmt::format("its epoch is {}, expected {} to {}", epoch,
                                                      edge.last_epoch + 1, most)};
  }
  if (answer.refusal) {
    tell_difference(edge, *answer.refusal, false);
    refused(edge, *answer.refusal, false, connection->remote());
    // After a tie the winning connection is on its way; otherwise nothing changes soon.
    if (answer.refusal->reason() != wire::Refusal::duplicate) {
      edge.delay = std::max(edge.delay, options_.redial_refused);
    }
    plan_dial(edge);
  }
  if (answer.error) dial_failed(edge, *answer.error, dial.trouble);
  connection->close();
}

void Table::dial_failed(Edge& edge, const Error& why, LinkTrouble trouble) {
  if (stopping_) return;
  // A rule was broken, or the address is not allowed.
  const bool slowly = why.code != ErrorCode::io;
  if (slowly) edge.delay = std::max(edge.delay, options_.redial_refused);
  const std::string reason = edge.lost.empty()
                                 ? "never connected: " + why.message
                                 : fmt::format("{}; redialling: {}", edge.lost, why.message);
  // That it is not there is no news of one that has left.
  const bool expected = edge.trouble == LinkTrouble::left && !slowly;
  if (!expected) {
    edge.reason = edge.last_reason = reason;
    edge.trouble = trouble;
  }
  if (slowly) ++edge.refusals;
  plan_dial(edge);
  if (expected) return;
  // A neighbor may be away for hours: it is said once, and again when the reason is another one.
  if (reason == edge.dial_told) return;
  const auto now = Clock::now();
  const auto more = edge.log_gate.passes(slowly ? "dial refused" : "dial", now);
  if (!more) return;
  edge.dial_told = reason;
  log_->log(slowly ? spdlog::level::warn : spdlog::level::info, "{} ({}): {}; again in {:.2f} s{}",
            edge.neighbor.name, edge.neighbor.address, reason, seconds(edge.dial_at - now), *more);
}

void Table::abandon_dial(Edge& edge) {
  if (!edge.dial) return;
  edge.dial->abandoned = true;
  edge.dial->connection->close();
  if (edge.dial->resolver) edge.dial->resolver->cancel();
}

void Table::plan_dial(Edge& edge) {
  const Random random(options_.seed, Stream::redial_jitter,
                      {index_of(options_.self), index_of(edge.neighbor.id)});
  const double share = 0.5 + 0.5 * random.uniform(edge.jitters++);
  const auto wait =
      std::chrono::duration<double, std::nano>(share * static_cast<double>(edge.delay.count()));
  edge.dial_at = Clock::now() + std::chrono::duration_cast<Duration>(wait);
  edge.delay = std::min(2 * edge.delay, options_.redial_max);
}

}  // namespace starling::peer
