#include "compress/ternary.h"

#include "decoder.h"

namespace starling::fuzz {

std::vector<Case> cases() {
  std::vector<Case> all;
  for (const std::size_t d : {0, 1, 4, 9, 250}) {
    for (const float clip : {0.0f, 2.5f}) {
      all.push_back({d, [=] {
                       return std::make_unique<compress::Ternary>(
                           compress::TernaryParams{.clip = clip});
                     }});
    }
  }
  // Two buckets.
  all.push_back({643, [] { return std::make_unique<compress::Ternary>(); }});
  return all;
}

}  // namespace starling::fuzz
