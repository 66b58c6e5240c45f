// Memory between sentinels, at any misalignment.
#pragma once

#include <algorithm>
#include <cstddef>
#include <span>
#include <vector>

#include "protocol/random.h"

namespace starling::test {

// `size` values that start `shift` values behind an aligned address.
template <class T>
class Guarded {
 public:
  Guarded(std::size_t size, std::size_t shift)
      : storage_(size + shift + 2 * kGuard, sentinel()), begin_(kGuard + shift), size_(size) {}

  std::span<T> span() { return std::span(storage_).subspan(begin_, size_); }
  std::span<const T> span() const { return std::span(storage_).subspan(begin_, size_); }
  bool untouched() const {
    return std::all_of(storage_.begin(), storage_.begin() + begin_, is_sentinel) &&
           std::all_of(storage_.begin() + begin_ + size_, storage_.end(), is_sentinel);
  }
  bool operator==(const Guarded& other) const { return storage_ == other.storage_; }

 private:
  static constexpr std::size_t kGuard = 64 / sizeof(T);
  static T sentinel() {
    if constexpr (std::is_same_v<T, std::byte>)
      return std::byte{0xa5};
    else
      return T{12345};
  }
  static bool is_sentinel(const T& value) { return value == sentinel(); }

  std::vector<T> storage_;
  std::size_t begin_, size_;
};

using GuardedFloats = Guarded<float>;
using GuardedBytes = Guarded<std::byte>;

inline GuardedFloats guarded_normals(std::size_t size, std::size_t shift, std::uint64_t key) {
  GuardedFloats x(size, shift);
  Random(11, Stream::test, {key}).fill_normal(x.span());
  return x;
}

}  // namespace starling::test
