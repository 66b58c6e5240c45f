#include "daemon/checkpoint_desk.h"

#include "daemon/error_reply.h"

namespace starling::daemon {
namespace {

constexpr std::chrono::seconds kComplaintsApart{60};

}  // namespace

CheckpointDesk::CheckpointDesk(asio::io_context& io, std::shared_ptr<spdlog::logger> log)
    : log_(std::move(log)), noted_(io, peer::kNever) {}

void CheckpointDesk::note(const CheckpointOutcome& outcome) {
  newest_ = outcome;
  ++count_;
  noted_.cancel();
  if (outcome.saved) {
    log_->info("checkpoint of {} rounds in {}, {} bytes, {:.3f} s", outcome.rounds,
               outcome.saved->file.string(), outcome.saved->bytes, seconds(outcome.took));
    return;
  }
  const auto now = peer::Clock::now();
  if (now < next_complaint_) return;
  next_complaint_ = now + kComplaintsApart;
  log_->error("no checkpoint of {} rounds: {}; training goes on and the one before stays",
              outcome.rounds, outcome.saved.error().message);
}

void CheckpointDesk::close() {
  closed_ = true;
  noted_.cancel();
}

peer::Task<control::Reply> CheckpointDesk::next() {
  const std::uint64_t before = count_;
  while (count_ == before && !closed_) co_await noted_.async_wait(peer::awaited());
  if (count_ == before) co_return error_reply("the node has ended, and had no new round to save");
  if (!newest_->saved) co_return error_reply(newest_->saved.error().message);
  control::Reply reply;
  reply.mutable_checkpoint()->set_round(newest_->rounds);
  reply.mutable_checkpoint()->set_file(newest_->saved->file.string());
  reply.mutable_checkpoint()->set_bytes(newest_->saved->bytes);
  co_return reply;
}

}  // namespace starling::daemon
