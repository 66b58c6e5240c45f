#include "compress/assembly.h"

#include <doctest/doctest.h>

#include <cmath>

#include "compress/header.h"
#include "properties.h"

using namespace starling;
using namespace starling::compress;
using namespace starling::test;

namespace {

TensorLayout model() {
  TensorLayout layout;
  layout.add("layer0.weight", {64, 48});
  layout.add("layer0.bias", {64});
  layout.add("layer1.weight", {10, 64});
  layout.add("layer1.bias", {10});
  return layout;
}

OperatorOptions of(OperatorKind kind) { return {.kind = kind}; }

OperatorOptions induced() {
  return {.kind = OperatorKind::induced,
          .biased = {of(OperatorKind::top_k)},
          .unbiased = {{.kind = OperatorKind::random_k, .form = RandomForm::unbiased}}};
}

// Every operator, with defaults that suit the model.
std::vector<OperatorOptions> all_operators() {
  std::vector<OperatorOptions> all;
  for (const OperatorKind kind : operator_kinds()) {
    if (kind == OperatorKind::automatic) continue;
    all.push_back(kind == OperatorKind::induced ? induced() : of(kind));
    all.back().width = 64;
  }
  return all;
}

std::string refusal(const OperatorOptions& options, const TensorLayout& layout = model()) {
  const auto made = make_compressor(options, layout, 1);
  REQUIRE_FALSE(made.ok());
  CHECK(made.error().code == ErrorCode::config);
  return made.error().message;
}

std::vector<float> sent(Compressor& c, std::span<const float> x) {
  return decoded(c, encoded(c, x, 5), x.size());
}

}  // namespace

TEST_CASE("assembly: every operator is made, for the model and for each tensor") {
  const TensorLayout layout = model();
  const std::vector<float> x = heavy(layout.size(), 1);
  for (OperatorOptions options : all_operators()) {
    for (const Scope scope : {Scope::model, Scope::tensor}) {
      options.scope = scope;
      CAPTURE(describe(options));
      const auto made = make_compressor(options, layout, 1);
      if (!made) FAIL(made.error().message);
      const auto other = make_compressor(options, layout, 1);
      const std::vector<std::byte> message = encoded(**made, x, 5);
      CHECK(message == encoded(**other, x, 5));
      CHECK(message.size() <= (*made)->encoded_bytes_max(x.size()));
      std::vector<float> y(x.size());
      CHECK((*other)->decode_add(message, 1, y).ok());
      const auto keys = keys_of(options.kind);
      const bool tensors =
          options.kind == OperatorKind::low_rank ||
          (scope == Scope::tensor && std::find(keys.begin(), keys.end(), "scope") != keys.end());
      CHECK((std::to_integer<int>(message[0]) == static_cast<int>(Op::tensors)) == tensors);
      std::vector<float> bad = x;
      bad[64 * 48 + 3] = std::nanf("");
      std::vector<std::byte> out((*made)->encoded_bytes_max(x.size()));
      CHECK((*made)->encode(bad, 5, out).error().message ==
            "tensor 'layer0.bias': found nan at index 3, expected finite values");
    }
  }
}

TEST_CASE("assembly: parameters reach their operator") {
  const TensorLayout layout = model();
  const std::size_t d = layout.size();
  const std::vector<float> x = heavy(d, 1);
  const auto bytes = [&](OperatorOptions options) {
    CAPTURE(describe(options));
    const auto made = make_compressor(options, layout, 1);
    REQUIRE(made.ok());
    return (*made)->encoded_bytes_max(d);
  };
  const auto contract = [&](OperatorOptions options) {
    return make_compressor(options, layout, 1).value()->contract(d);
  };
  using Kind = OperatorKind;
  CHECK(d == 3786);
  CHECK(bytes(of(Kind::bfloat16)) == 32 + 2 * d);
  CHECK(contract(of(Kind::float16)).guarantee == Guarantee::bounded);
  CHECK(contract({.kind = Kind::top_k, .ratio = 0.1}).constant == doctest::Approx(379.0 / d));
  CHECK(bytes({.kind = Kind::top_k, .values = {of(Kind::bfloat16)}}) + 2 * 38 ==
        bytes(of(Kind::top_k)));
  CHECK(bytes({.kind = Kind::random_k, .ratio = 0.5}) == 32 + 4 * d / 2);
  CHECK(contract({.kind = Kind::random_k, .ratio = 0.5, .form = RandomForm::unbiased}) ==
        Contract{Guarantee::unbiased, 1});
  CHECK(contract({.kind = Kind::block_top_k, .block = 16}) ==
        Contract{Guarantee::contractive, 1.0 / 16});
  CHECK(contract({.kind = Kind::threshold, .threshold = 0.5, .cap = 0.5}).absolute ==
        doctest::Approx(0.25 * d));
  CHECK(bytes({.kind = Kind::sign, .bucket = 1024}) == 32 + 4 * 4 + (d + 7) / 8);
  CHECK(bytes(of(Kind::sign)) == 32 + 4 + (d + 7) / 8);
  CHECK(contract({.kind = Kind::sign, .norm = ScaleNorm::l2}).guarantee == Guarantee::bounded);
  CHECK(bytes({.kind = Kind::quantize, .bits = 8}) == 32 + 8 * 4 + d);
  CHECK(bytes({.kind = Kind::quantize, .bucket = 128}) == 32 + 30 * 4 + 64 * 30);
  CHECK(contract(of(Kind::quantize)).guarantee == Guarantee::unbiased);
  CHECK(contract({.kind = Kind::quantize, .rounding = RoundingKind::nearest}).guarantee ==
        Guarantee::contractive);
  CHECK(contract({.kind = Kind::quantize, .norm = ScaleNorm::l2}).constant >
        contract(of(Kind::quantize)).constant);
  CHECK(contract({.kind = Kind::ternary, .clip = 2.5}).guarantee == Guarantee::bounded);
  CHECK(bytes({.kind = Kind::ternary, .bucket = 1280}) == 32 + 3 * 4 + (d + 4) / 5);
  CHECK(bytes({.kind = Kind::natural, .bits = 8}) == 32 + d);
  CHECK(bytes(of(Kind::natural)) == 32 + d + (d + 7) / 8);
  CHECK(bytes({.kind = Kind::natural_dithering, .bucket = 128}) == 32 + 30 * 4 + 64 * 30);
  const std::size_t factors = 2 * (64 + 48) + 2 * (10 + 64);
  CHECK(bytes({.kind = Kind::low_rank, .rank = 2}) ==
        32 + 3 * (4 + 32) + factors * 4 + (64 + 10) * 4);
  CHECK(bytes({.kind = Kind::low_rank, .rank = 2, .factors = FactorKind::bfloat16}) ==
        32 + 3 * (4 + 32) + factors * 2 + (64 + 10) * 4);
  CHECK(bytes({.kind = Kind::count_sketch, .rows = 5, .width = 128}) == 32 + 4 * 5 * 128);
  CHECK(contract({.kind = Kind::one_bit, .step = 0.5}).absolute == doctest::Approx(d * 0.0625));
  CHECK(contract({.kind = Kind::variable_rate, .step = 0.5}).absolute ==
        doctest::Approx(d * 0.0625));
  CHECK(contract({.kind = Kind::variable_rate, .omega = 0.5, .code = RateCode::anq}).constant ==
        doctest::Approx(0.5));
  CHECK(contract(induced()).guarantee == Guarantee::unbiased);
}

TEST_CASE("assembly: top-k a tensor shares out the model's k in proportion") {
  const TensorLayout layout = model();
  const std::vector<float> x = heavy(layout.size(), 1);
  const auto made = make_compressor(
      {.kind = OperatorKind::top_k, .scope = Scope::tensor, .ratio = 0.0085}, layout, 1);
  REQUIRE(made.ok());
  const std::vector<float> y = sent(**made, x);
  const auto kept = [&](std::size_t tensor) {
    const Tensor& t = layout.tensors()[tensor];
    return std::count_if(y.begin() + t.offset, y.begin() + t.offset + t.size(),
                         [](float v) { return v != 0; });
  };
  // 32 of 3786: 25.96, 0.54, 5.41 and 0.08, which gets one of the largest part's (and goes raw).
  CHECK(kept(0) == 25);
  CHECK(kept(1) == 1);
  CHECK(kept(2) == 5);
  CHECK(kept(3) == 10);
}

TEST_CASE("assembly: a sketch hashes anew in every round") {
  const TensorLayout layout = model();
  OperatorOptions options = of(OperatorKind::count_sketch);
  options.width = 256;
  const auto made = make_compressor(options, layout, 1);
  const std::vector<float> x = heavy(layout.size(), 1);
  CHECK(encoded(**made, x, 1) != encoded(**made, x, 2));
  CHECK(encoded(**made, x, 1) == encoded(**made, x, 1));
}

TEST_CASE("assembly: a choice that would not shrink the model is refused with the numbers") {
  TensorLayout small;
  small.add("w", {5, 5});
  using Kind = OperatorKind;
  CHECK(refusal({.kind = Kind::top_k, .ratio = 1, .values = {of(Kind::identity)}}) ==
        "operator top-k ratio=1 values=float32 scope=model needs up to 15646 bytes for a model "
        "of 15144 bytes; take a smaller ratio or operator = \"identity\"");
  CHECK(refusal(of(Kind::count_sketch)) ==
        "operator count-sketch rows=3 width=65536 keep=0 scope=model needs up to 786464 bytes for "
        "a model of 15144 bytes; take a smaller width or operator = \"identity\"");
  CHECK(refusal({.kind = Kind::low_rank, .rank = 64}) ==
        "operator low-rank rank=64 factors=float32 needs up to 15212 bytes for a model of 15144 "
        "bytes; take a smaller rank or operator = \"identity\"");
  CHECK(refusal(of(Kind::quantize), small) ==
        "operator quantize bits=4 bucket=512 norm=linf rounding=stochastic scope=model needs up "
        "to 100 bytes for a model of 100 bytes; take fewer bits or operator = \"identity\"");
  CHECK(make_compressor(of(Kind::identity), small, 1).ok());
  CHECK(make_compressor(of(Kind::variable_rate), model(), 1).ok());
  TensorLayout huge;
  huge.add("w", {std::size_t{1} << 20, std::size_t{1} << 10});
  CHECK(refusal(of(Kind::sign), huge) ==
        "found a model of 1073741824 floats, expected at most 536870912");
}

TEST_CASE("assembly: which tensors go raw") {
  using Kind = OperatorKind;
  const std::vector<std::string> biases = {"layer0.bias", "layer1.bias"};
  CHECK(raw_tensors(of(Kind::low_rank), model()) == biases);
  CHECK(raw_tensors({.kind = Kind::sign, .scope = Scope::tensor}, model()) ==
        std::vector<std::string>{"layer1.bias"});
  CHECK(raw_tensors(of(Kind::sign), model()).empty());
}

TEST_CASE("assembly: the summary of a run's operator") {
  using Kind = OperatorKind;
  CHECK(summary(of(Kind::bfloat16), model()) ==
        "operator bfloat16 scope=model: contractive, delta 0.999985; at most 7604 bytes a message, "
        "the "
        "raw model has 15144");
  CHECK(summary({.kind = Kind::sign, .scope = Scope::tensor}, model()) ==
        "operator sign norm=l1 bucket=4096 scope=tensor: contractive, delta 0.000325521; at most "
        "700 bytes a message, the raw model has 15144; raw: layer1.bias");
  CHECK(describe(Contract{Guarantee::bounded, 0.75, 2}) == "bounded, beta^2 0.75, sigma^2 2");
}

TEST_CASE("options: a description tells apart what does not speak the same language") {
  using Kind = OperatorKind;
  OperatorOptions options = of(Kind::top_k);
  CHECK(describe(options) == "top-k ratio=0.01 values=float32 scope=model");
  options.values = {of(Kind::quantize)};
  CHECK(describe(options) ==
        "top-k ratio=0.01 values=(quantize bits=4 bucket=512 norm=linf rounding=stochastic) "
        "scope=model");
  options.values = {of(Kind::identity)};
  CHECK(describe(options) == describe(of(Kind::top_k)));
  // A key that the operator does not take says nothing.
  options.rank = 7;
  CHECK(describe(options) == describe(of(Kind::top_k)));
  CHECK(describe(of(Kind::identity)) == "identity");
  CHECK(describe({.kind = Kind::quantize, .bits = 4, .norm = ScaleNorm::linf}) ==
        describe(of(Kind::quantize)));
  CHECK(describe(induced()) ==
        "induced biased=(top-k ratio=0.01 values=float32) unbiased=(random-k ratio=0.01 "
        "form=unbiased values=float32) scope=model");
}

TEST_CASE("options: what the model is not needed for is refused at once") {
  using Kind = OperatorKind;
  const auto sentence = [](const OperatorOptions& options) {
    const auto checked = check_options(options);
    REQUIRE_FALSE(checked.ok());
    CHECK(checked.error().code == ErrorCode::config);
    return checked.error().message;
  };
  CHECK(sentence({.kind = Kind::top_k, .ratio = 0}) ==
        "ratio: found 0, expected a number above 0 and at most 1");
  CHECK(sentence({.kind = Kind::random_k, .ratio = std::nan("")}) ==
        "ratio: found nan, expected a number above 0 and at most 1");
  CHECK(sentence({.kind = Kind::block_top_k, .block = 48}) ==
        "block: found 48, expected a power of two from 2 to 65536");
  CHECK(sentence({.kind = Kind::sign, .bucket = 100}) ==
        "bucket: found 100, expected a multiple of 8 up to 16777216, 0 for one scale");
  CHECK(sentence({.kind = Kind::ternary, .bucket = 512}) ==
        "bucket: found 512, expected a multiple of 640 from 640 to 16777216");
  CHECK(sentence({.kind = Kind::quantize, .bits = 5}) == "bits: found 5, expected 2, 4 or 8");
  CHECK(sentence({.kind = Kind::quantize, .norm = ScaleNorm::l1}) ==
        "norm: found l1, expected \"l2\" or \"linf\"");
  CHECK(sentence({.kind = Kind::sign, .norm = ScaleNorm::linf}) ==
        "norm: found linf, expected \"l1\" or \"l2\"");
  CHECK(sentence({.kind = Kind::count_sketch, .rows = 2}) ==
        "rows: found 2, expected 1, 3, 5 or 7");
  CHECK(sentence({.kind = Kind::count_sketch, .width = 48}) ==
        "width: found 48, expected a power of two from 16 to 268435456");
  CHECK(sentence({.kind = Kind::variable_rate, .code = RateCode::anq, .target_bits = 4}) ==
        "target_bits: found 4, expected 0 with code = \"anq\"");
  CHECK(sentence({.kind = Kind::top_k, .values = {{.kind = Kind::quantize, .bits = 3}}}) ==
        "values.bits: found 3, expected 2, 4 or 8");
  CHECK(sentence({.kind = Kind::top_k, .values = {of(Kind::top_k)}}) ==
        "values.operator: found \"top-k\", expected one of identity, bfloat16, float16, sign, "
        "quantize, ternary, natural, natural-dithering");
  CHECK(sentence({.kind = Kind::induced, .unbiased = {of(Kind::natural)}}) ==
        "biased.operator: found none, expected one of top-k, block-top-k, random-k, sign");
  OperatorOptions wrong = induced();
  wrong.unbiased.front().form = RandomForm::contractive;
  CHECK(sentence(wrong) ==
        "unbiased: found contractive, delta 0.01, expected an unbiased operator");
}
