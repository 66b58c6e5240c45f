#include "node/checkpoint.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <utility>

#include "protocol/check.h"

namespace starling::node {
namespace {

namespace fs = std::filesystem;

constexpr int kSetAsideMax = 1000;

Error about_file(const fs::path& file, const Error& error) {
  return {error.code, fmt::format("{}: {}", file.string(), error.message)};
}

}  // namespace

Checkpoints::Checkpoints(Store& store, fs::path directory, Fingerprint fingerprint)
    : store_(store), directory_(std::move(directory)), fingerprint_(std::move(fingerprint)) {}

fs::path Checkpoints::file_of(std::size_t slot) const {
  return directory_ / fmt::format("checkpoint-{}.safetensors", slot);
}

// ---- loading --------------------------------------------------------------------------------

// Null where there is none.
Result<std::unique_ptr<CheckpointFile>> Checkpoints::open(std::size_t slot) const {
  auto input = store_.open(file_of(slot));
  if (!input) return input.error();
  if (!*input) return std::unique_ptr<CheckpointFile>();
  auto file = CheckpointFile::open(std::move(*input));
  if (!file) return about_file(file_of(slot), file.error());
  return file;
}

Result<void> Checkpoints::take(const CheckpointFile& file, const ArchiveState& state) const {
  if (const auto other = first_difference(fingerprint_, file.about().fingerprint)) {
    return Error{ErrorCode::io,
                 fmt::format("it is of another run or node: its {} is '{}', expected '{}'",
                             other->field, other->theirs, other->ours)};
  }
  Archive archive(file);
  state(archive);
  return archive.done();
}

Result<std::optional<Checkpoints::Loaded>> Checkpoints::load(const ArchiveState& state) {
  INVARIANT(!std::exchange(ready_, true));
  std::vector<std::pair<std::size_t, std::string>> refused;
  std::vector<Candidate> candidates;
  for (std::size_t slot = 0; slot < kSlots; ++slot) {
    auto file = open(slot);
    if (!file) {
      refused.emplace_back(slot, file.error().message);
    } else if (*file) {
      candidates.push_back({slot, std::move(*file)});
    }
  }
  std::ranges::sort(candidates, std::ranges::greater(),
                    [](const Candidate& c) { return c.file->about().generation; });
  if (!candidates.empty()) next_generation_ = candidates[0].file->about().generation + 1;
  for (const Candidate& candidate : candidates) {
    if (const auto taken = take(*candidate.file, state); !taken) {
      refused.emplace_back(candidate.slot,
                           about_file(file_of(candidate.slot), taken.error()).message);
      continue;
    }
    next_slot_ = 1 - candidate.slot;
    Loaded loaded{file_of(candidate.slot), candidate.file->about().round, {}};
    for (const auto& [slot, why] : refused) {
      const auto kept = set_aside(slot);
      loaded.refused.push_back(kept ? fmt::format("{}; kept as {}", why, kept->string()) : why);
    }
    return std::optional(std::move(loaded));
  }
  if (refused.empty()) return std::optional<Loaded>();
  std::string reasons = refused[0].second;
  if (refused.size() > 1) reasons += "; " + refused[1].second;
  return Error{ErrorCode::io, fmt::format("no checkpoint can be used: {}; put back one that can, "
                                          "or begin anew with --fresh, which keeps these under "
                                          "other names",
                                          reasons)};
}

bool Checkpoints::any() const {
  for (std::size_t slot = 0; slot < kSlots; ++slot) {
    const auto there = store_.open(file_of(slot));
    if (!there || *there) return true;
  }
  return false;
}

// ---- beginning anew -------------------------------------------------------------------------

Result<fs::path> Checkpoints::set_aside(std::size_t slot) {
  for (int number = 1; number <= kSetAsideMax; ++number) {
    fs::path aside = directory_ / fmt::format("checkpoint-{}.old-{}.safetensors", slot, number);
    const auto taken = store_.open(aside);
    if (!taken) return taken.error();
    if (*taken) continue;
    if (const auto renamed = store_.rename(file_of(slot), aside); !renamed) return renamed.error();
    return aside;
  }
  return Error{ErrorCode::io, fmt::format("{}: holds {} old checkpoints already; remove some",
                                          directory_.string(), kSetAsideMax)};
}

Result<std::vector<fs::path>> Checkpoints::start_anew() {
  INVARIANT(!std::exchange(ready_, true));
  std::vector<fs::path> aside;
  for (std::size_t slot = 0; slot < kSlots; ++slot) {
    const auto there = store_.open(file_of(slot));
    if (there && !*there) continue;
    auto moved = set_aside(slot);
    if (!moved) return moved.error();
    aside.push_back(std::move(*moved));
  }
  if (!aside.empty()) {
    if (const auto synced = store_.sync_directory(directory_); !synced) return synced.error();
  }
  return aside;
}

// ---- saving ---------------------------------------------------------------------------------

Result<Checkpoints::Saved> Checkpoints::save(Round round, const ArchiveState& state) {
  INVARIANT(ready_);
  auto saved = write_new({fingerprint_, next_generation_, round}, state);
  if (!saved) return saved;
  ++next_generation_;
  next_slot_ = 1 - next_slot_;
  return saved;
}

Result<Checkpoints::Saved> Checkpoints::write_new(const CheckpointAbout& about,
                                                  const ArchiveState& state) {
  const fs::path partial = directory_ / "checkpoint.new";
  const auto write = [&]() -> Result<std::uint64_t> {
    const auto out = store_.create(partial);
    if (!out) return out.error();
    const auto bytes = write_checkpoint(**out, about, state);
    if (!bytes) return bytes;
    if (const auto synced = (*out)->sync(); !synced) return synced.error();
    return bytes;
  };
  const auto bytes = write();
  Result<void> placed;
  if (bytes) placed = store_.rename(partial, file_of(next_slot_));
  if (!bytes || !placed) {
    // The error that led here is the one to tell; what this one leaves the next save replaces.
    (void)store_.remove(partial);
    return bytes ? placed.error() : bytes.error();
  }
  // The file is whole. Whether its name survives is not known if this fails: the next save goes to
  // the same place, so that the other one, which does survive, stays.
  if (const auto synced = store_.sync_directory(directory_); !synced) return synced.error();
  return Saved{file_of(next_slot_), *bytes};
}

}  // namespace starling::node
