#include "compress/tensors.h"

#include <doctest/doctest.h>

#include <cmath>
#include <cstring>
#include <limits>

#include "compress/counter_random.h"
#include "compress/header.h"
#include "compress/low_rank.h"
#include "compress/quantize.h"
#include "compress/sign.h"
#include "compress/top_k.h"
#include "compress/whole_model.h"
#include "properties.h"

using namespace starling;
using namespace starling::compress;
using namespace starling::test;

namespace {

// A matrix, two vectors too short for a code, an empty tensor and a long vector; d floats in all
// where d is large enough.
TensorLayout layout_of(std::size_t d) {
  TensorLayout layout;
  const auto add = [&](const char* name, std::size_t rows, std::size_t columns) {
    if (layout.size() + rows * columns <= d) layout.add(name, {rows, columns});
  };
  add("matrix", 20, 30);
  layout.add("empty", {0});
  add("bias", 1, 7);
  add("scale", 1, 3);
  layout.add("rest", {d - layout.size()});
  return layout;
}

std::unique_ptr<Tensors> signs(const TensorLayout& layout) {
  return std::make_unique<Tensors>(
      layout, [](const Tensor&, std::size_t) { return std::make_unique<Sign>(Norm::l1, 512); });
}

MakeOperator operator_of(const Tensors::MakePart& make) {
  return [make](std::size_t d) { return std::make_unique<Tensors>(layout_of(d), make); };
}

std::uint32_t length_at(std::span<const std::byte> message, std::size_t at) {
  return load<std::uint32_t>(message.data() + at);
}

constexpr std::size_t kSize = 1500;
constexpr std::uint64_t kKey = 77;

}  // namespace

TEST_CASE("tensors: the properties of every operator") {
  const PropertyOptions options{.lengths = {0, 1, 17, 600, 601, 610, 611, 700, 1500, 70'000},
                                .flat_index = false};
  SUBCASE("sign") {
    check_operator(operator_of([](const Tensor&, std::size_t) {
                     return std::make_unique<Sign>(Norm::l1, 512);
                   }),
                   options);
  }
  SUBCASE("random numbers") {
    check_operator(operator_of([](const Tensor&, std::size_t) {
                     return std::make_unique<Quantize>(QuantizeParams{.bucket = 128});
                   }),
                   options);
  }
  SUBCASE("a history") {
    check_operator(operator_of([](const Tensor& t, std::size_t number) {
                     return t.is_matrix() ? std::make_unique<LowRank>(
                                                MatrixShape{t.rows(), t.columns()}, 2, number)
                                          : nullptr;
                   }),
                   options);
  }
}

TEST_CASE("tensors: cut, prolonged and flipped messages") {
  for (const std::size_t d : {1, 611, 1500}) {
    check_hostile(
        operator_of([](const Tensor&, std::size_t) { return std::make_unique<TopK>(0.1); }), d);
  }
}

TEST_CASE("tensors: a part is the message of its operator with the tensor's number and key") {
  const TensorLayout layout = layout_of(kSize);
  const std::vector<float> x = heavy(kSize, 1);
  const auto made = [](const Tensor&, std::size_t) {
    return std::make_unique<Quantize>(QuantizeParams{.bucket = 128});
  };
  Tensors c(layout, made);
  const std::vector<std::byte> message = encoded(c, x, kKey);
  const auto header = read_header(message, Op::tensors, kSize);
  REQUIRE(header.ok());
  CHECK(header->count == 3);  // matrix, rest, raw
  std::size_t at = kHeaderBytes;
  for (const std::size_t number : {0, 4}) {
    const Tensor& t = layout.tensors()[number];
    const auto alone = made(t, number);
    std::vector<std::byte> part =
        encoded(*alone, std::span(x).subspan(t.offset, t.size()), subkey(kKey, number));
    set_tensor(static_cast<std::uint32_t>(number), part);
    REQUIRE(length_at(message, at) == part.size());
    CHECK(std::memcmp(message.data() + at + 4, part.data(), part.size()) == 0);
    at += 4 + part.size();
  }
  Identity identity;
  const std::vector<std::byte> raw = encoded(identity, std::span(x).subspan(600, 10), 0);
  REQUIRE(message.size() == at + 4 + raw.size());
  CHECK(std::memcmp(message.data() + at + 4, raw.data(), raw.size()) == 0);
}

TEST_CASE("tensors: the decoded bits are those of the operators alone") {
  const TensorLayout layout = layout_of(kSize);
  const auto c = signs(layout);
  const std::vector<float> x = heavy(kSize, 2), before = normals(kSize, 3);
  std::vector<float> y = before;
  REQUIRE(c->decode_add(encoded(*c, x, kKey), 0.37f, y).ok());
  for (const Tensor& t : layout.tensors()) {
    CAPTURE(t.name);
    std::unique_ptr<Compressor> alone = std::make_unique<Sign>(Norm::l1, 512);
    if (t.size() < 20) alone = std::make_unique<Identity>();
    std::vector<float> z(before.begin() + t.offset, before.begin() + t.offset + t.size());
    const auto message = encoded(*alone, std::span(x).subspan(t.offset, t.size()), 0);
    REQUIRE(alone->decode_add(message, 0.37f, z).ok());
    CHECK(std::equal(z.begin(), z.end(), y.begin() + t.offset));
  }
}

TEST_CASE("tensors: bytes are a header, then a length and a message for each part") {
  const auto c = signs(layout_of(kSize));
  const std::size_t matrix = 32 + 2 * 4 + 75, rest = 32 + 2 * 4 + 112, raw = 32 + 10 * 4;
  CHECK(c->encoded_bytes_max(kSize) == 32 + (4 + matrix) + (4 + rest) + (4 + raw));
  CHECK(encoded(*c, heavy(kSize, 1), 0).size() == c->encoded_bytes_max(kSize));
}

TEST_CASE("tensors: what its code would not make shorter goes raw, the largest size decides") {
  TensorLayout layout;
  layout.add("ten", {10});     // 40 bytes raw, 4 + 32 + 4 + 2 coded
  layout.add("eleven", {11});  // 44 bytes raw, 4 + 32 + 4 + 2 coded
  layout.add("matrix", {50, 50});
  CHECK(signs(layout)->raw_tensors() == std::vector<std::string>{"ten"});
  const Tensors none(layout, [](const Tensor&, std::size_t) { return nullptr; });
  CHECK(none.raw_tensors() == std::vector<std::string>{"ten", "eleven", "matrix"});
  CHECK(none.encoded_bytes_max(layout.size()) == 32 + 4 + 32 + layout.size() * 4);
}

TEST_CASE("tensors: the contract is the worst of the parts") {
  const TensorLayout layout = layout_of(kSize);
  CHECK(signs(layout)->contract(kSize) == Contract{Guarantee::contractive, 1.0 / 512});
  const Tensors quantized(layout, [](const Tensor& t, std::size_t) {
    return std::make_unique<Quantize>(QuantizeParams{.bucket = t.size() == 600 ? 128u : 512u});
  });
  CHECK(quantized.contract(kSize) == Quantize({.bucket = 512}).contract(890));
  // Two classes: what both imply. 1 - 1/512 of the matrix, ω of the rest.
  const Tensors mixed(layout, [](const Tensor& t, std::size_t) -> std::unique_ptr<Compressor> {
    if (t.size() == 600) return std::make_unique<Sign>(Norm::l1, 512);
    return std::make_unique<Quantize>(QuantizeParams{.bits = 8, .bucket = 128});
  });
  CHECK(mixed.contract(kSize) == Contract{Guarantee::bounded, 1 - 1.0 / 512});
  const Tensors raw(layout, [](const Tensor&, std::size_t) { return nullptr; });
  CHECK(raw.contract(kSize) == Contract{Guarantee::contractive, 1});
}

TEST_CASE("tensors: a refusal names the tensor, and a late one gives the early parts back") {
  const TensorLayout layout = layout_of(kSize);
  const auto c = signs(layout);
  std::vector<std::byte> message = encoded(*c, heavy(kSize, 1), 0);
  const std::size_t rest = kHeaderBytes + 4 + length_at(message, kHeaderBytes);
  const std::size_t raw = rest + 4 + length_at(message, rest);
  const std::vector<float> before = normals(kSize, 3);
  const auto refusal = [&](const std::vector<std::byte>& bytes) {
    std::vector<float> y = before;
    const auto added = c->decode_add(bytes, 1, y);
    REQUIRE_FALSE(added.ok());
    CHECK(y == before);
    return added.error().message;
  };
  std::vector<std::byte> bad = message;
  bad[rest + 4 + kHeaderBytes + 3] = bad[rest + 4 + kHeaderBytes + 2] = std::byte{0xff};
  CHECK(refusal(bad) ==
        "tensor 'rest': scale of bucket 0: found -nan, expected a finite number of at least 0");
  bad = message;
  bad[raw + 4 + kHeaderBytes + 7] = bad[raw + 4 + kHeaderBytes + 6] = std::byte{0x7f};
  bad[raw + 4 + kHeaderBytes + 6] = std::byte{0x80};
  CHECK(refusal(bad).starts_with("raw tensors: body holds "));
  bad = message;
  bad[rest + 4 + 4] = std::byte{3};
  CHECK(refusal(bad) == "header field tensor of message 1: found 3, expected 4");
  bad = message;
  bad[rest] ^= std::byte{1};
  CHECK(refusal(bad).find("of message 2: found ") != std::string::npos);
  bad = message;
  bad[16] = std::byte{2};
  CHECK(refusal(bad) == "header field count: found 2, expected 3");
  bad = message;
  bad.resize(bad.size() + 1);
  CHECK(refusal(bad) == "bytes behind the last part: found 1, expected none");
}

TEST_CASE("tensors: nan is named by its tensor, and no operator has moved on") {
  const TensorLayout layout = layout_of(kSize);
  const auto made = [](const Tensor& t, std::size_t number) {
    return t.is_matrix() ? std::make_unique<LowRank>(MatrixShape{t.rows(), t.columns()}, 2, number)
                         : nullptr;
  };
  Tensors c(layout, made), fresh(layout, made);
  std::vector<std::byte> out(c.encoded_bytes_max(kSize));
  std::vector<float> x = heavy(kSize, 1), e(kSize, 0.0f);
  x[610 + 5] = std::nanf("");
  const auto refused = c.encode(x, kKey, out);
  REQUIRE_FALSE(refused.ok());
  CHECK(refused.error().code == ErrorCode::diverged);
  CHECK(refused.error().message == "tensor 'rest': found nan at index 5, expected finite values");
  x[610 + 5] = 0;
  x[603] = -INFINITY;
  CHECK(c.encode_ef(e, x, kKey, out).error().message ==
        "tensor 'bias': found -inf at index 3, expected finite values");
  // Finite both, their sum is not.
  x[603] = e[603] = std::numeric_limits<float>::max();
  CHECK(c.encode_ef(e, x, kKey, out).error().message ==
        "tensor 'bias': found inf at index 3, expected finite values");
  x[603] = 0;
  CHECK(encoded(c, x, kKey) == encoded(fresh, x, kKey));
}

TEST_CASE("whole model: the operator's own bytes, and nan named by its tensor") {
  const TensorLayout layout = layout_of(kSize);
  WholeModel c(layout, std::make_unique<Sign>(Norm::l1, 512));
  Sign alone(Norm::l1, 512);
  std::vector<float> x = heavy(kSize, 1), e(kSize, 0.0f);
  CHECK(encoded(c, x, kKey) == encoded(alone, x, kKey));
  CHECK(decoded(c, encoded(c, x, kKey), kSize) == decoded(alone, encoded(alone, x, kKey), kSize));
  CHECK(c.contract(kSize) == alone.contract(kSize));
  x[608] = std::nanf("");
  std::vector<std::byte> out(c.encoded_bytes_max(kSize));
  const std::string sentence = "tensor 'scale': found nan at index 1, expected finite values";
  CHECK(c.encode(x, kKey, out).error().message == sentence);
  CHECK(c.encode_ef(e, x, kKey, out).error().message == sentence);
  // Finite both, their sum is not.
  x[608] = 0;
  std::vector<float> f(kSize, 0.0f);
  x[2] = f[2] = std::numeric_limits<float>::max();
  CHECK(c.encode_ef(f, x, kKey, out).error().message ==
        "tensor 'matrix': found inf at index 2, expected finite values");
}
