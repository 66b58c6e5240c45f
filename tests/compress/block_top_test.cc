#include "compress/block_top.h"

#include <doctest/doctest.h>

#include <cmath>

#include "compress/kernels/block_max.h"
#include "compress/kernels/select.h"
#include "compress/sign.h"
#include "compress/top_k.h"
#include "guarded.h"
#include "properties.h"
#include "targets.h"

using namespace starling;
using namespace starling::compress;
using namespace starling::test;

namespace {

MakeOperator block_top(std::size_t block, ValueFormat format = ValueFormat::float32) {
  return [=](std::size_t) { return std::make_unique<BlockTop>(block, format); };
}

}  // namespace

TEST_CASE("block maxima: every instruction set finds those of the plain loop") {
  for_each_target([] {
    for (const std::size_t size : {0, 1, 7, 8, 15, 16, 17, 33, 100, 512, 1000, 5000}) {
      for (const std::size_t block : {2, 4, 8, 16, 64, 512, 4096}) {
        for (const std::size_t shift : {0, 1, 3}) {
          CAPTURE(size);
          CAPTURE(block);
          GuardedFloats x = guarded_normals(size, shift, 1);
          // Halves make ties.
          for (float& value : x.span()) value = std::round(2 * value) / 2;
          Guarded<std::uint32_t> found((size + block - 1) / block, shift), wanted = found;
          CHECK(block_maxima(x.span(), block, found.span()) ==
                ref::block_maxima(x.span(), block, wanted.span()));
          CHECK(found == wanted);
        }
      }
    }
  });
}

TEST_CASE("block top: the properties of every operator") {
  for (const std::size_t block : {2, 16, 128, 65536}) {
    check_operator(block_top(block), {.always_contracts = true});
  }
}

TEST_CASE("block top: the properties with other values") {
  PropertyOptions options{.lengths = {0, 1, 17, 129, 512, 8193}, .always_contracts = true};
  check_operator(
      [](std::size_t) {
        return std::make_unique<BlockTop>(32, ValueFormat::nested,
                                          std::make_unique<Sign>(Norm::l1, 64));
      },
      options);
  options.leave_out = {"denormals"};  // bfloat16 keeps fewer of their bits
  check_operator(block_top(32, ValueFormat::bfloat16), options);
  options.leave_out = {"denormals", "huge"};  // float16 refuses more than 65504
  options.always_contracts = false;           // bounded: small values are denormals there
  check_operator(block_top(32, ValueFormat::float16), options);
}

TEST_CASE("block top: cut, prolonged and flipped messages") {
  for (const std::size_t d : {1, 13, 512, 1000}) check_hostile(block_top(8), d);
  check_hostile(block_top(128, ValueFormat::bfloat16), 1000);
}

TEST_CASE("block top: bytes are log2 B bits and a value a block") {
  BlockTop c(128), halves(65536, ValueFormat::float16);
  CHECK(c.encoded_bytes_max(1000) == 32 + 7 + 8 * 4);
  CHECK(encoded(c, normals(1000, 1), 0).size() == c.encoded_bytes_max(1000));
  CHECK(c.encoded_bytes_max(0) == 32);
  CHECK(halves.encoded_bytes_max(65537) == 32 + 4 + 2 * 2);
}

TEST_CASE("block top: the largest of each block, the first of equal ones, and of a short last") {
  BlockTop c(4);
  const std::vector<float> x = {1, -3, 2, 3, 0, 0, 0, 0, 5, 5, -5, 5, 1, -2};
  const std::vector<float> y = {0, -3, 0, 0, 0, 0, 0, 0, 5, 0, 0, 0, 0, -2};
  CHECK(decoded(c, encoded(c, x, 0), x.size()) == y);
}

TEST_CASE("block top: with equal entries exactly 1/B of the energy arrives") {
  BlockTop c(64);
  const std::vector<float> x(6400, 0.5f);
  const std::vector<float> y = decoded(c, encoded(c, x, 0), x.size());
  CHECK(norm2(y) == doctest::Approx(norm2(x) * c.contract(6400).constant));
  CHECK(c.contract(6400) == Contract{Guarantee::contractive, 1.0 / 64});
  CHECK(c.contract(10) == Contract{Guarantee::contractive, 0.1});
}

// Specification §0: never better in captured energy than the same number of largest of all.
TEST_CASE("block top: captures less than the same number from everywhere") {
  constexpr std::size_t kSize = 1 << 17;
  const std::vector<float> x = heavy(kSize, 1);
  BlockTop blocks(128);
  TopK all(1.0 / 128);
  const double of_blocks = norm2(decoded(blocks, encoded(blocks, x, 0), kSize)) / norm2(x);
  const double of_all = norm2(decoded(all, encoded(all, x, 0), kSize)) / norm2(x);
  CHECK(of_blocks < of_all);
  CHECK(of_blocks > 0.5 * of_all);
}

TEST_CASE("block top: the residual is what the default leaves") {
  for (const ValueFormat format : {ValueFormat::float32, ValueFormat::bfloat16}) {
    for (const std::size_t block : {8, 8192}) {
      BlockTop c(block, format);
      constexpr std::size_t kSize = 20000;
      const std::vector<float> g = heavy(kSize, 1);
      std::vector<float> e = heavy(kSize, 2), e_plain = e;
      std::vector<std::byte> out(c.encoded_bytes_max(kSize)), out_plain = out;
      REQUIRE(c.encode_ef(e, g, 0, out).ok());
      REQUIRE(c.Compressor::encode_ef(e_plain, g, 0, out_plain).ok());
      CHECK(out == out_plain);
      CHECK(e == e_plain);
    }
  }
}

TEST_CASE("block top: a position behind the short last block is refused by its number") {
  BlockTop c(16);
  std::vector<std::byte> message = encoded(c, std::vector<float>(37, 1.0f), 0);
  message[32 + 1] = std::byte{5};
  std::vector<float> y(37);
  CHECK(c.decode_add(message, 1, y).error().message ==
        "position in block 2: found 5, expected below 5");
}

TEST_CASE("block top: a value beyond float16 is refused at the sender with its index") {
  BlockTop c(16, ValueFormat::float16);
  std::vector<float> x(37, 1.0f);
  x[20] = -1e6f;
  std::vector<std::byte> out(c.encoded_bytes_max(37));
  const auto refused = c.encode(x, 0, out);
  REQUIRE_FALSE(refused.ok());
  CHECK(refused.error().message.starts_with("found -1000000 at index 20, expected at most 65504"));
}
