#include "compress/assembly.h"
#include "compress/block_top.h"
#include "compress/cast.h"
#include "compress/count_sketch.h"
#include "compress/identity.h"
#include "compress/induced.h"
#include "compress/ladder.h"
#include "compress/low_rank.h"
#include "compress/natural.h"
#include "compress/natural_dithering.h"
#include "compress/one_bit.h"
#include "compress/quantize.h"
#include "compress/random_k.h"
#include "compress/sidco.h"
#include "compress/sign.h"
#include "compress/ternary.h"
#include "compress/threshold.h"
#include "compress/top_k.h"
#include "compress/variable_rate.h"

namespace starling::compress {
namespace {

using Kind = OperatorKind;
using Made = std::unique_ptr<Compressor>;

ValueFormat format_of(const OperatorOptions& o) {
  if (o.values.empty()) return ValueFormat::float32;
  switch (o.values.front().kind) {
    case Kind::identity: return ValueFormat::float32;
    case Kind::bfloat16: return ValueFormat::bfloat16;
    case Kind::float16: return ValueFormat::float16;
    default: return ValueFormat::nested;
  }
}

Made values_of(const OperatorOptions& o) {
  if (format_of(o) != ValueFormat::nested) return nullptr;
  return make_operator(o.values.front(), Tensor{}, 0);
}

SparseCoder sparse_of(const OperatorOptions& o) { return SparseCoder(format_of(o), values_of(o)); }

std::size_t bucket_of(const OperatorOptions& o) {
  return o.bucket.value_or(default_bucket(o.kind));
}

bool has_l2(const OperatorOptions& o) {
  return o.norm.value_or(default_norm(o.kind)) == ScaleNorm::l2;
}

BucketNorm bucket_norm(const OperatorOptions& o) {
  return has_l2(o) ? BucketNorm::l2 : BucketNorm::max;
}

QuantizeParams quantize_params(const OperatorOptions& o) {
  const bool nearest = o.rounding == RoundingKind::nearest;
  return {.bits = static_cast<unsigned>(o.bits.value_or(default_bits(o.kind))),
          .bucket = bucket_of(o),
          .norm = bucket_norm(o),
          .rounding = nearest ? Rounding::nearest : Rounding::stochastic};
}

Made make_low_rank(const OperatorOptions& o, const Tensor& tensor, std::uint64_t seed) {
  const bool rounded = o.factors == FactorKind::bfloat16;
  return std::make_unique<LowRank>(MatrixShape{tensor.rows(), tensor.columns()}, o.rank, seed,
                                   rounded ? FactorFormat::bfloat16 : FactorFormat::float32);
}

Made make_variable_rate(const OperatorOptions& o) {
  const RateRounding rounding = o.code == RateCode::anq       ? RateRounding::companded
                                : o.code == RateCode::nearest ? RateRounding::nearest
                                                              : RateRounding::stochastic;
  return std::make_unique<VariableRate>(
      VariableRateOptions{.rounding = rounding,
                          .step = static_cast<float>(o.step),
                          .omega = static_cast<float>(o.omega),
                          .target_bits = static_cast<float>(o.target_bits)});
}

TailModel tail_of(EstimatorKind kind) {
  switch (kind) {
    case EstimatorKind::exponential: return TailModel::exponential;
    case EstimatorKind::pareto: return TailModel::pareto;
    case EstimatorKind::gamma: return TailModel::gamma_pareto;
  }
  return TailModel::pareto;
}

}  // namespace

Made make_operator(const OperatorOptions& o, const Tensor& tensor, std::uint64_t seed) {
  switch (o.kind) {
    case Kind::automatic: break;
    case Kind::identity: return std::make_unique<Identity>();
    case Kind::bfloat16: return std::make_unique<Cast>(Half::bfloat16);
    case Kind::float16: return std::make_unique<Cast>(Half::float16);
    case Kind::top_k: return std::make_unique<TopK>(o.ratio, sparse_of(o));
    case Kind::block_top_k: return std::make_unique<BlockTop>(o.block, format_of(o), values_of(o));
    case Kind::threshold:
      return std::make_unique<Threshold>(static_cast<float>(o.threshold), o.cap, sparse_of(o));
    case Kind::random_k:
      return std::make_unique<RandomK>(
          o.ratio,
          o.form == RandomForm::unbiased ? RandomK::Form::unbiased : RandomK::Form::contractive,
          ValueCoder(format_of(o), values_of(o)));
    case Kind::sign: return std::make_unique<Sign>(has_l2(o) ? Norm::l2 : Norm::l1, bucket_of(o));
    case Kind::quantize: return std::make_unique<Quantize>(quantize_params(o));
    case Kind::ternary:
      return std::make_unique<Ternary>(
          TernaryParams{.bucket = bucket_of(o), .clip = static_cast<float>(o.clip)});
    case Kind::natural:
      return std::make_unique<Natural>(o.bits == 8 ? NaturalForm::eight_bits
                                                   : NaturalForm::nine_bits);
    case Kind::natural_dithering:
      return std::make_unique<NaturalDithering>(bucket_norm(o), bucket_of(o));
    case Kind::low_rank: return make_low_rank(o, tensor, seed);
    case Kind::count_sketch:
      return std::make_unique<CountSketch>(
          CountSketchOptions{.rows = o.rows, .width = o.width, .seed = {}, .keep = o.keep});
    case Kind::one_bit: return std::make_unique<OneBit>(static_cast<float>(o.step));
    case Kind::variable_rate: return make_variable_rate(o);
    case Kind::sidco: return std::make_unique<Sidco>(o.ratio, tail_of(o.estimator), sparse_of(o));
    case Kind::induced:
      return std::make_unique<Induced>(make_operator(o.biased.front(), tensor, seed),
                                       make_operator(o.unbiased.front(), tensor, seed));
  }
  return nullptr;
}

bool has_ladder(const OperatorOptions& o) {
  if (o.kind == Kind::top_k) return o.ratio < kLadderRatioMax / 1.1;
  return o.kind == Kind::quantize && o.bits.value_or(default_bits(o.kind)) < 8;
}

std::unique_ptr<Ladder> make_ladder(const OperatorOptions& o) {
  INVARIANT(has_ladder(o));
  if (o.kind == Kind::quantize) return make_quantize_ladder(quantize_params(o));
  return make_top_k_ladder(o.ratio, sparse_of(o));
}

}  // namespace starling::compress
