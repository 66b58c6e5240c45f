#include "peer/links.h"

#include <fmt/format.h>

#include <algorithm>
#include <asio/post.hpp>
#include <utility>

#include "peer/table.h"
#include "protocol/check.h"

namespace starling::peer {
namespace {

wire::Goodbye::Reason goodbye_of(Farewell farewell) {
  switch (farewell) {
    case Farewell::finished: return wire::Goodbye::finished;
    case Farewell::stopped: return wire::Goodbye::stopped;
    case Farewell::left: return wire::Goodbye::left;
  }
  return wire::Goodbye::stopped;
}

}  // namespace

const char* name_of(LinkTrouble trouble) {
  switch (trouble) {
    case LinkTrouble::none: return "none";
    case LinkTrouble::no_address: return "no-address";
    case LinkTrouble::connection_refused: return "connection-refused";
    case LinkTrouble::timed_out: return "timed-out";
    case LinkTrouble::unreachable: return "unreachable";
    case LinkTrouble::key: return "key";
    case LinkTrouble::handshake: return "handshake";
    case LinkTrouble::mismatch: return "mismatch";
    case LinkTrouble::other_node: return "other-node";
    case LinkTrouble::stopped: return "stopped";
    case LinkTrouble::left: return "left";
    case LinkTrouble::paused: return "paused";
    case LinkTrouble::left_out: return "left-out";
    case LinkTrouble::protocol: return "protocol";
    case LinkTrouble::lost: return "lost";
  }
  return "?";
}

Result<void> check_addresses(const std::vector<Neighbor>& neighbors, bool insecure_plaintext) {
  for (const Neighbor& neighbor : neighbors) {
    const auto address = parse_address(neighbor.address);
    if (!address) return address.error();
    const auto ip = literal(address.value().host);
    if (!ip || !neighbor.keys.empty()) continue;  // judged by what it turns out to be; inside TLS
    auto allowed = allow_plaintext(*ip, insecure_plaintext, "node " + neighbor.name);
    if (!allowed) return allowed;
  }
  return {};
}

Result<void> Table::listen() {
  const auto checked = check_addresses(options_.neighbors, options_.insecure_plaintext);
  if (!checked) return checked;
  const auto own = parse_address(options_.listen_address);
  if (!own) return own.error();
  std::error_code error;
  auto ip = literal(own.value().host);
  if (!ip) {
    Tcp::resolver resolver(io_);
    const auto found = resolver.resolve(own.value().host, fmt::to_string(own.value().port), error);
    if (error || found.empty()) {
      return Error{ErrorCode::io, fmt::format("cannot listen on {}: the name is not known here: {}",
                                              options_.listen_address, sentence(error))};
    }
    ip = found.begin()->endpoint().address();
  }
  auto allowed = allow(ip->to_string(), fmt::format("node {} (this one)", self_.name));
  if (!allowed) return allowed;
  return bind(Tcp::endpoint(*ip, own.value().port));
}

// A name is judged by the address that it turns out to have.
Result<void> Table::allow(const std::string& host, const std::string& what) const {
  const auto ip = literal(host);
  if (options_.tls || !ip) return {};
  return allow_plaintext(*ip, options_.insecure_plaintext, what);
}

Result<void> Table::bind(const Tcp::endpoint& endpoint) {
  std::error_code error;
  acceptor_.open(endpoint.protocol(), error);
  if (!error) acceptor_.set_option(Tcp::acceptor::reuse_address(true), error);
  if (!error) acceptor_.bind(endpoint, error);
  if (!error) acceptor_.listen(Tcp::acceptor::max_listen_connections, error);
  if (!error) return {};
  std::error_code ignored;
  acceptor_.close(ignored);
  if (error == asio::error::address_in_use) {
    return Error{ErrorCode::address_in_use,
                 fmt::format("cannot listen on {}: another process holds that address; stop it "
                             "(`ss -ltnp` names it) or give node {} another one",
                             options_.listen_address, self_.name)};
  }
  return Error{ErrorCode::io,
               fmt::format("cannot listen on {}: {}", options_.listen_address, sentence(error))};
}

void Table::start() {
  INVARIANT(acceptor_.is_open());
  run("accepting", accept_loop());
  for (const auto& edge : edges_) {
    dial_soon(*edge);
    run("dialling " + edge->neighbor.name, dial_loop(*edge), edge);
  }
}

// The larger id lets the smaller one go first: most edges then see one connection only.
void Table::dial_soon(Edge& edge) {
  edge.delay = options_.redial_min;
  edge.dial_at = {};
  if (edge.neighbor.id < options_.self) plan_dial(edge);
}

void Table::rewire(std::vector<Neighbor> neighbors, Fingerprint fingerprint,
                   std::uint64_t body_bytes_max) {
  const bool other_run = self_.fingerprint != fingerprint;
  self_.fingerprint = std::move(fingerprint);
  body_bytes_max_ = body_bytes_max;
  std::vector<std::shared_ptr<Edge>> before = std::exchange(edges_, {});
  for (Neighbor& neighbor : neighbors) {
    const auto is_it = [&](const auto& edge) { return edge->neighbor.id == neighbor.id; };
    const auto known = std::ranges::find_if(before, is_it);
    const bool is_new = known == before.end();
    edges_.push_back(is_new ? std::make_shared<Edge>(neighbor, neighbor_rates_, io_) : *known);
    const std::shared_ptr<Edge> edge = edges_.back();
    if (!is_new) {
      before.erase(known);
      edge->neighbor.address = std::move(neighbor.address);
      edge->neighbor.away = neighbor.away;
      if (edge->neighbor.keys != neighbor.keys) replace_keys(neighbor.id, std::move(neighbor.keys));
      if (other_run) part(*edge, self_.name + " has another graph now");
    }
    if (!edge->session) dial_soon(*edge);
    edge->wake.cancel();
    if (is_new && !stopping_) run("dialling " + edge->neighbor.name, dial_loop(*edge), edge);
  }
  for (const auto& edge : before) {
    edge->gone = true;
    part(*edge, fmt::format("{} has no edge to {} any more", self_.name, edge->neighbor.name));
    edge->wake.cancel();
  }
}

// Closes all that there is, established or not; the owner is told nothing.
void Table::part(Edge& edge, const std::string& why) {
  abandon_dial(edge);
  drop_pending(edge, nullptr);
  if (!edge.session) return;
  edge.session->leave({.kind = SessionEnd::Kind::ended_here, .reason = why},
                      wire::Goodbye::reloaded, why, true, kLingerMax);
  lose_session(edge);
}

void Table::send(NodeId to, const ExchangeTag& tag, SharedBytes body) {
  Edge& edge = edge_of(to);
  if (!edge.session || edge.session->end() || tag.epoch != edge.last_epoch) return;
  const bool taken = edge.session->send(
      {.type = tag.type, .round = tag.round, .exchange = tag.exchange, .base_hash = tag.base_hash},
      std::move(body));
  if (!taken) post_down(edge);
}

void Table::sketch(Round rounds, std::span<const std::byte> sketch) {
  for (const auto& edge : edges_) {
    if (edge->session) edge->session->sketch(rounds, sketch);
  }
}

void Table::ping(NodeId peer, Session::Pinged done) {
  Edge& edge = edge_of(peer);
  if (edge.session && !edge.session->end()) return edge.session->ping(std::move(done));
  asio::post(io_, [done = std::move(done), reason = edge.reason] {
    done(Error{ErrorCode::io, "no link is up: " + reason});
  });
}

void Table::say_goodbye(NodeId peer, wire::Goodbye::Reason reason, const std::string& why) {
  Edge& edge = edge_of(peer);
  if (!edge.session || edge.session->end()) return;
  const bool misbehaved = reason == wire::Goodbye::misbehaved;
  const char* const what = misbehaved ? "it broke the protocol" : "it was left out";
  edge.session->leave(
      {.kind = misbehaved ? SessionEnd::Kind::broke_protocol : SessionEnd::Kind::ended_here,
       .reason = fmt::format("{}: {}", what, why),
       .redial_slowly = true,
       .trouble = misbehaved ? LinkTrouble::protocol : LinkTrouble::left_out},
      reason, why, false, kLingerMax);
  post_down(edge);
}

void Table::consumed(NodeId peer, std::uint64_t bytes) {
  const auto it = std::ranges::find(edges_, peer, [](const auto& e) { return e->neighbor.id; });
  if (it == edges_.end()) return;
  Edge& edge = **it;
  if (edge.session) return edge.session->consumed(bytes);
  INVARIANT(bytes <= edge.unread_bytes);
  edge.unread_bytes -= bytes;
}

void Table::replace_keys(NodeId peer, std::vector<KeyPin> keys) {
  INVARIANT(options_.tls && !keys.empty());
  Edge& edge = edge_of(peer);
  edge.neighbor.keys = std::move(keys);
  // Whoever is in its handshake proves itself anew.
  abandon_dial(edge);
  drop_pending(edge, nullptr);
  if (!edge.session || edge.session->end()) return;
  const std::string key = text_of(*edge.session->connection().peer_key());
  if (!judge_key(edge, edge.session->connection())) return;
  edge.session->fail({.kind = SessionEnd::Kind::ended_here,
                      .reason = fmt::format("its key {} is pinned no more", key),
                      .redial_slowly = true});
  post_down(edge);
}

void Table::hold(NodeId peer, const std::string& why) {
  Edge& edge = edge_of(peer);
  if (edge.held) return;
  edge.held = true;
  abandon_dial(edge);
  drop_pending(edge, nullptr);
  edge.reason = "paused here: " + why;
  edge.trouble = LinkTrouble::paused;
  if (!edge.session || edge.session->end()) return;
  edge.session->leave(
      {.kind = SessionEnd::Kind::ended_here, .reason = edge.reason, .trouble = LinkTrouble::paused},
      wire::Goodbye::paused, why, true, kLingerMax);
  post_down(edge);
}

void Table::release(NodeId peer) {
  Edge& edge = edge_of(peer);
  if (!edge.held) return;
  edge.held = false;
  edge.reason = "not dialled since the pause";
  edge.trouble = LinkTrouble::none;
  dial_soon(edge);
  edge.wake.cancel();
}

void Table::set_round(Round round) {
  round_ = round;
  for (const auto& edge : edges_) {
    if (edge->session) edge->session->set_round(round);
  }
}

void Table::stop(Farewell farewell, Duration deadline, std::function<void()> done) {
  INVARIANT(!done_);
  done_ = std::move(done);
  end_handshakes();
  for (const auto& edge : edges_) {
    if (!edge->session) continue;
    // Links that take too long are closed a little before `done` is called.
    edge->session->leave({.kind = SessionEnd::Kind::ended_here, .reason = "this node stops"},
                         goodbye_of(farewell), "", true, deadline - deadline / 8);
    post_down(*edge);
  }
  stop_deadline_.expires_after(deadline);
  stop_deadline_.async_wait([self = shared_from_this()](std::error_code cancelled) {
    if (!cancelled) self->finish_stop();
  });
  asio::post(io_, [self = shared_from_this()] { self->check_done(); });
}

void Table::end_handshakes() {
  stopping_ = true;
  std::error_code ignored;
  acceptor_.close(ignored);
  accept_wake_.cancel();
  for (const auto& connection : handshakes_) connection->close();
  for (const auto& edge : edges_) {
    abandon_dial(*edge);
    edge->wake.cancel();
  }
}

void Table::shut() {
  shut_ = true;
  done_ = nullptr;
  stop_deadline_.cancel();
  end_handshakes();
  for (const auto& edge : edges_) {
    if (edge->session) edge->session->fail({.reason = "this node is gone"});
  }
}

std::vector<LinkStatus> Table::status() const {
  std::vector<LinkStatus> all;
  for (const auto& edge : edges_) {
    LinkStatus s{.peer = edge->neighbor.id,
                 .state = edge->state,
                 .reason = edge->reason,
                 .trouble = edge->session ? LinkTrouble::none : edge->trouble,
                 .in_state = Clock::now() - edge->state_since,
                 .epoch = edge->last_epoch,
                 .round = edge->round,
                 .sent_bytes = edge->sent_bytes,
                 .received_bytes = edge->received_bytes,
                 .sending = edge->sending,
                 .losses = edge->losses,
                 .refusals = edge->refusals,
                 .dials = edge->dials,
                 .held = edge->held,
                 .away = edge->neighbor.away,
                 .last_reason = edge->last_reason};
    if (s.state == LinkState::down && !edge->held) {
      s.redial_in = std::max(Duration{0}, Duration{edge->dial_at - Clock::now()});
    }
    if (const Session* session = edge->session.get()) {
      s.round = session->peer_round();
      s.sent_bytes += session->connection().traffic().sent_bytes();
      s.received_bytes += session->connection().traffic().received_bytes();
      s.sending += session->sending();
    }
    all.push_back(std::move(s));
  }
  return all;
}

// The public face: calls go straight through.
class Links::Impl {
 public:
  std::shared_ptr<Table> table;
};

Links::Links(asio::io_context& io, LinkOptions options, PeerEvents& events,
             std::shared_ptr<spdlog::logger> log)
    : impl_(std::make_unique<Impl>()) {
  impl_->table = std::make_shared<Table>(io, std::move(options), events, std::move(log));
}

Links::~Links() { impl_->table->shut(); }

Result<void> Links::listen() { return impl_->table->listen(); }
void Links::start() { impl_->table->start(); }
void Links::send(NodeId to, const ExchangeTag& tag, SharedBytes body) {
  impl_->table->send(to, tag, std::move(body));
}
void Links::sketch(Round rounds, std::span<const std::byte> sketch) {
  impl_->table->sketch(rounds, sketch);
}
void Links::ping(NodeId peer, std::function<void(Result<Duration>)> done) {
  impl_->table->ping(peer, std::move(done));
}
void Links::left_out(NodeId peer, const std::string& why) {
  impl_->table->say_goodbye(peer, wire::Goodbye::left_out, why);
}
void Links::misbehaved(NodeId peer, const std::string& why) {
  impl_->table->say_goodbye(peer, wire::Goodbye::misbehaved, why);
}
void Links::consumed(NodeId peer, std::uint64_t bytes) { impl_->table->consumed(peer, bytes); }
void Links::replace_keys(NodeId peer, std::vector<KeyPin> keys) {
  impl_->table->replace_keys(peer, std::move(keys));
}
void Links::hold(NodeId peer, const std::string& why) { impl_->table->hold(peer, why); }
void Links::release(NodeId peer) { impl_->table->release(peer); }
void Links::set_round(Round round) { impl_->table->set_round(round); }
void Links::limit(const RateLimits& all, const RateLimits& each) { impl_->table->limit(all, each); }
std::vector<DayUse> Links::day_use() const { return impl_->table->day_use(); }
void Links::set_day_used(std::optional<NodeId> peer, std::uint64_t used, Duration ago) {
  impl_->table->set_day_used(peer, used, ago);
}
void Links::rewire(std::vector<Neighbor> neighbors, Fingerprint fingerprint,
                   std::uint64_t body_bytes_max) {
  impl_->table->rewire(std::move(neighbors), std::move(fingerprint), body_bytes_max);
}
void Links::stop(Farewell farewell, Duration deadline, std::function<void()> done) {
  impl_->table->stop(farewell, deadline, std::move(done));
}
std::vector<LinkStatus> Links::status() const { return impl_->table->status(); }

}  // namespace starling::peer
