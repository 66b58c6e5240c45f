#include "compress/low_rank.h"

#include "decoder.h"

namespace starling::fuzz {

std::vector<Case> cases() {
  using namespace compress;
  std::vector<Case> all;
  for (const MatrixShape shape : {MatrixShape{1, 1}, {1, 9}, {7, 5}, {16, 17}}) {
    for (const std::size_t rank : {1, 3}) {
      for (const FactorFormat format : {FactorFormat::float32, FactorFormat::bfloat16}) {
        all.push_back(
            {shape.size(), [=] { return std::make_unique<LowRank>(shape, rank, 3, format); }});
      }
    }
  }
  return all;
}

}  // namespace starling::fuzz
