#include "compress/options.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <bit>

#include "compress/assembly.h"
#include "compress/compressor.h"

namespace starling::compress {
namespace {

using Kind = OperatorKind;
using Names = std::vector<std::string_view>;

constexpr std::size_t kBucketMax = 1 << 24;
constexpr std::size_t kWidthMax = 1 << 28;

struct Row {
  Kind kind;
  std::string_view name;
  Names keys;
};

const std::vector<Row>& rows() {
  static const std::vector<Row> all = {
      {Kind::automatic, "auto", {}},
      {Kind::identity, "identity", {}},
      {Kind::bfloat16, "bfloat16", {"scope"}},
      {Kind::float16, "float16", {"scope"}},
      {Kind::top_k, "top-k", {"ratio", "values", "scope"}},
      {Kind::block_top_k, "block-top-k", {"block", "values", "scope"}},
      {Kind::threshold, "threshold", {"threshold", "cap", "values", "scope"}},
      {Kind::random_k, "random-k", {"ratio", "form", "values", "scope"}},
      {Kind::sign, "sign", {"norm", "bucket", "scope"}},
      {Kind::quantize, "quantize", {"bits", "bucket", "norm", "rounding", "scope"}},
      {Kind::ternary, "ternary", {"bucket", "clip", "scope"}},
      {Kind::natural, "natural", {"bits", "scope"}},
      {Kind::natural_dithering, "natural-dithering", {"bucket", "norm", "scope"}},
      {Kind::low_rank, "low-rank", {"rank", "factors"}},
      {Kind::count_sketch, "count-sketch", {"rows", "width", "keep", "scope"}},
      {Kind::one_bit, "one-bit", {"step", "scope"}},
      {Kind::variable_rate, "variable-rate", {"code", "step", "omega", "target_bits", "scope"}},
      {Kind::sidco, "sidco", {"ratio", "estimator", "values", "scope"}},
      {Kind::induced, "induced", {"biased", "unbiased", "scope"}},
  };
  return all;
}

const Row& row_of(Kind kind) {
  const auto& all = rows();
  const auto at =
      std::find_if(all.begin(), all.end(), [kind](auto& row) { return row.kind == kind; });
  INVARIANT(at != all.end());
  return *at;
}

// ---- description ----

const char* word(Scope scope) { return scope == Scope::model ? "model" : "tensor"; }
const char* word(RoundingKind r) { return r == RoundingKind::nearest ? "nearest" : "stochastic"; }
const char* word(RandomForm f) { return f == RandomForm::unbiased ? "unbiased" : "contractive"; }
const char* word(FactorKind f) { return f == FactorKind::bfloat16 ? "bfloat16" : "float32"; }
const char* word(ScaleNorm n) {
  return n == ScaleNorm::l1 ? "l1" : n == ScaleNorm::l2 ? "l2" : "linf";
}
const char* word(RateCode c) {
  return c == RateCode::anq ? "anq" : c == RateCode::nearest ? "nearest" : "uniform";
}
const char* word(EstimatorKind e) {
  return e == EstimatorKind::exponential ? "exponential"
         : e == EstimatorKind::gamma     ? "gamma"
                                         : "pareto";
}

std::string describe_part(const std::vector<OperatorOptions>& part);

std::string value_of(const OperatorOptions& o, std::string_view key) {
  if (key == "ratio") return fmt::format("{}", o.ratio);
  if (key == "values") return describe_part(o.values);
  if (key == "scope") return word(o.scope);
  if (key == "threshold") return fmt::format("{}", o.threshold);
  if (key == "cap") return fmt::format("{}", o.cap);
  if (key == "block") return fmt::format("{}", o.block);
  if (key == "bucket") return fmt::format("{}", o.bucket.value_or(default_bucket(o.kind)));
  if (key == "bits") return fmt::format("{}", o.bits.value_or(default_bits(o.kind)));
  if (key == "norm") return word(o.norm.value_or(default_norm(o.kind)));
  if (key == "rounding") return word(o.rounding);
  if (key == "form") return word(o.form);
  if (key == "rank") return fmt::format("{}", o.rank);
  if (key == "factors") return word(o.factors);
  if (key == "rows") return fmt::format("{}", o.rows);
  if (key == "width") return fmt::format("{}", o.width);
  if (key == "keep") return fmt::format("{}", o.keep);
  if (key == "step") return fmt::format("{}", o.step);
  if (key == "omega") return fmt::format("{}", o.omega);
  if (key == "code") return word(o.code);
  if (key == "target_bits") return fmt::format("{}", o.target_bits);
  if (key == "clip") return fmt::format("{}", o.clip);
  if (key == "estimator") return word(o.estimator);
  if (key == "biased") return describe_part(o.biased);
  if (key == "unbiased") return describe_part(o.unbiased);
  INVARIANT(false);
}

// A part of another operator has no scope of its own.
std::string described(const OperatorOptions& options, bool part) {
  std::string text(name_of(options.kind));
  for (const std::string_view key : keys_of(options.kind)) {
    if (part && key == "scope") continue;
    text += fmt::format(" {}={}", key, value_of(options, key));
  }
  return text;
}

std::string describe_part(const std::vector<OperatorOptions>& part) {
  if (part.empty() || part.front().kind == Kind::identity) return "float32";
  const std::string text = described(part.front(), true);
  return text.find(' ') == text.npos ? text : fmt::format("({})", text);
}

// ---- checks ----

bool among(double x, double low, double high) { return low <= x && x <= high; }
bool above(double x, double low, double high) { return low < x && x <= high; }

// What a key of this operator may hold, where it holds something else; "" where it is right.
std::string expected_of(const OperatorOptions& o, std::string_view key) {
  const std::size_t bits = o.bits.value_or(default_bits(o.kind));
  const std::size_t bucket = o.bucket.value_or(default_bucket(o.kind));
  const ScaleNorm norm = o.norm.value_or(default_norm(o.kind));
  const auto unless = [](bool right, std::string expected) { return right ? "" : expected; };
  if (key == "ratio") return unless(above(o.ratio, 0, 1), "a number above 0 and at most 1");
  if (key == "cap") return unless(above(o.cap, 0, 1), "a number above 0 and at most 1");
  if (key == "threshold") {
    return unless(above(o.threshold, 0, 1e30), "a number above 0 and at most 1e+30");
  }
  if (key == "block") {
    return unless(std::has_single_bit(o.block) && among(o.block, 2, 65536),
                  "a power of two from 2 to 65536");
  }
  if (key == "bucket" && o.kind == Kind::sign) {
    return unless(bucket % 8 == 0 && bucket <= kBucketMax,
                  fmt::format("a multiple of 8 up to {}, 0 for one scale", kBucketMax));
  }
  if (key == "bucket" && o.kind == Kind::ternary) {
    return unless(bucket % 640 == 0 && among(bucket, 640, kBucketMax),
                  fmt::format("a multiple of 640 from 640 to {}", kBucketMax));
  }
  if (key == "bucket") {
    return unless(bucket % 128 == 0 && among(bucket, 128, kBucketMax),
                  fmt::format("a multiple of 128 from 128 to {}", kBucketMax));
  }
  if (key == "bits" && o.kind == Kind::natural) return unless(bits == 8 || bits == 9, "8 or 9");
  if (key == "bits") return unless(bits == 2 || bits == 4 || bits == 8, "2, 4 or 8");
  if (key == "norm" && o.kind == Kind::sign) {
    return unless(norm != ScaleNorm::linf, "\"l1\" or \"l2\"");
  }
  if (key == "norm") return unless(norm != ScaleNorm::l1, "\"l2\" or \"linf\"");
  if (key == "rank") return unless(among(o.rank, 1, 4096), "a whole number from 1 to 4096");
  if (key == "rows") return unless(o.rows % 2 == 1 && o.rows <= 7, "1, 3, 5 or 7");
  if (key == "width") {
    return unless(std::has_single_bit(o.width) && among(o.width, 16, kWidthMax),
                  fmt::format("a power of two from 16 to {}", kWidthMax));
  }
  if (key == "keep") {
    return unless(o.keep <= Compressor::kFloatsMax,
                  fmt::format("a whole number from 0 to {}", Compressor::kFloatsMax));
  }
  if (key == "step") return unless(among(o.step, 1e-30, 1e30), "a number from 1e-30 to 1e+30");
  if (key == "omega") return unless(among(o.omega, 0.015625, 4), "a number from 0.015625 to 4");
  if (key == "target_bits" && o.code == RateCode::anq) {
    return unless(o.target_bits == 0, "0 with code = \"anq\"");
  }
  if (key == "target_bits") return unless(among(o.target_bits, 0, 32), "a number from 0 to 32");
  if (key == "clip") {
    return unless(o.clip == 0 || among(o.clip, 1, 1000), "0 or a number from 1 to 1000");
  }
  return "";
}

const std::vector<OperatorOptions>* part_of(const OperatorOptions& o, std::string_view key) {
  return key == "values"     ? &o.values
         : key == "biased"   ? &o.biased
         : key == "unbiased" ? &o.unbiased
                             : nullptr;
}

// The operators that may stand under a key of another one.
std::vector<Kind> part_kinds(std::string_view key) {
  if (key == "values") {
    return {Kind::identity, Kind::bfloat16, Kind::float16, Kind::sign,
            Kind::quantize, Kind::ternary,  Kind::natural, Kind::natural_dithering};
  }
  if (key == "biased") return {Kind::top_k, Kind::block_top_k, Kind::random_k, Kind::sign};
  return {Kind::random_k, Kind::quantize, Kind::ternary, Kind::natural, Kind::natural_dithering};
}

std::optional<OptionProblem> problem_in(const OperatorOptions& o, const std::string& path);

// The operators of induced must be of the classes that its theorem is about, at every size.
std::optional<OptionProblem> wrong_class(const OperatorOptions& part, std::string_view key,
                                         const std::string& path) {
  const Guarantee right = key == "biased" ? Guarantee::contractive : Guarantee::unbiased;
  const std::unique_ptr<Compressor> made = make_operator(part, Tensor{}, 0);
  for (const std::size_t d : {std::size_t{10'000'000}, std::size_t{100}, std::size_t{1}}) {
    const Contract contract = made->contract(d);
    if (contract.guarantee == right && (key != "biased" || contract.constant > 0)) continue;
    return OptionProblem{fmt::format("{}{}", path, key), describe(contract),
                         key == "biased" ? "a contractive operator" : "an unbiased operator"};
  }
  return std::nullopt;
}

std::optional<OptionProblem> problem_of_part(const OperatorOptions& outer, std::string_view key,
                                             const std::string& path) {
  const auto& part = *part_of(outer, key);
  if (part.empty() && key == "values") return std::nullopt;
  const std::vector<Kind> kinds = part_kinds(key);
  if (part.size() == 1 && std::find(kinds.begin(), kinds.end(), part.front().kind) != kinds.end()) {
    if (auto problem = problem_in(part.front(), fmt::format("{}{}.", path, key))) return problem;
    return key == "values" ? std::nullopt : wrong_class(part.front(), key, path);
  }
  Names names;
  for (const Kind kind : kinds) names.push_back(name_of(kind));
  return OptionProblem{fmt::format("{}{}.operator", path, key),
                       part.empty() ? "none" : fmt::format("\"{}\"", name_of(part.front().kind)),
                       fmt::format("one of {}", fmt::join(names, ", "))};
}

std::optional<OptionProblem> problem_in(const OperatorOptions& o, const std::string& path) {
  for (const std::string_view key : keys_of(o.kind)) {
    if (part_of(o, key)) {
      if (auto problem = problem_of_part(o, key, path)) return problem;
    } else if (std::string expected = expected_of(o, key); !expected.empty()) {
      return OptionProblem{fmt::format("{}{}", path, key), value_of(o, key), std::move(expected)};
    }
  }
  return std::nullopt;
}

}  // namespace

std::string_view name_of(OperatorKind kind) { return row_of(kind).name; }

std::span<const OperatorKind> operator_kinds() {
  static const std::vector<OperatorKind> all = [] {
    std::vector<OperatorKind> kinds;
    for (const Row& row : rows()) kinds.push_back(row.kind);
    return kinds;
  }();
  return all;
}

std::span<const std::string_view> keys_of(OperatorKind kind) { return row_of(kind).keys; }

std::size_t default_bucket(OperatorKind kind) {
  return kind == Kind::sign ? 4096 : kind == Kind::ternary ? 640 : 512;
}
std::size_t default_bits(OperatorKind kind) { return kind == Kind::natural ? 9 : 4; }
ScaleNorm default_norm(OperatorKind kind) {
  return kind == Kind::sign ? ScaleNorm::l1 : ScaleNorm::linf;
}

std::optional<OptionProblem> problem_of(const OperatorOptions& options) {
  INVARIANT(options.kind != Kind::automatic);
  if (auto problem = problem_in(options, "")) return problem;
  if (options.down.empty()) return std::nullopt;
  const OperatorOptions& down = options.down.front();
  if (down.kind == Kind::automatic) {
    return OptionProblem{"down.operator", "\"auto\"", "the name of an operator"};
  }
  return problem_in(down, "down.");
}

Result<void> check_options(const OperatorOptions& options) {
  const auto problem = problem_of(options);
  if (!problem) return {};
  return Error{ErrorCode::config, fmt::format("{}: found {}, expected {}", problem->key,
                                              problem->found, problem->expected)};
}

std::string describe(const OperatorOptions& options) {
  const std::string text = described(options, false);
  return options.down.empty() ? text : text + " down=" + describe_part(options.down);
}

}  // namespace starling::compress
