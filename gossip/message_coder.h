// One node's compressor with the randomness and the buffers that it needs to make messages.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "compress/compressor.h"
#include "gossip/method.h"
#include "protocol/bytes.h"
#include "protocol/ids.h"

namespace starling::gossip {

// Engine thread only.
class MessageCoder {
 public:
  // For vectors of `size` floats; `seed` is the run's.
  MessageCoder(std::unique_ptr<compress::Compressor> compressor, std::size_t size,
               std::uint64_t seed, NodeId self);

  std::size_t bytes_max() const { return scratch_bytes_.size(); }
  // C(x), with randomness of its own for every node and exchange. Fails as Compressor::encode.
  Result<SharedBytes> encode(Exchange exchange, std::span<const float> x);
  // C(x) of a part of at most `size` floats that belongs to `owner`, behind `room` bytes that the
  // caller writes; every part has randomness of its own.
  Result<ByteBlock> encode_shard(Exchange exchange, std::size_t owner, std::span<const float> x,
                                 std::size_t room);
  // C(e + g), and e becomes what that leaves.
  Result<SharedBytes> encode_ef(Exchange exchange, std::span<float> e, std::span<const float> g);
  // a - b, in memory of the coder, until the next call of another function.
  std::span<const float> difference(std::span<const float> a, std::span<const float> b);
  // So many floats, at most `size`, to be written; for as long.
  std::span<float> work(std::size_t floats);
  // The norm of what the body decodes to, or a part of `floats` of them. Fails where it is no
  // message.
  Result<double> check(std::span<const std::byte> body) const { return check(body, size_); }
  Result<double> check(std::span<const std::byte> body, std::size_t floats) const {
    return check(body, floats, *compressor_);
  }
  // Of a body that another operator has made.
  Result<double> check(std::span<const std::byte> body, std::size_t floats,
                       const compress::Compressor& made_by) const;
  // Whether to hold no floats between two calls: while messages as large as the model are under
  // way. To ask the kernel for them in each exchange would take longer than to write them.
  void spare(bool on) const {
    spares_ = on;
    rest();
  }

  void archive(Archive& archive) {
    const Archive::Scope scope(archive, "operator");
    compressor_->archive(archive);
  }

  compress::Compressor& compressor() { return *compressor_; }
  const compress::Compressor& compressor() const { return *compressor_; }

 private:
  std::uint64_t key_of(Exchange exchange) const;
  ByteBlock taken(std::size_t used, std::size_t room = 0) const;
  void rest() const {
    if (spares_) scratch_ = std::vector<float>();  // {} would keep the memory
  }

  const std::unique_ptr<compress::Compressor> compressor_;
  const std::uint64_t seed_;
  const NodeId self_;
  const std::size_t size_;
  std::vector<std::byte> scratch_bytes_;
  mutable bool spares_ = false;
  mutable std::vector<float> scratch_;  // what check() decodes to, too
};

}  // namespace starling::gossip
