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
#include "peer/limits.h"
#include "peer/links.h"
#include "peer/log_gate.h"
#include "peer/session.h"
#include "peer/thread_share.h"
#include "protocol/random.h"

namespace starling::peer {

// A dial of ours, from the look-up of the name to the answer.
struct Dial {
  std::shared_ptr<Connection> connection;
  std::shared_ptr<Tcp::resolver> resolver;
  bool hello_sent = false;
  bool abandoned = false;
  LinkTrouble trouble = LinkTrouble::lost;  // of the error with which it ends
};

// A connection of theirs, its Hello accepted. It may wait for the proof that the link we think is
// up is dead (`held`), or for the Heartbeat that brings the new one up.
struct Pending {
  std::shared_ptr<Connection> connection;
  bool held = false;
};

// Both directions of one link, or of all; they outlive each connection that they limit.
struct PacePair {
  explicit PacePair(const RateLimits& rates)
      : sending(std::make_shared<Pace>(rates.send)),
        receiving(std::make_shared<Pace>(rates.receive)),
        day(std::make_shared<Pace>(Pace::of_day(rates.per_day))) {}
  void become(const RateLimits& rates, Clock::time_point now) const {
    const PacePair other(rates);
    sending->become(*other.sending, now);
    receiving->become(*other.receiving, now);
    day->become(*other.day, now);
  }
  std::shared_ptr<Pace> sending, receiving;
  std::shared_ptr<Pace> day;  // of both
};

struct Edge : std::enable_shared_from_this<Edge> {
  Edge(Neighbor neighbor_, const RateLimits& rates, asio::io_context& io)
      : neighbor(std::move(neighbor_)), last_epoch(neighbor.last_epoch), wake(io), paces(rates) {}

  Neighbor neighbor;                 // its address and keys may change
  bool gone = false;                 // from the graph: its coroutines end
  bool held = false;                 // see Links::hold
  std::shared_ptr<Session> session;  // set: the edge is up
  std::shared_ptr<Dial> dial;
  std::vector<std::shared_ptr<Pending>> pending;

  Epoch last_epoch;
  Round round = 0;
  std::string lost;         // why it went down last; empty until it was up once
  std::string last_reason;  // see LinkStatus, as the next
  std::uint64_t losses = 0, refusals = 0;
  std::string reason = "not dialled yet";
  LinkTrouble trouble = LinkTrouble::none;       // of the reason
  Clock::time_point state_since = Clock::now();  // up, or not up: dialling does not count
  LinkState state = LinkState::down;
  std::uint64_t sent_bytes = 0, received_bytes = 0;  // of the sessions before
  Duration sending{0};                               // likewise
  std::uint64_t unread_bytes = 0;                    // while no session counts them

  asio::steady_timer wake;  // of its dial loop
  PacePair paces;
  Clock::time_point dial_at{};
  Clock::time_point barred_until{};  // it broke the protocol
  Duration delay{};                  // before the next dial
  std::uint64_t jitters = 0;
  std::uint64_t dials = 0;  // since it was up last
  std::string dial_told;    // the newest failure to dial that was logged since the edge was up
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
  void sketch(Round rounds, std::span<const std::byte> sketch);
  void ping(NodeId peer, Session::Pinged done);
  void say_goodbye(NodeId peer, wire::Goodbye::Reason reason, const std::string& why);
  void consumed(NodeId peer, std::uint64_t bytes);
  void replace_keys(NodeId peer, std::vector<KeyPin> keys);
  void hold(NodeId peer, const std::string& why);
  void release(NodeId peer);
  void set_round(Round round);
  void rewire(std::vector<Neighbor> neighbors, Fingerprint fingerprint,
              std::uint64_t body_bytes_max);
  void stop(Farewell farewell, Duration deadline, std::function<void()> done);
  void shut();
  std::vector<LinkStatus> status() const;
  // table_limits.cc: likewise.
  void limit(const RateLimits& all, const RateLimits& each);
  std::vector<DayUse> day_use() const;
  void set_day_used(std::optional<NodeId> peer, std::uint64_t used, Duration ago);

 private:
  // links.cc
  Result<void> bind(const Tcp::endpoint& endpoint);
  Result<void> allow(const std::string& host, const std::string& what) const;
  void end_handshakes();
  void dial_soon(Edge& edge);
  void part(Edge& edge, const std::string& why);

  // dial.cc
  Task<void> dial_loop(Edge& edge);
  Task<void> dial_once(Edge& edge);
  Task<Result<std::vector<Tcp::endpoint>>> look_up(const Edge& edge, Dial& dial);
  Task<Result<void>> connect(const Edge& edge, Dial& dial);
  Task<Result<void>> connect_to(Tcp::endpoint endpoint, Dial& dial);
  Task<void> take_answer(Edge& edge, const Dial& dial, Answer answer);
  void dial_failed(Edge& edge, const Error& why, LinkTrouble trouble);
  void abandon_dial(Edge& edge);
  void plan_dial(Edge& edge);

  // accept.cc
  Task<void> accept_loop();
  bool has_room_for(const Connection& connection);
  std::size_t strangers_max_from(const asio::ip::address& address) const;
  // TLS, or the rule for plain TCP.
  Task<Result<void>> admit(Connection& connection);
  Task<void> incoming(std::shared_ptr<Connection> connection);
  // Not one of the keys of the neighbor that it says it is.
  std::optional<wire::Refusal> judge_key(const Edge& edge, const Connection& connection) const;
  // It has come further than the edge can have.
  static std::optional<wire::Refusal> judge_epoch(const Edge& edge, Epoch told);
  // A first frame that is no Hello; TLS may have shown whose it is.
  void no_hello(const Connection& connection, const Error& error);
  // `code`: of LogGate.
  void log_stranger(const Connection& connection, const std::string& code, const std::string& why);
  Task<void> answer_hello(std::shared_ptr<Connection> connection, wire::Hello hello);
  // The rule for more than one connection; README.md explains it.
  std::optional<wire::Refusal> settle(Edge& edge);
  Task<std::optional<wire::Refusal>> hold(Edge& edge, std::shared_ptr<Pending> pending);
  Task<void> welcome(Edge& edge, std::shared_ptr<Pending> pending, wire::Hello hello);
  Task<void> refuse(std::shared_ptr<Connection> connection, wire::Refusal refusal);
  void drop_pending(Edge& edge, const Connection* except);
  void drop_oldest(Edge& edge);

  // table.cc
  struct Handshake {
    Epoch epoch;
    Round round;   // the peer's
    Round told;    // ours, as the peer knows it
    bool dialled;  // by us: the first heartbeat is ours to send
  };
  void up(Edge& edge, std::shared_ptr<Connection> connection, Handshake handshake);
  void down(Edge& edge);
  // The same without a word to the owner.
  void lose_session(Edge& edge);
  Task<void> serve(Edge& edge, std::shared_ptr<Session> session);
  Task<void> receive_all(Edge& edge, const std::shared_ptr<Session>& session);
  // For an end that was decided inside a call to Links: peer_down follows from the io context.
  void post_down(Edge& edge);
  void refused(Edge& edge, const wire::Refusal& refusal, bool by_us, const std::string& remote);
  // Of who is known to be the neighbor: in which field its run is another one.
  void tell_difference(const Edge& edge, const wire::Refusal& refusal, bool by_us);
  // `code`: of LogGate.
  void note_refusal(Edge& edge, const std::string& code, const std::string& reason,
                    LinkTrouble trouble, const std::string& remote);
  void log_down(Edge& edge, const SessionEnd& end);
  void update_state(Edge& edge);
  void run(std::string name, Task<void> body, std::shared_ptr<void> keep = nullptr);
  void check_done();
  void finish_stop();
  std::shared_ptr<Edge> find(const std::string& name);
  // Whose key is at the other end; null on a plain connection.
  std::shared_ptr<Edge> owner_of_key(const Connection& connection);
  Edge& edge_of(NodeId peer);

  std::size_t handshakes_max() const;

  // Constant after construction.
  asio::io_context& io_;
  const LinkOptions options_;  // but for what rewire() changes, which is as it was at first
  PeerEvents& events_;         // outlives Links; not touched once shut_
  const std::shared_ptr<spdlog::logger> log_;

  Introduction self_;
  std::uint64_t body_bytes_max_;  // of an exchange
  const PacePair paces_;          // of all links together
  RateLimits neighbor_rates_;     // of each that is to come
  // In the order of the options. A coroutine of an edge holds it: it may go while that waits.
  std::vector<std::shared_ptr<Edge>> edges_;
  Tcp::acceptor acceptor_;
  std::set<std::shared_ptr<Connection>> handshakes_;  // accepted, not up yet
  asio::steady_timer accept_wake_;
  ThreadShare strangers_share_{kStrangersShare};
  LogGate stranger_gate_;
  Round round_ = 0;

  bool stopping_ = false;
  bool shut_ = false;
  std::size_t running_ = 0;  // coroutines
  std::function<void()> done_;
  asio::steady_timer stop_deadline_;
};

}  // namespace starling::peer
