// An operator of which only the contract is looked at.
#pragma once

#include "compress/compressor.h"

namespace starling::test {

class Promise final : public compress::Compressor {
 public:
  explicit Promise(const compress::Contract& contract) : contract_(contract) {}
  compress::Contract contract(std::size_t /*d*/) const override { return contract_; }
  std::size_t encoded_bytes_max(std::size_t /*d*/) const override { return 0; }
  Result<std::size_t> encode(std::span<const float> /*x*/, std::uint64_t /*key*/,
                             std::span<std::byte> /*out*/) override {
    return std::size_t{0};
  }
  Result<void> decode_add(std::span<const std::byte> /*bytes*/, float /*scale*/,
                          std::span<float> /*y*/) const override {
    return {};
  }

 private:
  const compress::Contract contract_;
};

}  // namespace starling::test
