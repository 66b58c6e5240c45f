// What codes the shards of one leg, and the legs that are coded by it.
#pragma once

#include <algorithm>
#include <cstddef>
#include <functional>
#include <memory>
#include <span>
#include <utility>
#include <vector>

#include "compress/identity.h"
#include "gossip/mesh/legs.h"
#include "gossip/message_coder.h"
#include "protocol/check.h"
#include "protocol/random.h"

namespace starling::gossip {

// Engine thread only. In the rounds that `is_dense` names vectors go as they are; unset: in none.
class LegCoder {
 public:
  using IsDense = std::function<bool(Round)>;

  explicit LegCoder(LegInputs inputs, IsDense is_dense = {})
      : shards(inputs.shards),
        self(inputs.self),
        node_(inputs.node),
        seed_(inputs.seed),
        is_dense_(std::move(is_dense)),
        coded_(std::move(inputs.compressor), shards.longest(), inputs.seed, inputs.node) {}

  bool is_dense(Exchange exchange) const { return is_dense_ && is_dense_(exchange.round); }

  // C(x) of a part of the owner's shard, with randomness of its own for every node, exchange and
  // owner.
  Result<ByteBlock> encode(Exchange exchange, std::size_t owner, std::span<const float> x,
                           std::size_t room) {
    if (!is_dense(exchange)) return coded_.encode_shard(exchange, owner, x, room);
    ByteBlock block(room + dense_.encoded_bytes_max(x.size()));
    const Result<std::size_t> used = dense_.encode(x, 0, block.bytes().subspan(room));
    if (!used) return used.error();
    return block;
  }
  // As MessageCoder has it.
  std::span<const float> difference(std::span<const float> a, std::span<const float> b) {
    return coded_.difference(a, b);
  }
  std::span<float> work(std::size_t floats) { return coded_.work(floats); }
  void spare(bool on) { coded_.spare(on); }
  Result<double> check(Exchange exchange, std::span<const std::byte> message,
                       std::size_t floats) const {
    return coded_.check(message, floats, of(exchange));
  }
  // Of what has passed check().
  void decode_add(Exchange exchange, std::span<const std::byte> message, float scale,
                  std::span<float> into) const {
    INVARIANT(of(exchange).decode_add(message, scale, into).ok());
  }
  std::size_t bytes_max(std::size_t floats) const {
    const std::size_t coded = coded_.compressor().encoded_bytes_max(floats);
    return is_dense_ ? std::max(coded, dense_.encoded_bytes_max(floats)) : coded;
  }
  void archive(Archive& archive) { coded_.archive(archive); }

  // Draws of a method's own for the piece or message of a shard, this node's alone.
  Random random(Exchange exchange, std::size_t owner) const {
    return {seed_, Stream::compression, {index_of(node_), exchange.round, exchange.index, owner}};
  }

  const Shards shards;
  const std::size_t self;

 private:
  const compress::Compressor& of(Exchange exchange) const {
    if (is_dense(exchange)) return dense_;
    return coded_.compressor();
  }

  const NodeId node_;
  const std::uint64_t seed_;
  const IsDense is_dense_;
  MessageCoder coded_;
  compress::Identity dense_;
};

// A leg whose pieces are messages of its coder.
class CodedUp : public UpLeg {
 public:
  explicit CodedUp(LegInputs inputs, LegCoder::IsDense is_dense = {})
      : participation_(std::move(inputs.participation)),
        coder_(std::move(inputs), std::move(is_dense)) {}

  Result<double> check(Exchange exchange, std::span<const std::byte> piece) const override {
    if (piece.empty() && participation_.is_partial()) return 0.0;
    return coder_.check(exchange, piece, shards_.size(self_));
  }
  std::size_t bytes_max(std::size_t floats) const override { return coder_.bytes_max(floats); }
  void spare(bool on) override { coder_.spare(on); }

 protected:
  Participation participation_;
  LegCoder coder_;
  const Shards& shards_ = coder_.shards;
  const std::size_t self_ = coder_.self;
};

// The mean of so many that are in the sum, which is empty then.
inline void take_mean(std::span<float> sum, std::size_t count, std::span<float> mean) {
  const auto n = static_cast<float>(count);
  for (std::size_t i = 0; i < sum.size(); ++i) mean[i] = sum[i] / n;
  std::ranges::fill(sum, 0.0f);
}

// One whose owner adds up what comes, each piece once.
class SummedUp : public CodedUp {
 public:
  explicit SummedUp(LegInputs inputs, LegCoder::IsDense is_dense = {})
      : CodedUp(std::move(inputs), std::move(is_dense)), sum_(shards_.size(self_)) {}

  void take(Exchange exchange, std::size_t from, std::span<const std::byte> piece,
            bool /*late*/) override {
    if (piece.empty()) return;
    coder_.decode_add(exchange, piece, static_cast<float>(participation_.weight(from)), sum_);
    participation_.has_come(from);
  }
  void reduce(Exchange /*exchange*/, std::span<float> mean) override {
    take_mean(sum_, shards_.owners(), mean);
    participation_.end_round();
  }
  double rate() const override { return 1; }
  void rewired() override {
    std::ranges::fill(sum_, 0.0f);
    participation_.rewired();
  }
  // Between rounds the sum holds what was made up for.
  void archive(Archive& archive, std::span<const std::size_t> /*owners*/) override {
    archive.part("late", sum_, shards_.floats());
    participation_.archive(archive);
    coder_.archive(archive);
  }

 protected:
  std::vector<float> sum_;
};

class CodedDown : public DownLeg {
 public:
  CodedDown(LegInputs inputs, std::span<float> model, LegCoder::IsDense is_dense = {})
      : coder_(std::move(inputs), std::move(is_dense)), model_(model) {}

  Result<double> check(Exchange exchange, std::size_t owner,
                       std::span<const std::byte> message) const override {
    return coder_.check(exchange, message, shards_.size(owner));
  }
  std::size_t bytes_max(std::size_t floats) const override { return coder_.bytes_max(floats); }
  void spare(bool on) override { coder_.spare(on); }

 protected:
  // C(e) of the own shard is told, and e keeps the rest.
  Result<ByteBlock> tell(Exchange exchange, std::span<float> e, std::size_t room) {
    Result<ByteBlock> told = coder_.encode(exchange, self_, e, room);
    if (told) coder_.decode_add(exchange, std::as_const(*told).bytes().subspan(room), -1, e);
    return told;
  }

  LegCoder coder_;
  const Shards& shards_ = coder_.shards;
  const std::size_t self_ = coder_.self;
  const std::span<float> model_;
};

}  // namespace starling::gossip
