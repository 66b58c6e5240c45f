#include "compress/natural.h"

#include <algorithm>

#include "compress/buckets.h"
#include "compress/finite.h"
#include "compress/header.h"

namespace starling::compress {
namespace {

constexpr std::size_t kPiece = 2048;  // floats that error feedback touches three times

Header header_of(NaturalForm form, std::size_t d) {
  return {.op = Op::natural,
          .param = static_cast<std::uint16_t>(form == NaturalForm::nine_bits ? 9 : 8),
          .d = d};
}

// The codes of the floats from `begin`, a multiple of 8, of d.
template <class Byte>
NaturalCodes<Byte> codes_from(Byte* body, NaturalForm form, std::size_t d, std::size_t begin) {
  return {body + begin, form == NaturalForm::nine_bits ? body + d + begin / 8 : nullptr};
}

// A field of 255 would be an infinity.
Result<void> check_fields(const std::byte* fields, std::size_t count) {
  std::byte most{0};
  for (std::size_t i = 0; i < count; ++i) most = std::max(most, fields[i]);
  if (most != std::byte{255}) return {};
  const auto at = std::find(fields, fields + count, most) - fields;
  return refused(fmt::format("exponent at index {}", at), 255, "at most 254");
}

}  // namespace

Contract Natural::contract(std::size_t /*d*/) const {
  if (form_ == NaturalForm::nine_bits) return {Guarantee::unbiased, 0.125};
  return {Guarantee::bounded, 1};
}

std::size_t Natural::encoded_bytes_max(std::size_t d) const {
  return kHeaderBytes + d + (form_ == NaturalForm::nine_bits ? (d + 7) / 8 : 0);
}

Result<std::size_t> Natural::encode(std::span<const float> x, std::uint64_t key,
                                    std::span<std::byte> out) {
  std::byte* body = write_header(header_of(form_, x.size()), out).data();
  if (!write_powers(x, form_, {key, 0}, codes_from(body, form_, x.size(), 0))) {
    return check_finite(x).error();
  }
  return encoded_bytes_max(x.size());
}

Result<std::size_t> Natural::encode_ef(std::span<float> e, std::span<const float> g,
                                       std::uint64_t key, std::span<std::byte> out) {
  INVARIANT(e.size() == g.size());
  const std::size_t d = e.size();
  std::byte* body = write_header(header_of(form_, d), out).data();
  for (const Bucket& b : Buckets(d, kPiece)) {
    const auto p = e.subspan(b.begin, b.size);
    for (std::size_t i = 0; i < p.size(); ++i) p[i] += g[b.begin + i];
    const auto codes = codes_from(body, form_, d, b.begin);
    if (!write_powers(p, form_, {key, b.begin}, codes)) return check_finite(e).error();
    add_powers({codes.fields, codes.signs}, form_, -1, p);
  }
  return encoded_bytes_max(d);
}

Result<void> Natural::decode_add(std::span<const std::byte> bytes, float scale,
                                 std::span<float> y) const {
  const Result<Header> header = read_header(bytes, Op::natural, y.size());
  if (!header) return header.error();
  if (auto same = expect_fields(*header, header_of(form_, y.size())); !same) return same;
  if (auto same = expect("message bytes", bytes.size(), encoded_bytes_max(y.size())); !same) {
    return same;
  }
  const auto codes = codes_from(bytes.data() + kHeaderBytes, form_, y.size(), 0);
  if (form_ == NaturalForm::nine_bits) {
    if (auto checked = check_fields(codes.fields, y.size()); !checked) return checked;
    if (auto zero = check_padding(codes.signs, y.size()); !zero) return zero;
  }
  add_powers(codes, form_, scale, y);
  return {};
}

}  // namespace starling::compress
