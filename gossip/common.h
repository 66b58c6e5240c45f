// What all nodes of a run know of each other to begin with.
#pragma once

#include <cstddef>
#include <functional>
#include <span>
#include <utility>
#include <vector>

namespace starling::gossip {

// A vector of floats that is asked for when an edge begins and is the same each time: kept, or made
// anew, which saves its memory. Immutable; a copy of a kept one copies it.
class Common {
 public:
  using Make = std::function<void(std::span<float>)>;

  Common(std::span<const float> x) : kept_(x.begin(), x.end()), size_(x.size()) {}
  Common(const std::vector<float>& x) : Common(std::span<const float>(x)) {}
  // `make` writes all `size` floats, the same ones each time.
  Common(std::size_t size, Make make) : size_(size), make_(std::move(make)) {}

  std::size_t size() const { return size_; }
  std::vector<float> value() const {
    if (!make_) return kept_;
    std::vector<float> x(size_);
    make_(x);
    return x;
  }

 private:
  std::vector<float> kept_;
  std::size_t size_;
  Make make_;
};

}  // namespace starling::gossip
