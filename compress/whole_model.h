// The operator of the flat vector of a model, whose errors name the tensor.
#pragma once

#include <memory>

#include "compress/compressor.h"
#include "protocol/tensor_layout.h"

namespace starling::compress {

// Another operator, its messages and bits unchanged; where that one refuses NaN or infinity, the
// error says in which tensor, as in tensors.h.
class WholeModel final : public Compressor {
 public:
  WholeModel(TensorLayout layout, std::unique_ptr<Compressor> code)
      : layout_(std::move(layout)), code_(std::move(code)) {}

  // For callers that turn what a Compressor does not have, such as the scale of one-bit.
  Compressor& inner() { return *code_; }

  Contract contract(std::size_t d) const override { return code_->contract(d); }
  std::size_t encoded_bytes_max(std::size_t d) const override {
    return code_->encoded_bytes_max(d);
  }
  Result<std::size_t> encode(std::span<const float> x, std::uint64_t key,
                             std::span<std::byte> out) override;
  Result<std::size_t> encode_ef(std::span<float> e, std::span<const float> g, std::uint64_t key,
                                std::span<std::byte> out) override;
  Result<void> decode_add(std::span<const std::byte> bytes, float scale,
                          std::span<float> y) const override {
    return code_->decode_add(bytes, scale, y);
  }
  void archive(Archive& archive) override { code_->archive(archive); }

 private:
  const TensorLayout layout_;
  const std::unique_ptr<Compressor> code_;
};

}  // namespace starling::compress
