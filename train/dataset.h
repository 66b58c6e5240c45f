// A classification data set in memory. Values; immutable once read, then any thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace starling::train {

struct Dataset {
  std::size_t features = 0;
  std::size_t classes = 0;
  std::vector<float> x;          // rows × features, row-major
  std::vector<std::uint32_t> y;  // the class of each row, below `classes`

  std::size_t rows() const { return y.size(); }
  std::span<const float> row(std::size_t i) const {
    return std::span(x).subspan(i * features, features);
  }
  bool operator==(const Dataset&) const = default;
};

// What is learnt from, and what the result is judged by; same features and classes.
struct DataSets {
  Dataset train;
  Dataset test;
};

}  // namespace starling::train
