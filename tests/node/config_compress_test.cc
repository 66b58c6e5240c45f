// [compress]: what each operator takes, the whole sentence that answers what it does not.
#include <doctest/doctest.h>

#include "node/run.h"
#include "refusals.h"

namespace starling::node {
namespace {

using compress::OperatorKind;
using compress::OperatorOptions;

// `text` as the run's [compress], with an algorithm that takes every operator.
std::string with(const std::string& text) {
  return "[gossip]\nalgorithm = \"none\"\n[compress]\n" + text + kAll;
}

OperatorOptions read(const std::string& text, const std::vector<std::string>& overrides = {}) {
  const auto config = parse_config(with(text), "run.toml", "base", overrides);
  if (!config) FAIL(config.error().message);
  return config->compress;
}

TEST_CASE("compress: every key arrives in its field") {
  CHECK(read("") == OperatorOptions());
  CHECK(read("operator = \"top-k\"\nratio = 0.25\nvalues = \"float16\"\nscope = \"tensor\"\n") ==
        OperatorOptions{.kind = OperatorKind::top_k,
                        .scope = compress::Scope::tensor,
                        .ratio = 0.25,
                        .values = {{.kind = OperatorKind::float16}}});
  CHECK(read("operator = \"quantize\"\nbits = 8\nbucket = 1024\nnorm = \"l2\"\n"
             "rounding = \"nearest\"\n") ==
        OperatorOptions{.kind = OperatorKind::quantize,
                        .bucket = 1024,
                        .bits = 8,
                        .norm = compress::ScaleNorm::l2,
                        .rounding = compress::RoundingKind::nearest});
  CHECK(read("operator = \"threshold\"\nthreshold = 0.5\ncap = 0.125\n") ==
        OperatorOptions{.kind = OperatorKind::threshold, .threshold = 0.5, .cap = 0.125});
  CHECK(read("operator = \"block-top-k\"\nblock = 64\n") ==
        OperatorOptions{.kind = OperatorKind::block_top_k, .block = 64});
  CHECK(read("operator = \"sidco\"\nestimator = \"gamma\"\n") ==
        OperatorOptions{.kind = OperatorKind::sidco, .estimator = compress::EstimatorKind::gamma});
  CHECK(read("operator = \"low-rank\"\nrank = 3\nfactors = \"bfloat16\"\n") ==
        OperatorOptions{
            .kind = OperatorKind::low_rank, .rank = 3, .factors = compress::FactorKind::bfloat16});
  CHECK(read("operator = \"count-sketch\"\nrows = 5\nwidth = 64\nkeep = 7\n") ==
        OperatorOptions{.kind = OperatorKind::count_sketch, .rows = 5, .width = 64, .keep = 7});
  CHECK(read("operator = \"variable-rate\"\ncode = \"anq\"\nstep = 0.5\nomega = 1\n") ==
        OperatorOptions{.kind = OperatorKind::variable_rate,
                        .step = 0.5,
                        .omega = 1,
                        .code = compress::RateCode::anq});
  CHECK(read("operator = \"variable-rate\"\ntarget_bits = 4.5\n").target_bits == 4.5);
  CHECK(read("operator = \"ternary\"\nclip = 2.5\n").clip == 2.5);
}

TEST_CASE("compress: operators inside operators, as a table, a section or --set") {
  const OperatorOptions expected{.kind = OperatorKind::top_k,
                                 .values = {{.kind = OperatorKind::quantize, .bits = 8}}};
  CHECK(read("operator = \"top-k\"\nvalues = {operator = \"quantize\", bits = 8}\n") == expected);
  CHECK(read("operator = \"top-k\"\n[compress.values]\noperator = \"quantize\"\nbits = 8\n") ==
        expected);
  CHECK(read("operator = \"top-k\"\n", {"compress.values={operator=\"quantize\", bits=8}"}) ==
        expected);
  CHECK(read("operator = \"top-k\"\nvalues = {operator = \"quantize\"}\n",
             {"compress.values.bits=8"}) == expected);
  CHECK(read("", {"compress.operator=top-k", "compress.values.operator=quantize",
                  "compress.values.bits=8"}) == expected);
  CHECK(read("operator = \"induced\"\n[compress.biased]\noperator = \"top-k\"\nratio = 0.5\n"
             "[compress.unbiased]\noperator = \"random-k\"\nform = \"unbiased\"\n"
             "[compress.unbiased.values]\noperator = \"natural\"\n") ==
        OperatorOptions{.kind = OperatorKind::induced,
                        .biased = {{.kind = OperatorKind::top_k, .ratio = 0.5}},
                        .unbiased = {{.kind = OperatorKind::random_k,
                                      .values = {{.kind = OperatorKind::natural}},
                                      .form = compress::RandomForm::unbiased}}});
}

TEST_CASE("compress refuses values, with the path of the key") {
  check_refusals({
      {with("operator = \"topk\"\n"),
       "run.toml:4:12: [compress] operator: found \"topk\", expected one of \"auto\", "
       "\"identity\", \"bfloat16\", \"float16\", \"top-k\", \"block-top-k\", \"threshold\", "
       "\"random-k\", \"sign\", \"quantize\", \"ternary\", \"natural\", \"natural-dithering\", "
       "\"low-rank\", \"count-sketch\", \"one-bit\", \"variable-rate\", \"sidco\", \"induced\"; "
       "did you mean \"top-k\"?"},
      {with("operator = \"top-k\"\nratio = 0\n"),
       "run.toml:5:9: [compress] ratio: found 0, expected a number above 0 and at most 1"},
      {with("operator = \"top-k\"\nvalues = \"bfloat\"\n"),
       "run.toml:5:10: [compress] values: found \"bfloat\", expected \"float32\", \"bfloat16\", "
       "\"float16\" or a table, {operator = \"quantize\", bits = 4}; did you mean \"bfloat16\"?"},
      {with("operator = \"top-k\"\nvalues = {operator = \"quantize\", bits = 5}\n"),
       "run.toml:5:41: [compress] values.bits: found 5, expected 2, 4 or 8"},
      {with("operator = \"top-k\"\nvalues = {operator = \"quantize\", bits = 10}\n"),
       "run.toml:5:41: [compress] values.bits: found 10, expected a whole number from 2 to 9"},
      {with("operator = \"top-k\"\nvalues = {operator = \"top-k\"}\n"),
       "run.toml:5:22: [compress] values.operator: found \"top-k\", expected one of identity, "
       "bfloat16, float16, sign, quantize, ternary, natural, natural-dithering"},
      {with("operator = \"top-k\"\nvalues = {}\n"),
       "run.toml:5:10: [compress] values.operator: missing, expected one of identity, bfloat16, "
       "float16, sign, quantize, ternary, natural, natural-dithering"},
      {with("operator = \"block-top-k\"\nblock = 100\n"),
       "run.toml:5:9: [compress] block: found 100, expected a power of two from 2 to 65536"},
      {with("operator = \"ternary\"\nbucket = 512\n"),
       "run.toml:5:10: [compress] bucket: found 512, expected a multiple of 640 from 640 to "
       "16777216"},
      {with("operator = \"sign\"\nnorm = \"linf\"\n"),
       "run.toml:5:8: [compress] norm: found linf, expected \"l1\" or \"l2\""},
      {with("operator = \"induced\"\n"),
       "run.toml:3:2: [compress] biased.operator: missing, expected one of top-k, block-top-k, "
       "random-k, sign"},
      {with("operator = \"induced\"\nbiased = \"top-k\"\n"),
       "run.toml:5:10: [compress] biased: found \"top-k\", expected a table, {operator = "
       "\"top-k\", ratio = 0.01}"},
      {with("operator = \"induced\"\nbiased = {operator = \"top-k\"}\n"
            "unbiased = {operator = \"random-k\"}\n"),
       "run.toml:6:12: [compress] unbiased: found contractive, delta 0.01, expected an "
       "unbiased operator"},
      {with("operator = \"top-k\"\n"),
       "--set compress.values.bits=3: [compress] values.bits: found 3, expected 2, 4 or 8",
       {"compress.values.operator=quantize", "compress.values.bits=3"}},
  });
}

TEST_CASE("compress refuses keys that the operator does not take, and those of none") {
  check_refusals({
      {with("operator = \"top-k\"\nrank = 2\n"),
       "run.toml:5:8: [compress] rank: found a key that operator \"top-k\" does not take, "
       "expected ratio, values, scope"},
      {with("operator = \"identity\"\nscope = \"tensor\"\n"),
       "run.toml:5:9: [compress] scope: found a key that operator \"identity\" does not take, "
       "expected none beside operator"},
      {with("ratio = 0.5\n"),
       "run.toml:4:9: [compress] ratio: found a key that operator \"auto\" does not take, "
       "expected none beside operator"},
      {with("operator = \"top-k\"\nvalues = {operator = \"sign\", bits = 4}\n"),
       "run.toml:5:37: [compress] values.bits: found a key that operator \"sign\" does not take, "
       "expected norm, bucket"},
      {with("operator = \"top-k\"\nvalues = {operator = \"sign\", scope = \"tensor\"}\n"),
       "run.toml:5:38: [compress] values.scope: found a key that operator \"sign\" does not take, "
       "expected norm, bucket"},
      {with("operator = \"quantize\"\nvalues = {operator = \"sign\"}\n"),
       "run.toml:5:10: [compress] values: found a key that operator \"quantize\" does not take, "
       "expected bits, bucket, norm, rounding, scope"},
      {with("operator = \"top-k\"\nvalues = {operator = \"quantize\", bit = 4}\n"),
       "run.toml:5:34: [compress] values.bit: unknown key; did you mean 'bits'?"},
      {with("operator = \"top-k\"\nratoi = 0.5\n"),
       "run.toml:5:1: [compress] ratoi: unknown key; did you mean 'ratio'?"},
  });
}

TEST_CASE("compress refuses operators that the algorithm is not made of") {
  const std::string rank = "[compress]\noperator = \"low-rank\"\nrank = 2\n";
  check_refusals({
      {"[gossip]\nalgorithm = \"d-psgd\"\n[compress]\noperator = \"top-k\"\n" + kAll,
       "run.toml:4:12: [compress] operator: found \"top-k\", but d-psgd (in [gossip] algorithm) "
       "takes \"identity\"; set that, or \"auto\""},
      {"[gossip]\nalgorithm = \"moniqua\"\n[compress]\noperator = \"quantize\"\n" + kAll,
       "run.toml:4:12: [compress] operator: found \"quantize\", but moniqua (in [gossip] "
       "algorithm) "
       "has codes of its own, expected \"auto\""},
      {rank + kAll,
       "run.toml:3:8: [compress] rank: found a key that powergossip (in [gossip] algorithm) does "
       "not read; its rank is [gossip] rank"},
      {with("operator = \"low-rank\"\nrank = 2\n[run]\ncompare = [\"powergossip\"]\n"),
       "run.toml:5:8: [compress] rank: found a key that powergossip (in [run] compare) does not "
       "read; its rank is [gossip] rank"},
  });
}

constexpr const char* kQuadratic =
    "[run]\nname = \"small\"\n[topology]\nnodes = 4\n[data]\nkind = \"quadratic\"\n"
    "dimension = 60\n[model]\nkind = \"quadratic\"\n";

Result<Run> run_of(const std::vector<std::string>& overrides,
                   gossip::AlgorithmKind algorithm = gossip::AlgorithmKind::none) {
  auto config = parse_config(kQuadratic, "run.toml", "base", overrides);
  if (!config) FAIL(config.error().message);
  config->gossip.algorithm = algorithm;
  return load_run(std::move(*config));
}

std::string value_of(const Run& run, const std::string& field) {
  for (const FingerprintField& f : fingerprint_of(run)) {
    if (f.name == field) return f.value;
  }
  return "(absent)";
}

TEST_CASE("compress: auto is what the algorithm is made of, and the fingerprint says so") {
  using gossip::AlgorithmKind;
  CHECK(value_of(*run_of({"compress.operator=auto"}), "compressor") == "identity");
  CHECK(value_of(*run_of({}, AlgorithmKind::d_psgd), "compressor") == "identity");
  CHECK(value_of(*run_of({"gossip.rank=3"}, AlgorithmKind::powergossip), "compressor") ==
        "low-rank rank=3 factors=float32");
  CHECK(value_of(*run_of({"gossip.algorithm=none", "compress.operator=sign"}), "compressor") ==
        "sign norm=l1 bucket=4096 scope=model");
}

TEST_CASE("compress: a run whose messages would not be shorter than the model is refused") {
  const auto run = run_of({"gossip.algorithm=none", "compress.operator=top-k", "compress.ratio=1"});
  REQUIRE_FALSE(run.ok());
  CHECK(run.error().code == ErrorCode::config);
  CHECK(run.error().message ==
        "run.toml: [compress] operator top-k ratio=1 values=float32 scope=model needs up to 276 "
        "bytes for a model of 240 bytes; take a smaller ratio or operator = \"identity\"");
}

TEST_CASE("compress: an algorithm gets an operator of the class that its theory asks for") {
  using gossip::AlgorithmKind;
  const std::string any = "gossip.algorithm=none";
  const auto loads = [&](AlgorithmKind algorithm, std::vector<std::string> overrides) {
    overrides.push_back(any);
    const auto run = run_of(overrides, algorithm);
    if (!run) return run.error().message;
    CHECK(make_core(*run, node_id(0)) != nullptr);
    return std::string();
  };
  const std::string threshold = "compress.operator=threshold", sign = "compress.operator=sign",
                    natural = "compress.operator=natural";
  CHECK(loads(AlgorithmKind::choco, {sign}) == "");
  CHECK(loads(AlgorithmKind::choco, {natural}) == "");
  CHECK(loads(AlgorithmKind::choco, {threshold}) ==
        "run.toml: [compress] operator: found threshold threshold=0.001 cap=0.25 values=float32 "
        "scope=model (bounded, beta^2 0.75, sigma^2 6e-05), but choco needs one that contracts, "
        "and this one has an error that does not shrink with what is sent; def-atc takes it, or "
        "set [gossip] allow_unproven = true");
  CHECK(loads(AlgorithmKind::choco, {threshold, "gossip.allow_unproven=true"}) == "");
  const std::vector<std::string> scaled = {"compress.operator=random-k", "compress.ratio=0.1",
                                           "compress.form=unbiased"};
  for (const auto algorithm : {AlgorithmKind::choco, AlgorithmKind::def_atc}) {
    CHECK(loads(algorithm, scaled).find("unbiased one with omega 9") != std::string::npos);
  }
  CHECK(loads(AlgorithmKind::actc, scaled) == "");
  CHECK(loads(AlgorithmKind::def_atc, {threshold}) == "");
  CHECK(loads(AlgorithmKind::lead, {natural}) == "");
  CHECK(loads(AlgorithmKind::lead, {"compress.operator=identity"}) == "");
  CHECK(loads(AlgorithmKind::lead, {sign}) ==
        "run.toml: [compress] operator: found sign norm=l1 bucket=4096 scope=model (contractive, "
        "delta 0.0166667), but lead needs an unbiased one, or set [gossip] allow_unproven = true");
}

TEST_CASE("compress: the line of the start says what is sent") {
  CHECK(operator_summary(*run_of({"gossip.algorithm=none", "compress.operator=bfloat16"})) ==
        "operator bfloat16 scope=model: contractive, delta 0.999985; at most 152 bytes a message, "
        "the "
        "raw model has 240");
  CHECK(operator_summary(*run_of({"gossip.rank=2"}, gossip::AlgorithmKind::powergossip)) ==
        "operator low-rank rank=2 factors=float32: one factor of each matrix a message");
  CHECK(operator_summary(*run_of({}, gossip::AlgorithmKind::dyna_cold)) ==
        "operator one-bit: one bit a coordinate");
  CHECK(operator_summary(*run_of({"gossip.bits=4"}, gossip::AlgorithmKind::moniqua)) ==
        "operator auto: 4 bits a coordinate");
}

}  // namespace
}  // namespace starling::node
