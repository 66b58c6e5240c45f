#include "compress/induced.h"

#include "compress/count_sketch.h"
#include "compress/random_k.h"
#include "compress/sign.h"
#include "compress/top_k.h"
#include "decoder.h"

namespace starling::fuzz {

std::vector<Case> cases() {
  using namespace compress;
  std::vector<Case> all;
  for (const std::size_t d : {0, 1, 17, 200}) {
    all.push_back({d, [] {
                     return std::make_unique<Induced>(
                         std::make_unique<TopK>(0.1),
                         std::make_unique<RandomK>(0.1, RandomK::Form::unbiased));
                   }});
    for (const std::size_t rows : {1, 3}) {
      all.push_back(
          {d, [=] {
             return std::make_unique<Induced>(
                 std::make_unique<Sign>(Norm::l1, 64),
                 std::make_unique<CountSketch>(CountSketchOptions{.rows = rows, .width = 16}));
           }});
    }
  }
  return all;
}

}  // namespace starling::fuzz
