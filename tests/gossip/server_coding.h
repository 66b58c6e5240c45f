// What a server codes as the nodes of a mesh do: shard by shard, with their keys.
#pragma once

#include <doctest/doctest.h>

#include <memory>
#include <span>
#include <vector>

#include "compress/compressor.h"
#include "tests/gossip/least_squares.h"

namespace starling::test {

inline constexpr std::uint64_t kSeed = 7;  // of the flock

inline std::span<float> shard(Vector& x, std::size_t p) {
  const std::size_t begin = kSize * p / kNodes, end = kSize * (p + 1) / kNodes;
  return std::span(x).subspan(begin, end - begin);
}

class ShardCoder {
 public:
  explicit ShardCoder(std::unique_ptr<compress::Compressor> c) : c_(std::move(c)) {}

  // C of every shard, decoded, as that node sends it; -1: as each owner tells its own.
  Vector compressed(const Vector& u, int node, Round round) {
    Vector out(kSize, 0.0f), in = u;
    std::vector<std::byte> bytes(c_->encoded_bytes_max(kSize));
    for (std::size_t p = 0; p < kNodes; ++p) {
      const std::uint64_t from = node < 0 ? p : static_cast<std::uint64_t>(node);
      const std::uint64_t of_exchange =
          Random(kSeed, Stream::compression, {from, round, node < 0 ? 1u : 0u}).bits(0);
      const std::uint64_t key = Random(of_exchange, Stream::compression, {p}).bits(0);
      const auto used = c_->encode(shard(in, p), key, bytes);
      REQUIRE(used.ok());
      REQUIRE(c_->decode_add(std::span(bytes).first(*used), 1, shard(out, p)).ok());
    }
    return out;
  }

  // C(e + u), and e becomes what that leaves.
  Vector feed_back(Vector& e, const Vector& u, int node, Round round) {
    for (std::size_t k = 0; k < kSize; ++k) e[k] += u[k];
    const Vector q = compressed(e, node, round);
    for (std::size_t k = 0; k < kSize; ++k) e[k] += -1.0f * q[k];
    return q;
  }

 private:
  const std::unique_ptr<compress::Compressor> c_;
};

}  // namespace starling::test
