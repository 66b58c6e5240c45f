#include "compress/sparse.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <vector>

#include "compress/half_floats.h"
#include "compress/header.h"
#include "compress/sign.h"
#include "promise.h"
#include "properties.h"

using namespace starling;
using namespace starling::compress;
using namespace starling::test;

namespace {

struct Format {
  ValueFormat values;
  std::optional<IndexCode> code = std::nullopt;
};

SparseCoder coder(const Format& format) {
  return SparseCoder(
      format.values,
      format.values == ValueFormat::nested ? std::make_unique<Sign>(Norm::l1, 64) : nullptr,
      format.code);
}

// Keeps the nonzero coordinates among 0, `step`, 2 · step, …
class Stride final : public Compressor {
 public:
  Stride(const Format& format, std::size_t step) : coder_(coder(format)), step_(step) {}

  Contract contract(std::size_t /*d*/) const override { return {Guarantee::bounded, 1}; }
  std::size_t encoded_bytes_max(std::size_t d) const override {
    return coder_.bytes_max(count_max(d), d);
  }
  Result<std::size_t> encode(std::span<const float> x, std::uint64_t key,
                             std::span<std::byte> out) override {
    if (const auto bad = choose(x); !bad) return bad.error();
    return coder_.encode({x.size(), indices_, values_}, key, out);
  }
  Result<std::size_t> encode_ef(std::span<float> e, std::span<const float> g, std::uint64_t key,
                                std::span<std::byte> out) override {
    for (std::size_t i = 0; i < e.size(); ++i) e[i] += g[i];
    if (const auto bad = choose(e); !bad) return bad.error();
    return coder_.encode_ef({e.size(), indices_, values_}, key, out, e);
  }
  Result<void> decode_add(std::span<const std::byte> bytes, float scale,
                          std::span<float> y) const override {
    return coder_.decode_add(bytes, count_max(y.size()), scale, y);
  }

 private:
  std::size_t count_max(std::size_t d) const { return (d + step_ - 1) / step_; }
  Result<void> choose(std::span<const float> x) {
    indices_.clear();
    values_.clear();
    for (std::size_t i = 0; i < x.size(); ++i) {
      if (!std::isfinite(x[i])) {
        return Error{ErrorCode::diverged, fmt::format("found {} at index {}", x[i], i)};
      }
      if (i % step_ != 0 || x[i] == 0) continue;
      indices_.push_back(static_cast<std::uint32_t>(i));
      values_.push_back(x[i]);
    }
    return {};
  }

  SparseCoder coder_;
  const std::size_t step_;
  std::vector<std::uint32_t> indices_;
  std::vector<float> values_;
};

MakeOperator stride(const Format& format, std::size_t step) {
  return [=](std::size_t) { return std::make_unique<Stride>(format, step); };
}

std::string refusal(std::size_t at, unsigned value) {
  Stride c({ValueFormat::bfloat16}, 10);
  std::vector<std::byte> message = encoded(c, normals(300, 1), 0);
  message[at] = static_cast<std::byte>(value);
  std::vector<float> y(300);
  return c.decode_add(message, 1, y).error().message;
}

}  // namespace

TEST_CASE("sparse: the properties of every operator, for every value format") {
  const std::vector<std::size_t> lengths = {0, 1, 15, 16, 17, 129, 513, 8195};
  check_operator(stride({ValueFormat::float32}, 100));
  check_operator(stride({ValueFormat::bfloat16}, 7), {.lengths = lengths});
  check_operator(stride({ValueFormat::nested}, 3), {.lengths = lengths});
  // float16 refuses the largest floats.
  check_operator(stride({ValueFormat::float16}, 2), {.lengths = lengths, .leave_out = {"huge"}});
}

TEST_CASE("sparse: the properties of every operator, for every index code") {
  const std::vector<std::size_t> lengths = {0, 1, 17, 129, 8195};
  for (const IndexCode code :
       {IndexCode::rice, IndexCode::elias_fano, IndexCode::blocks16, IndexCode::bitmap}) {
    CAPTURE(static_cast<int>(code));
    check_operator(stride({ValueFormat::bfloat16, code}, 5), {.lengths = lengths});
    check_hostile(stride({ValueFormat::float32, code}, 5), 300);
  }
  check_operator(stride({ValueFormat::float32}, 1), {.lengths = lengths});
}

TEST_CASE("sparse: cut, prolonged and flipped messages") {
  for (const ValueFormat format :
       {ValueFormat::float32, ValueFormat::bfloat16, ValueFormat::float16, ValueFormat::nested}) {
    for (const std::size_t d : {1, 16, 1000}) check_hostile(stride({format}, 10), d);
    check_hostile(stride({format}, 1), 64);
  }
}

TEST_CASE("sparse: what is sent as float32 leaves a residual of exactly 0") {
  Stride c({ValueFormat::float32}, 10);
  std::vector<float> e = normals(1000, 1), g = normals(1000, 2);
  std::vector<std::byte> out(c.encoded_bytes_max(1000));
  REQUIRE(c.encode_ef(e, g, 0, out).ok());
  for (std::size_t i = 0; i < 1000; i += 10) CHECK((e[i] == 0 && !std::signbit(e[i])));
}

TEST_CASE("sparse: the fused residual is that of decoding") {
  for (const ValueFormat format :
       {ValueFormat::float32, ValueFormat::bfloat16, ValueFormat::float16, ValueFormat::nested}) {
    Stride c({format}, 10);
    std::vector<float> e = normals(1000, 1), g = normals(1000, 2);
    std::vector<float> plain = e;
    std::vector<std::byte> out(c.encoded_bytes_max(1000)), plain_out = out;
    REQUIRE(c.encode_ef(e, g, 3, out).ok());
    REQUIRE(c.Compressor::encode_ef(plain, g, 3, plain_out).ok());
    CHECK(std::memcmp(e.data(), plain.data(), 4000) == 0);
    CHECK(out == plain_out);
  }
}

TEST_CASE("sparse: bytes are those of the indices and of the values") {
  const std::size_t rice = index_bytes_max(100, 10'000);
  CHECK(rice == (100 * 7 + (9900 >> 6) + 7) / 8);
  CHECK(coder({ValueFormat::float32}).bytes_max(100, 10'000) == 32 + rice + 400);
  CHECK(coder({ValueFormat::bfloat16}).bytes_max(100, 10'000) == 32 + rice + 200);
  CHECK(coder({ValueFormat::float16}).bytes_max(100, 10'000) == 32 + rice + 200);
  CHECK(coder({ValueFormat::nested}).bytes_max(100, 10'000) == 32 + rice + 32 + 2 * 4 + 13);
  CHECK(coder({ValueFormat::nested}).bytes_max(0, 10'000) == 32);
  CHECK(coder({ValueFormat::float32, IndexCode::blocks16}).bytes_max(100, 10'000) ==
        32 + 204 + 400);
  // All of them need no indices, all but one do.
  CHECK(coder({ValueFormat::bfloat16}).bytes_max(1000, 1000) == 32 + 125 + 2 * 999);
  CHECK(coder({ValueFormat::bfloat16}).bytes_max(8, 8) == 32 + 2 * 8);
  CHECK(coder({ValueFormat::float32}).bytes_max(1, 1) == 32 + 4);
}

TEST_CASE("sparse: at 1 % of 25 million a bfloat16 entry takes at most 2 % more than 24.1 bits") {
  constexpr std::size_t kSize = 25'000'000, kCount = kSize / 100;
  CHECK(8.0 * coder({ValueFormat::bfloat16}).bytes_max(kCount, kSize) / kCount ==
        doctest::Approx(24.1).epsilon(0.02));
}

TEST_CASE("sparse: no entries are a header") {
  for (const ValueFormat format : {ValueFormat::float32, ValueFormat::nested}) {
    Stride c({format}, 10);
    CHECK(encoded(c, std::vector<float>(1000), 0).size() == 32);
  }
}

TEST_CASE("sparse: a value beyond float16 is refused by index, with advice, and changes nothing") {
  Stride c({ValueFormat::float16}, 10);
  std::vector<float> e(1000), g = normals(1000, 1);
  g[30] = -70'000;
  std::vector<std::byte> out(c.encoded_bytes_max(1000));
  const auto refused = c.encode(g, 0, out);
  CHECK(refused.error().code == ErrorCode::diverged);
  CHECK(refused.error().message ==
        "found -70000 at index 30, expected at most 65504 in magnitude, the largest float16; take "
        "bfloat16 values instead");
  CHECK_FALSE(c.encode_ef(e, g, 0, out).ok());
  CHECK(e == g);
  g[30] = -65519.996f;
  CHECK(decoded(c, encoded(c, g, 0), 1000)[30] == -kFloat16Max);
}

TEST_CASE("sparse: keeping k of d and rounding contracts by (1 - β²)k/d") {
  using enum Guarantee;
  const auto contract = [](const Format& format, std::size_t k, std::size_t d) {
    return coder(format).contract_of_top(k, d);
  };
  CHECK(contract({ValueFormat::float32}, 10, 1000) == Contract{contractive, 0.01});
  CHECK(contract({ValueFormat::bfloat16}, 10, 1000) == Contract{contractive, (1 - 0x1p-16) * 0.01});
  CHECK(contract({ValueFormat::float16}, 10, 1000) ==
        Contract{bounded, 1 - (1 - 0x1p-22) * 0.01, 10 * 0x1p-50});
  const Contract nested = contract({ValueFormat::nested}, 64, 1000);
  CHECK(nested.guarantee == contractive);
  CHECK(nested.constant == doctest::Approx(0.064 / 64));
  CHECK(contract({ValueFormat::float32}, 0, 0) == Contract{contractive, 1});
}

// The specification's §0, "keep-then-quantise".
TEST_CASE(
    "sparse: keeping k of d and quantising them contracts where the quantiser's ω is below 1") {
  using enum Guarantee;
  const auto contract = [](const Contract& nested) {
    return SparseCoder(ValueFormat::nested, std::make_unique<Promise>(nested))
        .contract_of_top(100, 1000);
  };
  CHECK(contract({unbiased, 0.25}) == Contract{contractive, 0.75 * 0.1});
  CHECK(contract({unbiased, 3}) == Contract{bounded, 3});
  CHECK(contract({contractive, 0.5}) == Contract{contractive, 0.5 * 0.1});
  CHECK(contract({bounded, 0.5, 7}) == Contract{bounded, 1 - 0.5 * 0.1, 7});
  CHECK(contract({bounded, 2, 7}) == Contract{bounded, 2, 7});
}

TEST_CASE("sparse: what is wrong is named") {
  CHECK(refusal(1, 1) == "header field flags: value format: found 0, expected 1");
  CHECK(refusal(1, 0x0f) == "header field flags: index code: found 7, expected 1 to 5");
  CHECK(refusal(16, 31) == "header field count: found 31, expected at most 30");
  CHECK(refusal(16, 29) == "value bytes: found 61, expected 58");
  CHECK(refusal(20, 1) == "header field bucket: found 1, expected 0");
  CHECK(refusal(24, 1) == "header field seed: found 1, expected 0");
  CHECK(refusal(3, 1) == "header field param: found 259, expected at most 255");
}

TEST_CASE("sparse: a value that is not finite is named by its place") {
  Stride c({ValueFormat::bfloat16}, 10);
  std::vector<std::byte> message = encoded(c, normals(300, 1), 0);
  message.back() = std::byte{0x7f};
  message[message.size() - 2] = std::byte{0x80};
  std::vector<float> y(300);
  CHECK(c.decode_add(message, 1, y).error().message ==
        "value 29: found inf, expected a finite number");
}

TEST_CASE("sparse: the entries of a ratio") {
  CHECK(entries_of(0.01, 0) == 0);
  CHECK(entries_of(0.01, 1) == 1);
  CHECK(entries_of(0.01, 149) == 1);
  CHECK(entries_of(0.01, 150) == 2);
  CHECK(entries_of(1, 150) == 150);
  CHECK(entries_of(7, 150) == 150);
}
