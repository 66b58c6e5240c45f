#include "peer/links.h"

#include <fmt/format.h>

#include <asio/post.hpp>

#include "peer/table.h"
#include "protocol/check.h"

namespace starling::peer {

Result<void> Table::listen() {
  for (const auto& edge : edges_) {
    const auto address = parse_address(edge->neighbor.address);
    if (!address) return address.error();
    if (const auto ip = literal(address.value().host)) {
      auto allowed =
          allow_plaintext(*ip, options_.insecure_plaintext, "node " + edge->neighbor.name);
      if (!allowed) return allowed;
    }
  }
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
  auto allowed = allow_plaintext(*ip, options_.insecure_plaintext,
                                 fmt::format("node {} (this one)", self_.name));
  if (!allowed) return allowed;
  return bind(Tcp::endpoint(*ip, own.value().port));
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
    edge->delay = options_.redial_min;
    // The larger id lets the smaller one go first: most edges then see one connection only.
    if (edge->neighbor.id < options_.self) plan_dial(*edge);
    run("dialling " + edge->neighbor.name, dial_loop(*edge));
  }
}

void Table::send(NodeId to, const ExchangeTag& tag, SharedBytes body) {
  Edge& edge = edge_of(to);
  if (!edge.session || edge.session->end() || tag.epoch != edge.last_epoch) return;
  const bool taken = edge.session->send(
      {.type = tag.type, .round = tag.round, .exchange = tag.exchange, .base_hash = tag.base_hash},
      std::move(body));
  if (!taken) post_down(edge);
}

void Table::say_goodbye(NodeId peer, wire::Goodbye::Reason reason, const std::string& why) {
  constexpr Duration kLingerMax = std::chrono::seconds{1};
  Edge& edge = edge_of(peer);
  if (!edge.session || edge.session->end()) return;
  const bool misbehaved = reason == wire::Goodbye::misbehaved;
  const char* const what = misbehaved ? "it broke the protocol" : "it was left out";
  edge.session->leave(
      {.kind = misbehaved ? SessionEnd::Kind::broke_protocol : SessionEnd::Kind::ended_here,
       .reason = fmt::format("{}: {}", what, why),
       .redial_slowly = true},
      reason, why, false, kLingerMax);
  post_down(edge);
}

void Table::consumed(NodeId peer, std::uint64_t bytes) {
  Edge& edge = edge_of(peer);
  if (edge.session) return edge.session->consumed(bytes);
  INVARIANT(bytes <= edge.unread_bytes);
  edge.unread_bytes -= bytes;
}

void Table::set_round(Round round) {
  round_ = round;
  for (const auto& edge : edges_) {
    if (edge->session) edge->session->set_round(round);
  }
}

void Table::stop(bool finished, Duration deadline, std::function<void()> done) {
  INVARIANT(!done_);
  done_ = std::move(done);
  end_handshakes();
  for (const auto& edge : edges_) {
    if (!edge->session) continue;
    // Links that take too long are closed a little before `done` is called.
    edge->session->leave({.kind = SessionEnd::Kind::ended_here, .reason = "this node stops"},
                         finished ? wire::Goodbye::finished : wire::Goodbye::stopped, "", true,
                         deadline - deadline / 8);
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
                 .in_state = Clock::now() - edge->state_since,
                 .epoch = edge->last_epoch,
                 .round = edge->round,
                 .sent_bytes = edge->sent_bytes,
                 .received_bytes = edge->received_bytes};
    if (const Session* session = edge->session.get()) {
      s.round = session->peer_round();
      s.sent_bytes += session->connection().sent_bytes();
      s.received_bytes += session->connection().received_bytes();
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
void Links::left_out(NodeId peer, const std::string& why) {
  impl_->table->say_goodbye(peer, wire::Goodbye::left_out, why);
}
void Links::misbehaved(NodeId peer, const std::string& why) {
  impl_->table->say_goodbye(peer, wire::Goodbye::misbehaved, why);
}
void Links::consumed(NodeId peer, std::uint64_t bytes) { impl_->table->consumed(peer, bytes); }
void Links::set_round(Round round) { impl_->table->set_round(round); }
void Links::stop(bool finished, Duration deadline, std::function<void()> done) {
  impl_->table->stop(finished, deadline, std::move(done));
}
std::vector<LinkStatus> Links::status() const { return impl_->table->status(); }

}  // namespace starling::peer
