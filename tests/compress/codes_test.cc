#include "compress/kernels/codes.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <limits>

#include "compress/code_buckets.h"
#include "compress/counter_random.h"
#include "compress/kernels/bucket_norm.h"
#include "guarded.h"
#include "properties.h"
#include "protocol/random.h"
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

// Up to kMost, or above where the format cuts.
constexpr float kMost = 2.5f;

std::vector<float> one_of_each(std::size_t size, const CodeFormat& format) {
  std::vector<float> x = heavy(size, 3);
  const float special[] = {0.0f, -0.0f, 1e-45f, -1e-45f, 0x1p-6f, -0x1.fffffep-7f, kMost, -kMost};
  for (std::size_t i = 0; i < size; i += 5) x[i] = special[i / 5 % std::size(special)];
  if (format.grid == Grid::uniform) {
    for (float& value : x) value = std::clamp(value, -kMost, kMost);
  }
  return x;
}

void check_kernels(std::size_t size, std::size_t shift, const CodeFormat& format) {
  CAPTURE(size);
  CAPTURE(shift);
  CAPTURE(format.bits);
  GuardedFloats e(size, shift);
  std::ranges::copy(one_of_each(size, format), e.span().begin());
  GuardedFloats e_ref = e, y = guarded_normals(size, shift, 1), y_ref = y;
  const CodeDraw draw{inverse_of(kMost, format), 0x123456789abcdef, 4096 + 128};
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

// Knuth vol. 2, §3.3.2 B, the serial test, of every pair that shares a draw; 63 degrees of freedom.
TEST_CASE("codes: coordinates that share a draw of random bits are independent in pairs") {
  constexpr std::size_t kDraws = 1 << 14;
  for (const unsigned point : {23U, 24U, 28U, 30U}) {
    for (std::size_t a = 0; a < kSpread; ++a) {
      for (std::size_t b = 0; b < a; ++b) {
        std::array<double, 64> found{};
        for (std::size_t k = 0; k < kDraws; ++k) {
          const std::size_t first = k / 16 * kCodeBlock + k % 16;
          const auto upper = [&](std::size_t j) {
            return random_word(0x123456789abcdef, first + 16 * j) >> (point - 3) & 7;
          };
          ++found[8 * upper(a) + upper(b)];
        }
        double chi_square = 0;
        for (const double n : found) chi_square += (n - kDraws / 64) * (n - kDraws / 64);
        CHECK(chi_square / (kDraws / 64) < 63 + 5 * std::sqrt(126.0));
      }
    }
  }
}

TEST_CASE("codes: what lies above the highest level becomes it, on grids that cut") {
  const std::vector<float> x = {1000, -1000, 1e30f, 1};
  for (const CodeFormat& format : kFormats) {
    if (format.grid == Grid::uniform) continue;
    std::vector<std::byte> codes(code_bytes(format.bits, x.size()));
    write_codes(x, format, {1000, 7, 0}, codes.data());
    const int s = levels_of(format);
    for (std::size_t i = 0; i < x.size(); ++i) {
      CHECK(code_at(codes.data(), format.bits, i) == (i == 1 ? -s : s));
    }
  }
}

TEST_CASE("codes: the largest of a bucket never leaves the levels, whatever its scale and draw") {
  for (const CodeFormat& format : kFormats) {
    const int s = levels_of(format);
    CAPTURE(s);
    std::vector<std::byte> codes(code_bytes(format.bits, 2));
    for (std::uint64_t key = 0; key < 2000; ++key) {
      const Random random(key, Stream::test, {});
      const auto exponent = static_cast<int>(random.uniform(0) * 246) - 119;
      const float scale = std::ldexp(1 + static_cast<float>(random.uniform(1)) / 2, exponent);
      const float inverse = inverse_of(scale, format);
      const int top = format.grid == Grid::uniform ? s : 1;
      CHECK(double{inverse} * double{scale} <= top);
      CHECK(double{std::nextafter(inverse, kMost * inverse)} * double{scale} > top);
      const std::vector<float> x = {scale, -scale};
      write_codes(x, format, {inverse, key << 32 | key, 0}, codes.data());
      CHECK(code_at(codes.data(), format.bits, 0) >= s - 1);
      CHECK(code_at(codes.data(), format.bits, 0) <= s);
      CHECK(code_at(codes.data(), format.bits, 1) == -s);
    }
  }
}

TEST_CASE("codes kernels: buckets in one sweep are as one bucket after the other") {
  for_each_target([] {
    for (const CodeFormat& format : kFormats) {
      for (const std::size_t bucket : {128, 384}) {
        for (const std::size_t count : {0, 1, 2, 5}) {
          CAPTURE(bucket);
          CAPTURE(count);
          GuardedFloats x = guarded_normals(bucket * count, 1, 4);
          for (std::size_t b = 0; b < count; ++b) {  // ordinary, rarely small, zero, huge
            const float factors[] = {1, 1e-33f, 0, 1e37f, 1e-45f};
            for (float& value : x.span().subspan(b * bucket, bucket)) value *= factors[b];
          }
          GuardedBytes codes(code_bytes(format.bits, bucket * count), 3), codes_ref = codes;
          GuardedBytes scales(count * sizeof(float), 1), scales_ref = scales;
          CHECK(write_buckets(x.span(), bucket, format, 99, scales.span().data(),
                              codes.span().data()));
          CHECK(ref::write_buckets(x.span(), bucket, format, 99, scales_ref.span().data(),
                                   codes_ref.span().data()));
          CHECK(codes == codes_ref);
          CHECK(scales == scales_ref);
        }
      }
    }
  });
}

TEST_CASE("codes kernels: buckets in one sweep refuse what is not finite, wherever it is") {
  for_each_target([] {
    for (const std::size_t at : {0, 127, 128, 300, 511}) {
      for (const float bad : {std::nanf(""), -std::nanf(""), INFINITY, -INFINITY}) {
        std::vector<float> x = heavy(512, 1);
        x[at] = bad;
        std::vector<std::byte> scales(16), codes(code_bytes(4, 512));
        CHECK_FALSE(write_buckets(x, 128, {}, 1, scales.data(), codes.data()));
        CHECK_FALSE(ref::write_buckets(x, 128, {}, 1, scales.data(), codes.data()));
      }
    }
  });
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
