#include "gossip/message_coder.h"

#include "gossip/delta.h"

#include <algorithm>

#include "protocol/random.h"

namespace starling::gossip {

MessageCoder::MessageCoder(std::unique_ptr<compress::Compressor> compressor, std::size_t size,
                           std::uint64_t seed, NodeId self)
    : compressor_(std::move(compressor)),
      seed_(seed),
      self_(self),
      size_(size),
      scratch_bytes_(compressor_->encoded_bytes_max(size)) {}

std::uint64_t MessageCoder::key_of(Exchange exchange) const {
  return Random(seed_, Stream::compression, {index_of(self_), exchange.round, exchange.index})
      .bits(0);
}

ByteBlock MessageCoder::taken(std::size_t used, std::size_t room) const {
  ByteBlock block(room + used);
  std::copy_n(scratch_bytes_.begin(), used, block.bytes().subspan(room).begin());
  return block;
}

Result<SharedBytes> MessageCoder::encode(Exchange exchange, std::span<const float> x) {
  const Result<std::size_t> used = compressor_->encode(x, key_of(exchange), scratch_bytes_);
  rest();  // x may have been there
  if (!used) return used.error();
  return SharedBytes(taken(*used));
}

Result<ByteBlock> MessageCoder::encode_shard(Exchange exchange, std::size_t owner,
                                             std::span<const float> x, std::size_t room) {
  const std::uint64_t key = Random(key_of(exchange), Stream::compression, {owner}).bits(0);
  const Result<std::size_t> used = compressor_->encode(x, key, scratch_bytes_);
  rest();
  if (!used) return used.error();
  return taken(*used, room);
}

Result<SharedBytes> MessageCoder::encode_ef(Exchange exchange, std::span<float> e,
                                            std::span<const float> g) {
  const Result<std::size_t> used = compressor_->encode_ef(e, g, key_of(exchange), scratch_bytes_);
  rest();  // as may g
  if (!used) return used.error();
  return SharedBytes(taken(*used));
}

std::span<const float> MessageCoder::difference(std::span<const float> a,
                                                std::span<const float> b) {
  return gossip::difference(a, b, scratch_);
}

std::span<float> MessageCoder::work(std::size_t floats) {
  scratch_.reserve(size_);  // not twice as much, where shards differ by one float
  scratch_.resize(floats);
  return scratch_;
}

Result<double> MessageCoder::check(std::span<const std::byte> body, std::size_t floats,
                                   const compress::Compressor& made_by) const {
  scratch_.reserve(size_);
  scratch_.assign(floats, 0.0f);
  const Result<void> decoded = made_by.decode_add(body, 1, scratch_);
  Result<double> norm = decoded ? Result<double>(norm_of(scratch_)) : decoded.error();
  rest();
  return norm;
}

}  // namespace starling::gossip
