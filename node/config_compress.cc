// [compress]: its keys, and what they must be for one another and for the algorithm.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "gossip/algorithms.h"
#include "node/config_types.h"

namespace starling::node {

using namespace types;
using compress::OperatorKind;
using compress::OperatorOptions;
using gossip::AlgorithmKind;

namespace {

constexpr std::int64_t kWholeMax = 0xffffffff;

Choices<OperatorKind> operators() {
  Choices<OperatorKind> all;
  for (const OperatorKind kind : compress::operator_kinds()) {
    all.emplace_back(compress::name_of(kind).data(), kind);
  }
  return all;
}

std::optional<Mismatch> store_values(Draft& draft, const Value& value) {
  const Choices<OperatorKind> formats = {{"float32", OperatorKind::identity},
                                         {"bfloat16", OperatorKind::bfloat16},
                                         {"float16", OperatorKind::float16}};
  std::string hint;
  const auto kind = chosen(formats, value, hint);
  if (!kind) return Mismatch{shown(value), value.where, hint};
  draft.op.values.assign(1, {.kind = *kind});
  return std::nullopt;
}

Key part(const char* name, std::vector<OperatorOptions> OperatorOptions::*field, const char* type,
         const char* text) {
  return {"compress",
          name,
          type,
          text,
          [](Draft&, const Value& value) -> std::optional<Mismatch> { return mismatch(value); },
          [](const Draft&) { return std::string(); },
          field};
}

void add_sparse(Keys& keys) {
  keys.push_back(real({"compress", "ratio"}, FIELD(op.ratio), {above(0), upto(1)},
                      "top-k, random-k, sidco: the share of the coordinates that is kept."));
  keys.push_back(part("values", &OperatorOptions::values,
                      "\"float32\", \"bfloat16\", \"float16\" or a table, "
                      "{operator = \"quantize\", bits = 4}",
                      "top-k, block-top-k, threshold, random-k, sidco: how the kept values go."));
  keys.back().store = store_values;
  keys.back().show = [](const Draft&) { return std::string("\"float32\""); };
  keys.push_back(real({"compress", "threshold"}, FIELD(op.threshold), {above(0), upto(1e30)},
                      "threshold: coordinates of at least this magnitude are kept."));
  keys.push_back(real({"compress", "cap"}, FIELD(op.cap), {above(0), upto(1)},
                      "threshold: the largest share that is kept."));
  keys.push_back(whole({"compress", "block"}, FIELD(op.block), {2, 65536},
                       "block-top-k: of so many coordinates in a row the largest is kept; a power "
                       "of two."));
  keys.push_back(choice<compress::RandomForm>(
      {"compress", "form"}, FIELD(op.form),
      {{"contractive", compress::RandomForm::contractive},
       {"unbiased", compress::RandomForm::unbiased}},
      "random-k: the values as they are, or scaled up so that they are right on average."));
  keys.push_back(
      choice<compress::EstimatorKind>({"compress", "estimator"}, FIELD(op.estimator),
                                      {{"exponential", compress::EstimatorKind::exponential},
                                       {"pareto", compress::EstimatorKind::pareto},
                                       {"gamma", compress::EstimatorKind::gamma}},
                                      "sidco: the distribution that is fitted to the magnitudes."));
}

void add_quantizers(Keys& keys) {
  using compress::RateCode;
  using compress::RoundingKind;
  using compress::ScaleNorm;
  keys.push_back(whole({"compress", "bucket"}, FIELD(op.bucket), {0, 1 << 24},
                       "sign (4096), ternary (640), quantize and natural-dithering (512): floats "
                       "that share a scale."));
  keys.push_back(whole({"compress", "bits"}, FIELD(op.bits), {2, 9},
                       "quantize: 2, 4 or 8 a coordinate (4); natural: 8 or 9 (9)."));
  keys.push_back(choice<ScaleNorm>(
      {"compress", "norm"}, FIELD(op.norm),
      {{"l1", ScaleNorm::l1}, {"l2", ScaleNorm::l2}, {"linf", ScaleNorm::linf}},
      "sign: l1 (default) or l2; quantize, natural-dithering: linf (default) or l2."));
  keys.push_back(choice<RoundingKind>(
      {"compress", "rounding"}, FIELD(op.rounding),
      {{"stochastic", RoundingKind::stochastic}, {"nearest", RoundingKind::nearest}},
      "quantize: right on average, or with the smallest error."));
  keys.push_back(real({"compress", "clip"}, FIELD(op.clip), {from(0), upto(1000)},
                      "ternary: cuts coordinates at so many root mean squares; 0: not."));
  keys.push_back(choice<RateCode>(
      {"compress", "code"}, FIELD(op.code),
      {{"uniform", RateCode::uniform}, {"nearest", RateCode::nearest}, {"anq", RateCode::anq}},
      "variable-rate: even levels, right on average or nearest; or levels that "
      "grow with the magnitude."));
  keys.push_back(
      real({"compress", "step"}, FIELD(op.step), {from(1e-30), upto(1e30)},
           "variable-rate, one-bit: the distance of two levels; with anq of the smallest."));
  keys.push_back(real({"compress", "omega"}, FIELD(op.omega), {from(0.015625), upto(4)},
                      "variable-rate with anq: the error relative to a large magnitude."));
  keys.push_back(real({"compress", "target_bits"}, FIELD(op.target_bits), {from(0), upto(32)},
                      "variable-rate: bits a coordinate that the step adapts to; 0: it stays."));
}

void add_others(Keys& keys) {
  using compress::FactorKind;
  keys.push_back(whole({"compress", "rank"}, FIELD(op.rank), {1, 4096},
                       "low-rank: of the factors of each matrix; powergossip has its own."));
  keys.push_back(
      choice<FactorKind>({"compress", "factors"}, FIELD(op.factors),
                         {{"float32", FactorKind::float32}, {"bfloat16", FactorKind::bfloat16}},
                         "low-rank: how the factors go."));
  keys.push_back(whole({"compress", "rows"}, FIELD(op.rows), {1, 7},
                       "count-sketch: tables whose median is the estimate; 1, 3, 5 or 7."));
  keys.push_back(whole({"compress", "width"}, FIELD(op.width), {16, 1 << 28},
                       "count-sketch: counters of a table; a power of two."));
  keys.push_back(whole({"compress", "keep"}, FIELD(op.keep), {0, kWholeMax},
                       "count-sketch: how many of the largest estimates are used; 0: all."));
  keys.push_back(part("down", &OperatorOptions::down, "a table, {operator = \"sign\"}",
                      "In a mesh: the operator of what owners tell; unset: the same."));
  keys.push_back(part("biased", &OperatorOptions::biased,
                      "a table, {operator = \"top-k\", ratio = 0.01}",
                      "induced: the contractive operator, first."));
  keys.push_back(part("unbiased", &OperatorOptions::unbiased,
                      "a table, {operator = \"random-k\", form = \"unbiased\", ratio = 0.01}",
                      "induced: the unbiased operator, for what the first one left."));
}

// ---- relations ----

// The keys of [compress] that an operator takes; inside another one all but scope.
std::vector<std::string> taken_by(OperatorKind kind, bool inside) {
  std::vector<std::string> names;
  for (const std::string_view key : compress::keys_of(kind)) {
    if (!inside || key != "scope") names.emplace_back(key);
  }
  return names;
}

// Keys that are given and not taken, in this operator and in those inside it.
Result<void> check_taken(const Draft& draft, const OperatorOptions& options,
                         const std::string& path) {
  const auto taken = taken_by(options.kind, !path.empty());
  for (const Key& key : all_keys()) {
    if (key.section != "compress" || key.name == "operator") continue;
    if (!draft.given("compress." + path + key.name)) continue;
    const bool is_down = key.name == "down" && path.empty();
    if (is_down || std::find(taken.begin(), taken.end(), key.name) != taken.end()) {
      if (!key.part || (options.*key.part).empty()) continue;
      const auto& inner = (options.*key.part).front();
      if (auto checked = check_taken(draft, inner, path + key.name + "."); !checked) return checked;
      continue;
    }
    return config_error(fmt::format(
        "{}: [compress] {}{}: found a key that operator \"{}\" does not take, expected {}",
        draft.where("compress", path + key.name), path, key.name, compress::name_of(options.kind),
        taken.empty() ? "none beside operator" : listed(taken)));
  }
  return {};
}

// What auto stands for. An algorithm with a coding of its own has no other operator; one that sends
// raw values, or is told none, none but identity.
OperatorKind usual(AlgorithmKind algorithm) {
  if (algorithm == AlgorithmKind::dyna_cold) return OperatorKind::one_bit;
  const gossip::AlgorithmTraits& traits = gossip::traits_of(algorithm);
  if (traits.coding == gossip::Coding::sketch) return OperatorKind::count_sketch;
  if (traits.coding != gossip::Coding::own) return OperatorKind::identity;
  // Factors, or no operator at all.
  return traits.takes(gossip::kPowerIteration) ? OperatorKind::low_rank : OperatorKind::automatic;
}

// Whether any operator may be named; its contract is checked when the model is known (run.h).
bool takes_any(AlgorithmKind algorithm) {
  const gossip::AlgorithmTraits& traits = gossip::traits_of(algorithm);
  return algorithm == AlgorithmKind::none ||
         (traits.takes_operator() && traits.coding != gossip::Coding::sketch);
}

Result<void> check_operator(const Draft& draft, AlgorithmKind algorithm, const char* named_in) {
  const OperatorKind kind = draft.config.compress.kind;
  if (kind == OperatorKind::automatic || takes_any(algorithm)) return {};
  const char* name = gossip::name_of(algorithm);
  if (usual(algorithm) == OperatorKind::automatic) {
    return config_error(fmt::format(
        "{}: [compress] operator: found \"{}\", but {} (in {}) has codes of its own, expected "
        "\"auto\"",
        draft.where("compress", "operator"), compress::name_of(kind), name, named_in));
  }
  if (kind != usual(algorithm)) {
    return config_error(fmt::format(
        "{}: [compress] operator: found \"{}\", but {} (in {}) takes \"{}\"; set that, or \"auto\"",
        draft.where("compress", "operator"), compress::name_of(kind), name, named_in,
        compress::name_of(usual(algorithm))));
  }
  for (const char* key : {"rank", "factors"}) {
    if (kind != OperatorKind::low_rank || !draft.given(fmt::format("compress.{}", key))) continue;
    return config_error(
        fmt::format("{}: [compress] {}: found a key that {} (in {}) does not read; its rank is "
                    "[gossip] rank",
                    draft.where("compress", key), key, name, named_in));
  }
  return {};
}

}  // namespace

bool sends_operator(AlgorithmKind algorithm) {
  return algorithm != AlgorithmKind::none && takes_any(algorithm);
}

void add_compress(Keys& keys) {
  keys.push_back(
      choice<OperatorKind>({"compress", "operator"}, FIELD(op.kind), operators(),
                           "What codes the messages; auto takes what the algorithm is made of."));
  keys.push_back(choice<compress::Scope>(
      {"compress", "scope"}, FIELD(op.scope),
      {{"model", compress::Scope::model}, {"tensor", compress::Scope::tensor}},
      "One message for the whole model, or one a tensor (low-rank always)."));
  add_sparse(keys);
  add_quantizers(keys);
  add_others(keys);
}

Result<void> check_compress(const Draft& draft) {
  const OperatorOptions& options = draft.config.compress;
  if (auto checked = check_taken(draft, options, ""); !checked) return checked;
  if (options.kind != OperatorKind::automatic) {
    if (const auto problem = compress::problem_of(options)) {
      const bool given = draft.given("compress." + problem->key);
      return config_error(fmt::format(
          "{}: [compress] {}: {}, expected {}", draft.where("compress", problem->key), problem->key,
          given ? "found " + problem->found : "missing", problem->expected));
    }
  }
  const Config& config = draft.config;
  if (auto checked = check_operator(draft, config.gossip.algorithm, "[gossip] algorithm");
      !checked) {
    return checked;
  }
  // Beside algorithms that take the operator a comparison may have others, which do without it.
  const auto& compared = config.run.compare;
  if (sends_operator(config.gossip.algorithm) || std::ranges::any_of(compared, sends_operator)) {
    return {};
  }
  for (const AlgorithmKind algorithm : compared) {
    if (auto checked = check_operator(draft, algorithm, "[run] compare"); !checked) return checked;
  }
  return {};
}

compress::OperatorOptions operator_of(const Config& config) {
  OperatorOptions options = config.compress;
  const AlgorithmKind algorithm = config.gossip.algorithm;
  if (options.kind == OperatorKind::automatic) options.kind = usual(algorithm);
  if (usual(algorithm) == OperatorKind::low_rank) options.rank = config.gossip.rank;
  return options;
}

}  // namespace starling::node
