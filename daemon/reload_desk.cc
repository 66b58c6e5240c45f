#include "daemon/reload_desk.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "daemon/error_reply.h"

namespace starling::daemon {

ReloadDesk::ReloadDesk(asio::io_context& io, std::shared_ptr<spdlog::logger> log)
    : log_(std::move(log)), noted_(io, peer::kNever) {}

peer::Task<control::Reply> ReloadDesk::next() {
  const std::uint64_t number = asked_++;
  waiting_[number];
  while (!waiting_[number] && !closed_) co_await noted_.async_wait(peer::awaited());
  control::Reply reply = waiting_[number] ? *waiting_[number] : error_reply("the node has ended");
  waiting_.erase(number);
  co_return reply;
}

void ReloadDesk::note(const Result<node::Reload>& reload, Round round) {
  control::Reply reply;
  if (!reload) {
    log_->error("the run file is not taken up, and the one before stays: {}",
                reload.error().message);
    reply = error_reply(reload.error().message);
  } else {
    log_->info("the run file was read again after {} rounds: {}", round,
               reload->changes.empty() ? "nothing has changed"
                                       : fmt::format("{}", fmt::join(reload->changes, ", ")));
    for (const std::string& key : reload->at_next_start) {
      log_->warn("takes effect at the next start: {}", key);
    }
    control::ReloadReply& out = *reply.mutable_reload();
    out.set_round(round);
    out.mutable_changes()->Assign(reload->changes.begin(), reload->changes.end());
    out.mutable_at_next_start()->Assign(reload->at_next_start.begin(), reload->at_next_start.end());
  }
  const auto asked = waiting_.find(answered_++);
  if (asked != waiting_.end()) asked->second = std::move(reply);
  noted_.cancel();
}

void ReloadDesk::close() {
  closed_ = true;
  noted_.cancel();
}

}  // namespace starling::daemon
