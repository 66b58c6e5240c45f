#include "compress/compressor.h"

namespace starling::compress {

Result<std::size_t> Compressor::encode_ef(std::span<float> e, std::span<const float> g,
                                          std::uint64_t key, std::span<std::byte> out) {
  INVARIANT(e.size() == g.size());
  for (std::size_t i = 0; i < e.size(); ++i) e[i] += g[i];
  Result<std::size_t> used = encode(e, key, out);
  if (!used) return used;
  INVARIANT(decode_add(out.first(*used), -1, e).ok());
  return used;
}

}  // namespace starling::compress
