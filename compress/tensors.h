// One message a tensor, one after the other: an operator that sees the model as it is built.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "compress/compressor.h"
#include "compress/identity.h"
#include "protocol/tensor_layout.h"

namespace starling::compress {

// "tensor 'layer0.weight': found nan at index 5, expected finite values" (ErrorCode::diverged); the
// index counts from the tensor's start.
Error non_finite_in(const TensorLayout& layout, std::size_t flat_index, float value);

// C(x) = the operators of the tensors side by side, for the one size of the layout. Tensors without
// an operator, and those whose largest code would be no shorter than their values, go raw, all
// together in one identity message at the end.
//
// Bytes: header (count = the messages that follow), then each as u32 length and message, in the
// order of the layout; header.tensor of a part is the tensor's number, the raw part has 0. Part b
// of a message with key K has the key subkey(K, b).
//
// decode_add lets each part's operator add to its own slice of y, so the bits are those of the
// operator alone; the slices that a later refusal would have to give back are saved first.
//
// Keeps nothing between calls but what its operators keep. Encoding looks for NaN before any of
// them sees its tensor. An operator that refuses for another reason (float16: too large) leaves
// those before it one call further.
class Tensors final : public Compressor {
 public:
  // The operator of tensor `number`; nullptr: raw.
  using MakePart = std::function<std::unique_ptr<Compressor>(const Tensor&, std::size_t number)>;

  Tensors(TensorLayout layout, const MakePart& make);

  // The names of those that go raw, in the order of the layout.
  std::vector<std::string> raw_tensors() const;

  // δ = min, ω = max, β² = max, σ² = the sum over the parts, in the weakest of their classes.
  Contract contract(std::size_t d) const override;
  std::size_t encoded_bytes_max(std::size_t d) const override;
  Result<std::size_t> encode(std::span<const float> x, std::uint64_t key,
                             std::span<std::byte> out) override;
  Result<std::size_t> encode_ef(std::span<float> e, std::span<const float> g, std::uint64_t key,
                                std::span<std::byte> out) override;
  Result<void> decode_add(std::span<const std::byte> bytes, float scale,
                          std::span<float> y) const override;
  void archive(Archive& archive) override;

 private:
  struct Part {
    std::size_t tensor;  // its number
    std::size_t offset, size;
    std::unique_ptr<Compressor> code;  // nullptr: raw
  };
  using Bytes = std::span<const std::byte>;

  std::size_t messages() const { return coded_.size() + (raw_.empty() ? 0 : 1); }
  Error in_part(const Part& part, const Error& error) const;
  // Writes header, parts and their lengths; `encode_part` writes one coded message.
  template <class EncodePart>
  Result<std::size_t> encode_all(const EncodePart& encode_part, std::span<std::byte> out);
  Result<std::vector<Bytes>> split(Bytes bytes) const;
  Result<void> add_parts(const std::vector<Bytes>& parts, float scale, std::span<float> y) const;
  void gather(std::span<const float> x) const;

  const TensorLayout layout_;
  std::vector<Part> coded_, raw_;
  Identity identity_;
  mutable std::vector<float> gathered_;  // the raw tensors, side by side; of use during a call only
  mutable std::vector<float> saved_;     // all coded slices but the last; likewise
};

}  // namespace starling::compress
