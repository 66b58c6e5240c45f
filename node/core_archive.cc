// What of a core outlives its process.
#include "node/core.h"
#include "protocol/check.h"

namespace starling::node {

void Core::archive(Archive& archive, Time now) {
  INVARIANT(between_rounds_ && !(archive.loading() && started_));
  {
    const Archive::Scope scope(archive, "trainer");
    trainer_->archive(archive);
  }
  {
    const Archive::Scope scope(archive, "algorithm");
    algorithm_->archive(archive);
  }
  const Archive::Scope scope(archive, "core");
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
  Duration elapsed = progress(now).elapsed;
  archive.number("elapsed", elapsed);
  if (!archive.loading()) return;
  carried_ = elapsed;
  saved_rounds_ = round_;
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
