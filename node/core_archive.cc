// What of a core outlives its process, or its graph.
#include "node/core.h"

#include <algorithm>

#include "protocol/check.h"
#include "protocol/memory_state.h"

namespace starling::node {

void Core::archive(Archive& archive, Time now) {
  INVARIANT(between_rounds() && !(archive.loading() && at_ != At::created));
  {
    const Archive::Scope scope(archive, "trainer");
    trainer_->archive(archive);
  }
  {
    const Archive::Scope scope(archive, "algorithm");
    algorithm_->archive(archive);
    for (const std::uint64_t peer : archive.gone("edge")) dropped_.push_back(node_id(peer));
  }
  const Archive::Scope scope(archive, "core");
  std::uint64_t graph = options_.graph;
  archive.number("graph", graph);
  archive.number("round", round_);
  archive.number("step_loss", step_loss_);
  archive_evaluation(archive);
  archive.number("sent_bytes", sent_bytes_);
  archive.number("received_bytes", received_bytes_);
  archive.number("sent_uncompressed_bytes", sent_uncompressed_bytes_);
  archive.number("compute", compute_);
  archive.number("encode", encode_);
  archive.number("evaluate", evaluate_);
  archive.number("checkpoint", checkpoint_);
  Duration elapsed = this->elapsed(now);
  archive.number("elapsed", elapsed);
  if (!archive.loading()) return;
  loaded_ = true;
  carried_ = elapsed;
  saved_rounds_ = round_;
  if (graph != options_.graph) algorithm_->rewired();
}

void Core::succeed(Core& before, Time now) {
  MemoryState state;
  {
    Archive saving(static_cast<StateWriter&>(state));
    before.archive(saving, now);
  }
  Archive loading(static_cast<const StateReader&>(state));
  archive(loading, now);
  const Result<void> taken = loading.done();
  INVARIANT(taken.ok());
  // What no checkpoint holds.
  saved_rounds_ = before.saved_rounds_;
  flock_round_ = before.flock_round_;
  pace_ = before.pace_;
  round_began_ = before.round_began_;
  update_ = before.update_;
  wanted_ = before.wanted_;
  wanted_.hand_over = false;
  // One that had not begun may still fetch a model.
  const bool ran = before.runs_since_.has_value(), rested = !ran && wanted_.pause;
  loaded_ = ran || before.loaded_ || before.has_fetched();
  start_wait_ = ran ? options_.reload_wait : before.start_wait_;
  for (Partner& partner : partners_) {
    const auto was = std::ranges::find(before.partners_, partner.id, &Partner::id);
    const bool is_new = was == before.partners_.end();
    if (!is_new) partner.strikes = was->strikes;
    if (ran || rested) partner.awaited = !is_new && (rested ? was->awaited : was->settled);
  }
}

void Core::replace(const Core& before) {
  wanted_ = before.wanted_;
  wanted_.hand_over = false;
}

void Core::archive_evaluation(Archive& archive) {
  bool evaluated = evaluation_.has_value();
  archive.number("evaluated", evaluated);
  if (!evaluated) return evaluation_.reset();
  if (!evaluation_) evaluation_.emplace();
  const Archive::Scope scope(archive, "evaluation");
  archive.number("loss", evaluation_->loss);
  archive.number("accuracy", evaluation_->accuracy);
  archive.number("relative_error", evaluation_->relative_error);
  archive.number("rounds", evaluated_rounds_);
  archive.number("seconds", evaluated_at_seconds_);
}

}  // namespace starling::node
