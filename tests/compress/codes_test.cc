#include "compress/kernels/codes.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>

#include "compress/code_buckets.h"
#include "compress/kernels/bucket_norm.h"
#include "guarded.h"
#include "properties.h"
#include "targets.h"

using namespace starling;
using namespace starling::compress;
using namespace starling::test;

namespace {

const CodeFormat kFormats[] = {
    {2, Grid::uniform, Rounding::stochastic}, {2, Grid::uniform, Rounding::nearest},
    {4, Grid::uniform, Rounding::stochastic}, {4, Grid::uniform, Rounding::nearest},
    {8, Grid::uniform, Rounding::stochastic}, {8, Grid::uniform, Rounding::nearest},
    {4, Grid::powers, Rounding::stochastic},  {4, Grid::powers, Rounding::nearest},
    {8, Grid::ternary, Rounding::stochastic}};

std::vector<float> one_of_each(std::size_t size) {
  std::vector<float> x = heavy(size, 3);
  const float special[] = {0.0f, -0.0f, 1e-45f, -1e-45f, 0x1p-6f, -0x1.fffffep-7f, 3.0f, -1.0f};
  for (std::size_t i = 0; i < size; i += 5) x[i] = special[i / 5 % std::size(special)];
  return x;
}

void check_kernels(std::size_t size, std::size_t shift, const CodeFormat& format) {
  CAPTURE(size);
  CAPTURE(shift);
  CAPTURE(format.bits);
  GuardedFloats e(size, shift);
  std::ranges::copy(one_of_each(size), e.span().begin());
  GuardedFloats e_ref = e, y = guarded_normals(size, shift, 1), y_ref = y;
  const float top = format.grid == Grid::powers ? 1 : static_cast<float>(levels_of(format));
  const CodeDraw draw{top / 2.5f, 0x123456789abcdef, 4096 + 32};
  GuardedBytes codes(code_bytes(format.bits, size), shift), codes_ref = codes;
  write_codes(e.span(), format, draw, codes.span().data());
  ref::write_codes(e.span(), format, draw, codes_ref.span().data());
  CHECK(codes == codes_ref);
  CHECK(check_code_padding(codes.span().data(), format.bits, size).ok());
  const float units[] = {0.37f, -1e-30f, 3.0f};
  for (const std::size_t bucket : {std::size_t{384}, std::max<std::size_t>(size, 1)}) {
    const auto some = std::span(units).first((size + bucket - 1) / bucket);
    add_codes(codes.span().data(), format, some, bucket, y.span());
    ref::add_codes(codes.span().data(), format, some, bucket, y_ref.span());
  }
  CHECK(y == y_ref);
  write_codes_and_subtract(e.span(), format, draw, 0.25f, codes.span().data());
  ref::write_codes_and_subtract(e_ref.span(), format, draw, 0.25f, codes_ref.span().data());
  CHECK(codes == codes_ref);
  CHECK(e == e_ref);
}

void check_norms(std::size_t size, std::size_t shift, BucketNorm norm) {
  CAPTURE(size);
  CAPTURE(shift);
  const GuardedFloats x = guarded_normals(size, shift, 1);
  GuardedFloats e = guarded_normals(size, shift, 2), e_ref = e;
  CHECK(bucket_norm(x.span(), norm) == ref::bucket_norm(x.span(), norm));
  CHECK(add_and_norm(e.span(), x.span(), norm) == ref::add_and_norm(e_ref.span(), x.span(), norm));
  CHECK(e == e_ref);
}

}  // namespace

TEST_CASE("codes kernels: every instruction set computes the bits of the plain loops") {
  for_each_target([] {
    for (const CodeFormat& format : kFormats) {
      for (const std::size_t size : {0, 1, 15, 16, 17, 127, 128, 129, 255, 256, 300, 1000}) {
        for (const std::size_t shift : {0, 1, 3}) check_kernels(size, shift, format);
      }
    }
  });
}

TEST_CASE("codes kernels: the code that nobody writes reads as the lowest one") {
  const float unit = 0.5f;
  for_each_target([&] {
    for (const CodeFormat& format : kFormats) {
      CAPTURE(format.bits);
      const int s = levels_of(format.bits);
      for (const std::size_t size : {1, 127, 128, 300}) {
        std::vector<std::byte> codes(code_bytes(format.bits, size));
        for (std::size_t i = 0; i < codes.size(); ++i) codes[i] = static_cast<std::byte>(i * 37);
        const float lowest = format.grid == Grid::powers ? -1.0f : static_cast<float>(-s);
        std::vector<float> y(size, 0.0f), y_ref = y;
        add_codes(codes.data(), format, {&unit, 1}, size, y);
        ref::add_codes(codes.data(), format, {&unit, 1}, size, y_ref);
        CHECK(y == y_ref);
        for (std::size_t i = 0; i < size; ++i) {
          if (code_at(codes.data(), format.bits, i) <= -s) CHECK(y[i] == lowest * unit);
        }
      }
    }
  });
}

TEST_CASE("codes: 4-bit codes lie in planes of 16") {
  std::vector<float> x(300, 0.0f);
  x[128 + 16 * 3 + 5] = -7;  // block 1, word 5, nibble 3
  std::vector<std::byte> codes(code_bytes(4, 300));
  CHECK(codes.size() == 3 * 64);
  write_codes(x, {4, Grid::uniform, Rounding::nearest}, {1, 0, 0}, codes.data());
  for (std::size_t i = 0; i < codes.size(); ++i) {
    CHECK(codes[i] == std::byte{i == 64 + 5 * 4 + 1 ? std::uint8_t{0x90} : std::uint8_t{0}});
  }
  CHECK(code_at(codes.data(), 4, 128 + 16 * 3 + 5) == -7);
}

TEST_CASE("codes: 2-bit codes lie in planes of 16, 8-bit codes in order") {
  std::vector<float> x(129, 0.0f);
  x[16 * 6 + 9] = -1;  // word 9, pair 6
  std::vector<std::byte> codes(code_bytes(2, 129));
  CHECK(codes.size() == 64);
  write_codes(x, {2, Grid::uniform, Rounding::nearest}, {1, 0, 0}, codes.data());
  for (std::size_t i = 0; i < codes.size(); ++i) {
    CHECK(codes[i] == std::byte{i == 9 * 2 + 1 ? std::uint8_t{0x30} : std::uint8_t{0}});
  }
  CHECK(code_bytes(8, 129) == 129);
  codes.resize(129);
  write_codes(x, {8, Grid::uniform, Rounding::nearest}, {127, 0, 0}, codes.data());
  CHECK(codes[16 * 6 + 9] == std::byte{0x81});
}

TEST_CASE("codes: what lies above the highest level becomes it") {
  const std::vector<float> x = {1000, -1000, 1e30f, 1};
  for (const CodeFormat& format : kFormats) {
    std::vector<std::byte> codes(code_bytes(format.bits, x.size()));
    write_codes(x, format, {1000, 7, 0}, codes.data());
    const int s = levels_of(format);
    for (std::size_t i = 0; i < x.size(); ++i) {
      CHECK(code_at(codes.data(), format.bits, i) == (i == 1 ? -s : s));
    }
  }
}

TEST_CASE("codes: padding is seen in every place") {
  for (const unsigned bits : {2U, 4U, 8U}) {
    for (const std::size_t count : {1, 11, 128, 141}) {
      std::vector<std::byte> codes(code_bytes(bits, count));
      REQUIRE(check_code_padding(codes.data(), bits, count).ok());
      for (std::size_t bit = 0; bit < codes.size() * 8; ++bit) {
        std::vector<std::byte> flipped = codes;
        flipped[bit / 8] ^= std::byte{1} << (bit % 8);
        bool expected = true;
        for (std::size_t i = 0; i < codes.size() * 8 / bits; ++i) {
          expected = expected && (i < count || code_at(flipped.data(), bits, i) == 0);
        }
        CHECK(check_code_padding(flipped.data(), bits, count).ok() == expected);
      }
    }
  }
}

TEST_CASE("bucket norms: every instruction set computes the bits of the plain loops") {
  for_each_target([] {
    for (const BucketNorm norm : {BucketNorm::max, BucketNorm::l2}) {
      for (const std::size_t size : {0, 1, 7, 15, 16, 17, 31, 32, 33, 500, 512}) {
        for (const std::size_t shift : {0, 1, 3}) check_norms(size, shift, norm);
      }
    }
  });
}

TEST_CASE("bucket norms: not finite exactly where an element is not, and no overflow") {
  constexpr float kMost = std::numeric_limits<float>::max();
  for_each_target([] {
    for (const BucketNorm norm : {BucketNorm::max, BucketNorm::l2}) {
      for (std::size_t at = 0; at < 35; ++at) {
        std::vector<float> x(35, -kMost);
        CHECK(bucket_norm(x, norm) ==
              doctest::Approx(norm == BucketNorm::max ? kMost : kMost * std::sqrt(35.0)));
        x[at] = std::nanf("");
        CHECK_FALSE(std::isfinite(bucket_norm(x, norm)));
        x[at] = -std::numeric_limits<float>::infinity();
        CHECK_FALSE(std::isfinite(bucket_norm(x, norm)));
      }
    }
  });
}
