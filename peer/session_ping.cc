// How long a word takes to the peer and back.
#include <asio/post.hpp>
#include <utility>

#include "peer/session.h"

namespace starling::peer {
namespace {

// A correct peer waits for the answer to one ping before it sends the next.
constexpr std::size_t kFirstMax = 4;

}  // namespace

void Session::send_first(const wire::Heartbeat& heartbeat) {
  first_.push_back(
      {{.type = FrameType::heartbeat, .epoch = options_.epoch}, heartbeat.SerializeAsString(), {}});
  queued_.cancel();
}

void Session::ping(Pinged done) {
  if (!ping_) {
    ping_ = {++pings_, Clock::now(), {}};
    wire::Heartbeat heartbeat;
    heartbeat.set_round(round_);
    heartbeat.set_ping(pings_);
    send_first(heartbeat);
  }
  ping_->done.push_back(std::move(done));
}

void Session::take_ping(const wire::Heartbeat& heartbeat) {
  if (heartbeat.ping() != 0 && first_.size() < kFirstMax) {
    wire::Heartbeat answer;
    answer.set_round(round_);
    answer.set_pong(heartbeat.ping());
    send_first(answer);
  }
  if (!ping_ || heartbeat.pong() != ping_->number) return;
  const Ping answered = std::move(*ping_);
  ping_.reset();
  const Duration took = Clock::now() - answered.sent;
  for (const Pinged& done : answered.done) done(took);
}

void Session::end_pings() {
  if (!ping_) return;
  asio::post(connection_->socket().get_executor(),
             [done = std::move(ping_->done), reason = end_->reason] {
               for (const Pinged& one : done) one(Error{ErrorCode::io, reason});
             });
  ping_.reset();
}

}  // namespace starling::peer
