#include "node/memory.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "gossip/assembly.h"
#include "gossip/footprint.h"
#include "train/problem.h"

namespace starling::node {
namespace {

// The program, its threads and stacks, the frames of coroutines, what the allocator holds back and
// the packed panels of the matrix kernels: measured 18 to 36 MiB.
constexpr std::uint64_t kBaseBytes = std::uint64_t{36} << 20;

std::uint64_t data_bytes(const train::Problem& problem) {
  std::uint64_t bytes = 0;
  for (const train::Dataset* set : {&problem.data.train, &problem.data.test}) {
    bytes += set->x.size() * sizeof(float) + set->y.size() * sizeof(std::uint32_t);
  }
  for (const train::Share& share : problem.shares) bytes += share.size() * sizeof(std::uint32_t);
  return bytes;
}

std::string mebibytes(std::uint64_t bytes) {
  constexpr std::uint64_t kMebibyte = std::uint64_t{1} << 20;
  return fmt::format("{} MiB", (bytes + kMebibyte - 1) / kMebibyte);
}

std::string listed_parts(const MemoryForecast& forecast, std::size_t most) {
  std::vector<std::string> texts;
  for (const MemoryPart& part : forecast.parts) {
    if (part.bytes > 0 && texts.size() < most) {
      texts.push_back(fmt::format("{} {}", mebibytes(part.bytes), part.name));
    }
  }
  return fmt::format("{}", fmt::join(texts, ", "));
}

}  // namespace

std::uint64_t MemoryForecast::bytes() const {
  std::uint64_t sum = 0;
  for (const MemoryPart& part : parts) sum += part.bytes;
  return sum;
}

std::string MemoryForecast::sentence() const {
  return fmt::format("at most {} of memory: {}", mebibytes(bytes()),
                     listed_parts(*this, parts.size()));
}

MemoryForecast forecast_memory(const Run& run, NodeId self) {
  const train::MemoryUse trainer = train::make_trainer(run.problem, self)->memory();
  const std::size_t degree = gossip::partners(run.config.gossip, run.topology, self).size();
  const gossip::Footprint gossip = footprint_of(run, degree);
  // Of a giver, or of a fetch (giver.h, fetch.h).
  const std::uint64_t handed_over = run.config.run.join == Join::neighbor ? gossip.model : 0;
  MemoryForecast out{{{"model and update", 2 * gossip.model},
                      {"copy for one that joins", handed_over},
                      {"optimizer", trainer.optimizer},
                      {"work of the trainer", trainer.work},
                      {"data", data_bytes(*run.problem)},
                      {"references and trackers", gossip.node},
                      {"state of the edges", gossip.edges},
                      {"log of messages", gossip.log},
                      {"messages under way", gossip.messages},
                      {"program", kBaseBytes}}};
  std::ranges::stable_sort(out.parts, std::ranges::greater(), &MemoryPart::bytes);
  return out;
}

Result<void> check_memory(const Run& run, NodeId self) {
  const std::uint64_t limit = run.config.run.memory_limit;
  if (limit == 0) return {};
  const MemoryForecast forecast = forecast_memory(run, self);
  if (forecast.bytes() <= limit) return {};
  constexpr std::size_t kNamed = 3;
  return Error{
      ErrorCode::config,
      fmt::format("{}: [run] memory_limit: found {}, but {} takes at most {}, most of it {}; "
                  "raise the limit, or take a smaller model, fewer neighbors or an algorithm "
                  "that keeps less for each",
                  run.config.file.string(), mebibytes(limit), run.config.nodes[index_of(self)].name,
                  mebibytes(forecast.bytes()), listed_parts(forecast, kNamed))};
}

}  // namespace starling::node
