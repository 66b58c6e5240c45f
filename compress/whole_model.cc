#include "compress/whole_model.h"

#include "compress/finite.h"
#include "compress/tensors.h"

namespace starling::compress {

Result<std::size_t> WholeModel::encode(std::span<const float> x, std::uint64_t key,
                                       std::span<std::byte> out) {
  INVARIANT(x.size() == layout_.size());
  Result<std::size_t> used = code_->encode(x, key, out);
  if (used) return used;
  const auto at = first_non_finite(x);
  return at ? non_finite_in(layout_, *at, x[*at]) : used;
}

Result<std::size_t> WholeModel::encode_ef(std::span<float> e, std::span<const float> g,
                                          std::uint64_t key, std::span<std::byte> out) {
  INVARIANT(e.size() == layout_.size());
  Result<std::size_t> used = code_->encode_ef(e, g, key, out);
  if (used) return used;
  // The operator has added g up to the first number that is none, or not begun.
  for (const std::span<const float> x : {std::span<const float>(e), g}) {
    if (const auto at = first_non_finite(x)) return non_finite_in(layout_, *at, x[*at]);
  }
  return used;
}

}  // namespace starling::compress
