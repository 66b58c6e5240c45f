#include "compress/identity.h"

#include <fmt/format.h>

#include <cstring>

#include "compress/finite.h"

namespace starling::compress {

Result<void> check_raw_floats(std::span<const std::byte> bytes, std::size_t count) {
  if (bytes.size() != count * sizeof(float)) {
    return Error{ErrorCode::peer, fmt::format("body has {} bytes, expected {} ({} floats)",
                                              bytes.size(), count * sizeof(float), count)};
  }
  const std::span<const float> floats{reinterpret_cast<const float*>(bytes.data()), count};
  if (const auto at = first_non_finite(floats)) {
    return Error{ErrorCode::peer, fmt::format("body holds {} at index {}, expected finite values",
                                              floats[*at], *at)};
  }
  return {};
}

std::size_t Identity::encode(std::span<const float> x, std::uint64_t /*key*/,
                             std::span<std::byte> out) {
  INVARIANT(x.size() == size_ && out.size() >= encoded_bytes_max());
  std::memcpy(out.data(), x.data(), x.size_bytes());
  return x.size_bytes();
}

Result<void> Identity::decode_add(std::span<const std::byte> bytes, float scale,
                                  std::span<float> y) const {
  INVARIANT(y.size() == size_);
  if (auto checked = check_raw_floats(bytes, size_); !checked) return checked;
  const float* x = reinterpret_cast<const float*>(bytes.data());
  for (std::size_t i = 0; i < size_; ++i) y[i] += scale * x[i];
  return {};
}

}  // namespace starling::compress
