#include "node/coding.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "compress/assembly.h"
#include "compress/header.h"
#include "gossip/algorithms.h"
#include "gossip/assembly.h"
#include "gossip/budgeted.h"
#include "node/config_names.h"
#include "train/schedule.h"

namespace starling::node {
namespace {

// What of each message of several tensors goes beside the coded ones: headers, and raw tensors.
double raw_bytes(const compress::OperatorOptions& options, const TensorLayout& coded) {
  if (!compress::goes_by_tensor(options)) return 0;
  const auto raw = compress::raw_tensors(options, coded);
  std::size_t bytes = compress::kHeaderBytes + (raw.empty() ? 0 : compress::kHeaderBytes);
  for (const Tensor& t : coded.tensors()) {
    bytes += sizeof(std::uint32_t);
    if (std::ranges::find(raw, t.name) != raw.end()) bytes += t.size() * sizeof(float);
  }
  return static_cast<double>(bytes);
}

// With its level's header, or a header for each tensor.
std::size_t lowest_message_bytes(const Run& run, const TensorLayout& coded) {
  const compress::OperatorOptions options = operator_of(run.config);
  const auto lowest = compress::make_compressor(options, coded, run.config.run.seed);
  const std::size_t parts = compress::goes_by_tensor(options) ? coded.tensors().size() : 1;
  return (*lowest)->encoded_bytes_max(coded.size()) + parts * compress::kHeaderBytes;
}

// Of adaptive Top-K under bytes a round, which are a total over the run; a day's bytes are that
// day's.
compress::RatePlan rate_plan(const Run& run, compress::RateController controller,
                             const TensorLayout& coded, const compress::RoundShape& shape) {
  const Config& config = run.config;
  if (controller != compress::RateController::adaptive_top_k) return {};
  const double even = static_cast<double>(config.rate.bytes_per_round) - shape.fixed_bytes;
  if (even <= 0) return {};
  constexpr Round kLooks = 1000;
  const Round rounds = config.run.rounds, looks = std::min(rounds, kLooks);
  std::vector<double> rates;
  for (Round look = 0; look < looks; ++look) {
    rates.push_back(train::learning_rate(config.train, look * (rounds / looks), rounds));
  }
  return {rates, static_cast<double>(shape.messages * lowest_message_bytes(run, coded)) / even};
}

Coding rated_coding(const Run& run, const TensorLayout& layout, std::size_t links) {
  const Config& config = run.config;
  const compress::OperatorOptions options = operator_of(config);
  const TensorLayout coded = coded_layout(run, layout);
  compress::RoundShape shape =
      gossip::round_shape(config.gossip, coded, raw_bytes(options, coded), config.run.rounds);
  const auto controller = config.rate.controller.value_or(compress::usual_controller(options));
  shape.plan = rate_plan(run, controller, coded, shape);
  Coding coding{.budget = std::make_unique<compress::Budget>(config.rate, controller, links, shape),
                .first = nullptr,
                .second = nullptr};
  const bool mesh = is_mesh(run.config);
  const auto make = [&](std::size_t stream) {
    const compress::RatedInputs inputs{.budget = *coding.budget,
                                       .stream = stream,
                                       .streams = mesh ? 1 : shape.messages,
                                       .by_size = mesh};
    return compress::make_rated(options, coded, config.run.seed, inputs).value();
  };
  coding.first = make(0);
  coding.second = make(1);
  return coding;
}

Result<std::unique_ptr<compress::Compressor>> made_of(const compress::OperatorOptions& options,
                                                      const Run& run, const TensorLayout& layout) {
  const TensorLayout coded = coded_layout(run, layout);
  auto made = compress::make_compressor(options, coded, run.config.run.seed);
  if (!made || !is_mesh(run.config)) return made;
  return compress::make_operator(options, coded.tensors().front(), run.config.run.seed);
}

}  // namespace

bool is_mesh(const Config& config) { return gossip::traits_of(config.gossip.algorithm).is_mesh(); }

bool takes_operator(const Config& config) {
  return gossip::traits_of(config.gossip.algorithm).takes_operator();
}

bool follows_budget(const Config& config) { return config.rate.any() && takes_operator(config); }

TensorLayout coded_layout(const Run& run, const TensorLayout& layout) {
  return gossip::coded_layout(run.config.gossip, run.topology, layout);
}

Result<std::unique_ptr<compress::Compressor>> compressor_of(const Run& run,
                                                            const TensorLayout& layout) {
  return made_of(operator_of(run.config), run, layout);
}

Result<std::unique_ptr<compress::Compressor>> down_compressor_of(const Run& run,
                                                                 const TensorLayout& layout) {
  const compress::OperatorOptions options = operator_of(run.config);
  return made_of(options.down.empty() ? options : options.down.front(), run, layout);
}

Coding coding_of(const Run& run, const TensorLayout& layout, std::size_t links) {
  if (follows_budget(run.config)) return rated_coding(run, layout, links);
  return {.budget = nullptr,
          .first = compressor_of(run, layout).value(),
          .second = down_compressor_of(run, layout).value()};
}

Result<void> check_rate(const Run& run, const TensorLayout& layout) {
  const Config& config = run.config;
  if (!follows_budget(config)) return {};
  const compress::OperatorOptions options = operator_of(config);
  const TensorLayout coded = coded_layout(run, layout);
  const auto shape = gossip::round_shape(config.gossip, coded, 0, config.run.rounds);
  const std::uint64_t least = static_cast<std::uint64_t>(shape.fixed_bytes) +
                              shape.messages * lowest_message_bytes(run, coded);
  const auto refuse = [&](const char* key, const std::string& found, const std::string& expected) {
    return config_error(fmt::format(
        "{}: [rate] {}: found {}, expected at least {}: a round of {} sends up to {} bytes over a "
        "link at the lowest level, {}; raise the budget, or lower [compress] {}",
        place_of(config, "rate", key), key, found, expected,
        gossip::name_of(config.gossip.algorithm), least, compress::describe(options),
        options.kind == compress::OperatorKind::top_k ? "ratio" : "bits"));
  };
  const compress::RateOptions& rate = config.rate;
  for (const auto& [key, bytes] : {std::pair{"bytes_per_round", rate.bytes_per_round},
                                   std::pair{"bytes_per_day", rate.bytes_per_day}}) {
    if (bytes == 0 || bytes >= least) continue;
    return refuse(key, fmt::format("{}", bytes), fmt::format("{}", least));
  }
  const double fastest = config.limits.neighbor_max_send;
  if (!rate.seconds_per_round || fastest == 0) return {};
  const double seconds = static_cast<double>(least) / fastest;
  if (*rate.seconds_per_round >= seconds) return {};
  return refuse(
      "seconds_per_round", fmt::format("{}", *rate.seconds_per_round),
      fmt::format("{:.3g} at [limits] neighbor_max_send = \"{}\"", seconds, show_rate(fastest)));
}

}  // namespace starling::node
