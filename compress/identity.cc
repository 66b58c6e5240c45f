#include "compress/identity.h"

#include <cstring>

#include "compress/finite.h"
#include "compress/header.h"

namespace starling::compress {

std::size_t Identity::encoded_bytes_max(std::size_t d) const {
  return kHeaderBytes + d * sizeof(float);
}

Result<std::size_t> Identity::encode(std::span<const float> x, std::uint64_t /*key*/,
                                     std::span<std::byte> out) {
  if (Result<void> finite = check_finite(x); !finite) return finite.error();
  const auto rest = write_header({.op = Op::identity, .d = x.size()}, out);
  if (!x.empty()) std::memcpy(rest.data(), x.data(), x.size_bytes());
  return kHeaderBytes + x.size_bytes();
}

Result<void> Identity::decode_add(std::span<const std::byte> bytes, float scale,
                                  std::span<float> y) const {
  const Result<Header> header = read_header(bytes, Op::identity, y.size());
  if (!header) return header.error();
  if (Result<void> same = expect_fields(*header, {}); !same) return same;
  const auto values = bytes.subspan(kHeaderBytes);
  if (Result<void> checked = check_raw_floats(values, y.size()); !checked) return checked;
  for (std::size_t i = 0; i < y.size(); ++i) {
    y[i] += scale * load<float>(values.data() + i * sizeof(float));
  }
  return {};
}

}  // namespace starling::compress
