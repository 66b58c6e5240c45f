// What the run file says of an operator, as plain data. The loader in node/ fills these; assembly.h
// makes the operator.
#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "protocol/result.h"

namespace starling::compress {

enum class OperatorKind {
  automatic,  // what the algorithm is made of; never reaches assembly.h
  identity,
  bfloat16,
  float16,
  top_k,
  block_top_k,
  threshold,
  random_k,
  sign,
  quantize,
  ternary,
  natural,
  natural_dithering,
  low_rank,
  count_sketch,
  one_bit,
  variable_rate,
  sidco,
  induced,
};

enum class Scope { model, tensor };  // one message for the flat vector, or one a tensor
enum class ScaleNorm { l1, l2, linf };
enum class RoundingKind { stochastic, nearest };
enum class RandomForm { contractive, unbiased };
enum class FactorKind { float32, bfloat16 };
enum class RateCode { uniform, nearest, anq };
enum class EstimatorKind { exponential, pareto, gamma };

// One operator. Every field is a key of the same name; an operator reads those that keys_of() lists
// for it, whatever the others hold.
struct OperatorOptions {
  OperatorKind kind = OperatorKind::automatic;
  Scope scope = Scope::model;
  double ratio = 0.01;                       // share of the coordinates that is kept
  std::vector<OperatorOptions> values = {};  // what codes the kept values; none: float32
  double threshold = 1e-3;                   // of |x_i|
  double cap = 0.25;                         // threshold: the largest share that is kept
  std::size_t block = 256;                   // block-top-k: one of so many is kept
  std::optional<std::size_t> bucket = {};    // floats that share a scale; unset: default_bucket
  std::optional<std::size_t> bits = {};      // unset: default_bits
  std::optional<ScaleNorm> norm = {};        // unset: default_norm
  RoundingKind rounding = RoundingKind::stochastic;
  RandomForm form = RandomForm::contractive;
  std::size_t rank = 1;
  FactorKind factors = FactorKind::float32;
  std::size_t rows = 3;       // count-sketch: the table, and
  std::size_t width = 65536;  // how many of the largest
  std::size_t keep = 0;       // estimates are used; 0: all
  double step = 1e-3;         // variable-rate: Δ, or η of anq; one-bit: s
  double omega = 0.25;        // variable-rate: ω of anq
  RateCode code = RateCode::uniform;
  double target_bits = 0;  // variable-rate: a coordinate, to which the step adapts; 0: it stays
  double clip = 0;         // ternary: at so many root mean squares; 0: not
  EstimatorKind estimator = EstimatorKind::pareto;
  std::vector<OperatorOptions> biased = {};    // induced: one
  std::vector<OperatorOptions> unbiased = {};  // induced: one
  std::vector<OperatorOptions> down = {};      // of all, outermost: what owners in a mesh tell with

  bool operator==(const OperatorOptions&) const = default;
};

std::string_view name_of(OperatorKind kind);  // as in the run file
// All of them, `auto` first.
std::span<const OperatorKind> operator_kinds();
// The keys that an operator takes beside `operator`, in the order of description.
std::span<const std::string_view> keys_of(OperatorKind kind);

// The values of keys whose default depends on the operator.
std::size_t default_bucket(OperatorKind kind);
std::size_t default_bits(OperatorKind kind);
ScaleNorm default_norm(OperatorKind kind);

// A key whose value its operator does not take: "values.bits", "5", "2, 4 or 8".
struct OptionProblem {
  std::string key, found, expected;
};
// Everything that can be said without the model, for an operator that is not `automatic`.
std::optional<OptionProblem> problem_of(const OperatorOptions& options);
// The same as a sentence (ErrorCode::config): "values.bits: found 5, expected 2, 4 or 8".
Result<void> check_options(const OperatorOptions& options);

// Canonical: equal exactly where two operators speak the same language.
//   "top-k ratio=0.01 values=(quantize bits=4 bucket=512 norm=linf rounding=stochastic)
//   scope=model"
std::string describe(const OperatorOptions& options);

}  // namespace starling::compress
