// What stands behind Links: the neighbors, their connections, and the coroutines that make them.
//
// Every coroutine of this folder that belongs to a Links holds the Table by shared_ptr. When Links
// goes, the Table is shut, and a coroutine that wakes later finds `shut_` and leaves without
// touching the owner.
#pragma once

#include <functional>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "peer/address.h"
#include "peer/handshake.h"
#include "peer/links.h"
#include "peer/log_gate.h"
#include "peer/session.h"
#include "protocol/random.h"

namespace starling::peer {

// A dial of ours, from the look-up of the name to the answer.
struct Dial {
  std::shared_ptr<Connection> connection;
  std::shared_ptr<Tcp::resolver> resolver;
  bool hello_sent = false;
  bool abandoned = false;
};

// A connection of theirs, its Hello accepted. It may wait for the proof that the link we think is
// up is dead (`held`), or for the Heartbeat that brings the new one up.
struct Pending {
  std::shared_ptr<Connection> connection;
  bool held = false;
};

struct Edge {
  Edge(Neighbor neighbor_, asio::io_context& io)
      : neighbor(std::move(neighbor_)), last_epoch(neighbor.last_epoch), wake(io) {}

  const Neighbor neighbor;
  std::shared_ptr<Session> session;  // set: the edge is up
  std::shared_ptr<Dial> dial;
  std::vector<std::shared_ptr<Pending>> pending;

  Epoch last_epoch;
  Round round = 0;
  std::string lost;  // why it went down last; empty until it was up once
  std::string reason = "not dialled yet";
  Clock::time_point state_since = Clock::now();  // up, or not up: dialling does not count
  LinkState state = LinkState::down;
  std::uint64_t sent_bytes = 0, received_bytes = 0;  // of the sessions before
  std::uint64_t unread_bytes = 0;                    // while no session counts them

  asio::steady_timer wake;  // of its dial loop
  Clock::time_point dial_at{};
  Clock::time_point barred_until{};  // it broke the protocol
  Duration delay{};                  // before the next dial
  std::uint64_t jitters = 0;
  LogGate log_gate;
};

class Table : public std::enable_shared_from_this<Table> {
 public:
  Table(asio::io_context& io, LinkOptions options, PeerEvents& events,
        std::shared_ptr<spdlog::logger> log);

  // links.cc: what Links promises.
  Result<void> listen();
  void start();
  void send(NodeId to, const ExchangeTag& tag, SharedBytes body);
  void say_goodbye(NodeId peer, wire::Goodbye::Reason reason, const std::string& why);
  void consumed(NodeId peer, std::uint64_t bytes);
  void set_round(Round round);
  void stop(bool finished, Duration deadline, std::function<void()> done);
  void shut();
  std::vector<LinkStatus> status() const;

 private:
  // links.cc
  Result<void> bind(const Tcp::endpoint& endpoint);
  void end_handshakes();

  // dial.cc
  Task<void> dial_loop(Edge& edge);
  Task<void> dial_once(Edge& edge);
  Task<Result<std::vector<Tcp::endpoint>>> look_up(const Edge& edge, Dial& dial);
  Task<Result<void>> connect(const Edge& edge, Dial& dial);
  Task<Result<void>> connect_to(Tcp::endpoint endpoint, Dial& dial);
  Task<void> take_answer(Edge& edge, std::shared_ptr<Connection> connection, Answer answer);
  void dial_failed(Edge& edge, const Error& why);
  void abandon_dial(Edge& edge);
  void plan_dial(Edge& edge);

  // accept.cc
  Task<void> accept_loop();
  Task<void> incoming(std::shared_ptr<Connection> connection);
  void log_stranger(const Connection& connection, const std::string& why);
  Task<void> answer_hello(std::shared_ptr<Connection> connection, wire::Hello hello);
  // The rule for more than one connection; README.md explains it.
  std::optional<wire::Refusal> settle(Edge& edge);
  Task<std::optional<wire::Refusal>> hold(Edge& edge, std::shared_ptr<Pending> pending);
  Task<void> welcome(Edge& edge, std::shared_ptr<Pending> pending, wire::Hello hello);
  Task<void> refuse(std::shared_ptr<Connection> connection, wire::Refusal refusal);
  void drop_pending(Edge& edge, const Connection* except);

  // table.cc
  struct Handshake {
    Epoch epoch;
    Round round;   // the peer's
    bool dialled;  // by us: the first heartbeat is ours to send
  };
  void up(Edge& edge, std::shared_ptr<Connection> connection, Handshake handshake);
  void down(Edge& edge);
  Task<void> serve(Edge& edge, std::shared_ptr<Session> session);
  Task<void> receive_all(Edge& edge, const std::shared_ptr<Session>& session);
  // For an end that was decided inside a call to Links: peer_down follows from the io context.
  void post_down(Edge& edge);
  void refused(Edge& edge, const wire::Refusal& refusal, bool by_us, const std::string& remote);
  void update_state(Edge& edge);
  void run(std::string name, Task<void> body, std::shared_ptr<void> keep = nullptr);
  void check_done();
  void finish_stop();
  Edge* find(const std::string& name);
  Edge& edge_of(NodeId peer);

  // Constant after construction.
  asio::io_context& io_;
  const LinkOptions options_;
  const Introduction self_;
  const FrameLimits limits_;
  const std::size_t handshakes_max_;
  PeerEvents& events_;  // outlives Links; not touched once shut_
  const std::shared_ptr<spdlog::logger> log_;

  std::vector<std::unique_ptr<Edge>> edges_;  // in the order of the options; never changes
  Tcp::acceptor acceptor_;
  std::set<std::shared_ptr<Connection>> handshakes_;  // accepted, not up yet
  asio::steady_timer accept_wake_;
  LogGate stranger_gate_;
  Round round_ = 0;

  bool stopping_ = false;
  bool shut_ = false;
  std::size_t running_ = 0;  // coroutines
  std::function<void()> done_;
  asio::steady_timer stop_deadline_;
};

}  // namespace starling::peer
