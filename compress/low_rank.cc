#include "compress/low_rank.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "compress/finite.h"
#include "compress/half_floats.h"
#include "compress/header.h"
#include "protocol/random.h"

namespace starling::compress {
namespace {

double dot(std::span<const float> a, std::span<const float> b) {
  double sum = 0;
  for (std::size_t i = 0; i < a.size(); ++i) sum += static_cast<double>(a[i]) * b[i];
  return sum;
}

// What is left of a vector's length after the earlier ones were taken out, below which it counts
// as dependent on them: a few float roundings.
constexpr double kDependent = 1e-6;

// Takes the vectors before number k out of v_k and normalises the rest. False, with v_k in no
// particular state, where nothing is left.
bool orthonormalize_one(std::span<float> v, std::size_t length, std::size_t k) {
  const std::span<float> vk = v.subspan(k * length, length);
  const double before = std::sqrt(dot(vk, vk));
  if (!(before > 0) || !std::isfinite(before)) return false;
  // Scaled first, so that squares of tiny or huge entries neither vanish nor overflow in float.
  for (float& x : vk) x = static_cast<float>(x / before);
  for (int pass = 0; pass < 2; ++pass) {  // twice is enough (Kahan, in Parlett 1980, §6-9)
    for (std::size_t j = 0; j < k; ++j) {
      const std::span<const float> vj = v.subspan(j * length, length);
      const double along = dot(vj, vk);
      for (std::size_t i = 0; i < length; ++i) {
        vk[i] = static_cast<float>(vk[i] - along * vj[i]);
      }
    }
    const double left = std::sqrt(dot(vk, vk));
    if (left < kDependent) return false;
    for (float& x : vk) x = static_cast<float>(x / left);
    if (k == 0) break;
  }
  return true;
}

// Upper triangular R with PᵀP = RᵀR, and its inverse, for the small rank r; row-major r × r. A
// column that depends on the ones before it gets a zero column in the inverse, so that its P̂ and Q
// are zero and the rest is still a projection.
std::vector<double> inverse_of_cholesky(std::span<const float> p, std::size_t rows,
                                        std::size_t rank) {
  std::vector<double> r(rank * rank, 0.0), inverse(rank * rank, 0.0);
  for (std::size_t c = 0; c < rank; ++c) {
    const auto pc = p.subspan(c * rows, rows);
    const double norm2 = dot(pc, pc);
    double rest = norm2;
    for (std::size_t i = 0; i < c; ++i) {
      if (r[i * rank + i] == 0) continue;
      double sum = dot(p.subspan(i * rows, rows), pc);
      for (std::size_t k = 0; k < i; ++k) sum -= r[k * rank + i] * r[k * rank + c];
      r[i * rank + c] = sum / r[i * rank + i];
      rest -= r[i * rank + c] * r[i * rank + c];
    }
    if (!(rest > 1e-10 * norm2)) continue;
    r[c * rank + c] = std::sqrt(rest);
    inverse[c * rank + c] = 1 / r[c * rank + c];
    for (std::size_t i = 0; i < c; ++i) {
      double sum = 0;
      for (std::size_t k = i; k < c; ++k) sum += inverse[i * rank + k] * r[k * rank + c];
      inverse[i * rank + c] = -sum / r[c * rank + c];
    }
  }
  return inverse;
}

// factor <- factor · T for an upper triangular r × r matrix T, in place; columns from the last.
void multiply_upper(std::span<float> factor, std::size_t length, std::size_t rank,
                    const std::vector<double>& t) {
  for (std::size_t i = 0; i < length; ++i) {
    for (std::size_t c = rank; c-- > 0;) {
      double sum = 0;
      for (std::size_t k = 0; k <= c; ++k) {
        sum += static_cast<double>(factor[k * length + i]) * t[k * rank + c];
      }
      factor[c * length + i] = static_cast<float>(sum);
    }
  }
}

// Sums of squares of entries of X have lost nothing where the largest is at least this.
constexpr float kSquareMin = 0x1p-80f;
constexpr float kEntryMin = 0x1p-120f;
constexpr int kExponentOfQ = 64;

float largest(std::span<const float> x) {
  float most = 0;
  for (const float value : x) most = std::max(most, std::fabs(value));
  return most;
}

// Sums of r products below this stay floats.
constexpr double kProductMax = 0x1.ff8p127;

// At least every |C(X)_ij|, and each part of its sum.
double product_bound(std::span<const float> p, std::span<const float> q, std::size_t rank) {
  const std::size_t rows = p.size() / rank, columns = q.size() / rank;
  double bound = 0;
  for (std::size_t k = 0; k < rank; ++k) {
    bound += double{largest(p.subspan(k * rows, rows))} *
             double{largest(q.subspan(k * columns, columns))};
  }
  return bound;
}

std::size_t bytes_of(FactorFormat format) { return format == FactorFormat::float32 ? 4 : 2; }

}  // namespace

void orthonormalize(std::span<float> v, std::size_t length, std::uint64_t key) {
  INVARIANT(length > 0 && v.size() % length == 0);
  const std::size_t rank = v.size() / length;
  for (std::size_t k = 0; k < rank; ++k) {
    for (std::uint64_t attempt = 0; !orthonormalize_one(v, length, k); ++attempt) {
      Random(key, Stream::low_rank_start, {k, attempt}).fill_normal(v.subspan(k * length, length));
    }
  }
}

LowRank::LowRank(MatrixShape shape, std::size_t rank, std::uint64_t key, FactorFormat format)
    : shape_(shape), rank_(std::min({rank, shape.rows, shape.columns})), format_(format) {
  INVARIANT(rank >= 1 && shape.size() > 0 && rank_ <= 0xffff);
  v_.resize(rank_ * shape_.columns);
  Random(key, Stream::low_rank_start).fill_normal(v_);
}

Header LowRank::header() const {
  return {.op = Op::low_rank,
          .flags = static_cast<std::uint8_t>(format_),
          .param = static_cast<std::uint16_t>(rank_),
          .d = shape_.size()};
}

std::span<const float> LowRank::p_of(std::span<const float> factors) const {
  return factors.first(rank_ * shape_.rows);
}
std::span<const float> LowRank::q_of(std::span<const float> factors) const {
  return factors.last(rank_ * shape_.columns);
}

Contract LowRank::contract(std::size_t /*d*/) const {
  if (format_ == FactorFormat::float32) return {Guarantee::contractive, 0};
  constexpr double kUnit = 0x1p-8, kProduct = 2 * kUnit + kUnit * kUnit;
  return {Guarantee::bounded, 1 + static_cast<double>(rank_) * kProduct * kProduct};
}

std::size_t LowRank::encoded_bytes_max(std::size_t d) const {
  INVARIANT(d == shape_.size());
  return kHeaderBytes + factor_floats() * bytes_of(format_);
}

std::optional<int> LowRank::project_in_range(std::span<const float> x, std::span<float> p,
                                             std::span<float> y) const {
  project_both(x, shape_, v_, p, y);
  const bool finite = !first_non_finite(p) && !first_non_finite(y);
  if (finite && largest(y) >= kSquareMin) return 0;
  const float most = largest(x);
  if (most < kEntryMin) return std::nullopt;
  const int exponent = std::ilogb(most);
  std::vector<float> scaled(x.begin(), x.end());
  for (float& value : scaled) value = std::scalbn(value, -exponent);
  project_both(scaled, shape_, v_, p, y);
  return exponent;
}

std::vector<float> LowRank::factorize(std::span<const float> x, std::uint64_t key) {
  orthonormalize(v_, shape_.columns, key);
  std::vector<float> factors(factor_floats());
  const auto p = std::span(factors).first(rank_ * shape_.rows);
  const auto q = std::span(factors).last(rank_ * shape_.columns);
  const std::optional<int> exponent = project_in_range(x, p, q);
  if (!exponent) return std::vector<float>(factor_floats(), 0.0f);
  const std::vector<double> inverse = inverse_of_cholesky(p, shape_.rows, rank_);
  multiply_upper(p, shape_.rows, rank_, inverse);
  multiply_upper(q, shape_.columns, rank_, inverse);
  std::copy(q.begin(), q.end(), v_.begin());
  if (*exponent != 0) {
    // Q is as long as X; where that may be no float, P̂ takes a part.
    const int of_p = *exponent > kExponentOfQ ? *exponent - kExponentOfQ : 0;
    for (float& value : p) value = std::scalbn(value, of_p);
    for (float& value : q) value = std::scalbn(value, *exponent - of_p);
  }
  if (format_ == FactorFormat::bfloat16) {
    for (float& value : factors) value = from_bfloat16(to_bfloat16(value));
  }
  // A part of a projection contracts as well, and error feedback keeps the rest.
  for (double bound = product_bound(p, q, rank_); bound > kProductMax; bound /= 2) {
    for (float& value : q) value /= 2;
  }
  return factors;
}

void LowRank::write(std::span<const float> factors, std::span<std::byte> out) const {
  std::byte* to = write_header(header(), out).data();
  if (format_ == FactorFormat::float32) {
    std::memcpy(to, factors.data(), factors.size_bytes());
    return;
  }
  for (std::size_t i = 0; i < factors.size(); ++i) store(to_bfloat16(factors[i]), to + 2 * i);
}

Result<std::size_t> LowRank::encode(std::span<const float> x, std::uint64_t key,
                                    std::span<std::byte> out) {
  INVARIANT(x.size() == shape_.size());
  if (Result<void> finite = check_finite(x); !finite) return finite.error();
  write(factorize(x, key), out);
  return encoded_bytes_max(x.size());
}

Result<std::size_t> LowRank::encode_ef(std::span<float> e, std::span<const float> g,
                                       std::uint64_t key, std::span<std::byte> out) {
  INVARIANT(e.size() == g.size() && e.size() == shape_.size());
  if (Result<void> finite = add_finite(e, g); !finite) return finite.error();
  const std::vector<float> factors = factorize(e, key);
  write(factors, out);
  add_outer(e, shape_, -1, p_of(factors), q_of(factors));
  return encoded_bytes_max(e.size());
}

Result<void> LowRank::decode_add(std::span<const std::byte> bytes, float scale,
                                 std::span<float> y) const {
  INVARIANT(y.size() == shape_.size());
  const Result<Header> found = read_header(bytes, Op::low_rank, y.size());
  if (!found) return found.error();
  if (Result<void> same = expect_fields(*found, header()); !same) return same;
  if (auto same = expect("message bytes", bytes.size(), encoded_bytes_max(y.size())); !same) {
    return same;
  }
  const std::byte* body = bytes.data() + kHeaderBytes;
  std::vector<float> factors(factor_floats());
  if (format_ == FactorFormat::float32) {
    std::memcpy(factors.data(), body, factors.size() * sizeof(float));
  } else {
    for (std::size_t i = 0; i < factors.size(); ++i) {
      factors[i] = from_bfloat16(load<std::uint16_t>(body + 2 * i));
    }
  }
  if (const auto bad = first_non_finite(factors)) {
    return refused(fmt::format("factor {}", *bad), factors[*bad], "a finite number");
  }
  const double bound = product_bound(p_of(factors), q_of(factors), rank_);
  if (bound > kProductMax) return refused("products of the factors", bound, "floats");
  add_outer(y, shape_, scale, p_of(factors), q_of(factors));
  return {};
}

}  // namespace starling::compress
