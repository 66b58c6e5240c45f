#include "compress/count_sketch.h"

#include "decoder.h"

namespace starling::fuzz {

std::vector<Case> cases() {
  std::vector<Case> all;
  for (const std::size_t d : {0, 1, 17, 200}) {
    for (const std::size_t rows : {1, 3, 7}) {
      for (const std::size_t keep : {0, 5}) {
        all.push_back({d, [=] {
                         return std::make_unique<compress::CountSketch>(
                             compress::CountSketchOptions{.rows = rows, .width = 32, .keep = keep});
                       }});
      }
    }
  }
  return all;
}

}  // namespace starling::fuzz
