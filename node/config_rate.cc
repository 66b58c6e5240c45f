// [rate]: its keys, and what they must be for one another, the algorithm and the operator.
#include <fmt/format.h>

#include <algorithm>

#include "compress/assembly.h"
#include "compress/ladder.h"
#include "gossip/algorithms.h"
#include "node/config_types.h"

namespace starling::node {

using namespace types;
using compress::OperatorKind;
using compress::RateController;

namespace {

// Why the operator of [compress] has no levels; "" where it has.
std::string missing_ladder(const compress::OperatorOptions& options) {
  if (options.kind == OperatorKind::automatic || !compress::has_ladder(options)) {
    return fmt::format(
        "[compress] operator: found {}, but [rate] takes \"top-k\" with a ratio below 0.22, or "
        "\"quantize\" with 2 or 4 bits, and sends more where the budget allows",
        options.kind == OperatorKind::automatic ? "\"auto\"" : compress::describe(options));
  }
  return "";
}

// Why the controller does not go with the operator; "" where it does.
std::string objection(RateController controller, const compress::OperatorOptions& options) {
  if (controller == RateController::adaptive_top_k && options.kind != OperatorKind::top_k) {
    return fmt::format(
        "[rate] controller: found \"adaptive-top-k\", but [compress] operator is "
        "\"{}\"; take \"drift\", or operator = \"top-k\"",
        compress::name_of(options.kind));
  }
  if (controller == RateController::layers && !compress::goes_by_tensor(options)) {
    return "[rate] controller: found \"layers\", which needs a message a tensor; set [compress] "
           "scope = \"tensor\", or take \"drift\"";
  }
  return "";
}

}  // namespace

void add_rate(Keys& keys) {
  keys.push_back(bytes({"rate", "bytes_per_round"}, FIELD(config.rate.bytes_per_round),
                       "What a node sends to each neighbor in a round, on average, frame headers "
                       "included; \"0\": no such budget, here and below."));
  keys.push_back(real({"rate", "seconds_per_round"}, FIELD(config.rate.seconds_per_round),
                      {above(0), upto(86400)},
                      "In its place: what a round keeps each link busy, as fast as it was measured "
                      "to be."));
  keys.push_back(bytes({"rate", "bytes_per_day"}, FIELD(config.rate.bytes_per_day),
                       "In its place: what a node sends to each neighbor in 24 hours."));
  keys.push_back(choice<RateController>(
      {"rate", "controller"}, FIELD(config.rate.controller),
      {{"adaptive-top-k", RateController::adaptive_top_k},
       {"drift", RateController::drift},
       {"layers", RateController::layers}},
      "One price of a byte for the whole run, a price that follows the links, or a plan of levels "
      "for tensors; unset: the first for top-k, the second for quantize, the third for scope = "
      "\"tensor\"."));
  keys.push_back(real({"rate", "patience"}, FIELD(config.rate.patience), {from(1), upto(1000)},
                      "drift: about so many rounds' budget may be owed or saved; more: less error, "
                      "and an average that settles later."));
}

std::string rate_in_words(const compress::RateOptions& rate) {
  if (rate.bytes_per_round > 0) return fmt::format("{} bytes a round", rate.bytes_per_round);
  if (rate.bytes_per_day > 0) return fmt::format("{} a day", show_bytes(rate.bytes_per_day));
  return rate.seconds_per_round ? fmt::format("{} s a round", *rate.seconds_per_round) : "nothing";
}

Result<void> check_rate(const Draft& draft) {
  const compress::RateOptions& rate = draft.config.rate;
  const int budgets = (rate.bytes_per_round > 0 ? 1 : 0) + (rate.seconds_per_round ? 1 : 0) +
                      (rate.bytes_per_day > 0 ? 1 : 0);
  const auto wrong = [&](const char* key, const std::string& what) {
    return config_error(fmt::format("{}: {}", draft.where("rate", key), what));
  };
  if (budgets == 0) {
    for (const char* key : {"controller", "patience"}) {
      if (!draft.given(fmt::format("rate.{}", key))) continue;
      return wrong(key, fmt::format("[rate] {}: found a key without a budget, expected "
                                    "bytes_per_round, seconds_per_round or bytes_per_day beside it",
                                    key));
    }
    return {};
  }
  if (budgets > 1) {
    const char* second = rate.bytes_per_day > 0 ? "bytes_per_day" : "seconds_per_round";
    return wrong(second, fmt::format("[rate] {}: found a second budget, expected one of "
                                     "bytes_per_round, seconds_per_round and bytes_per_day",
                                     second));
  }
  const Config& config = draft.config;
  if (!sends_operator(config.gossip.algorithm) &&
      !std::ranges::any_of(config.run.compare, sends_operator)) {
    return wrong("", fmt::format("[rate]: found a budget, but {} (in [gossip] algorithm) sends no "
                                 "messages of an operator, whose level would follow it; take "
                                 "choco, def-atc or another that does",
                                 gossip::name_of(config.gossip.algorithm)));
  }
  if (const std::string why = missing_ladder(config.compress); !why.empty()) {
    return config_error(fmt::format("{}: {}", draft.where("compress", "operator"), why));
  }
  const auto controller = rate.controller.value_or(compress::usual_controller(config.compress));
  if (const std::string why = objection(controller, config.compress); !why.empty()) {
    return wrong("controller", why);
  }
  if (controller != RateController::drift && draft.given("rate.patience")) {
    return wrong("patience", fmt::format("[rate] patience: found a key of controller \"drift\", "
                                         "but the controller is \"{}\"",
                                         compress::name_of(controller)));
  }
  return {};
}

}  // namespace starling::node
