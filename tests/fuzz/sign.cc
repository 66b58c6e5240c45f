#include "compress/sign.h"

#include "decoder.h"

namespace starling::fuzz {

std::vector<Case> cases() {
  std::vector<Case> all;
  for (const std::size_t d : {0, 1, 9, 64, 200}) {
    for (const std::size_t bucket : {0, 8, 64}) {
      all.push_back(
          {d, [=] { return std::make_unique<compress::Sign>(compress::Norm::l1, bucket); }});
    }
    all.push_back({d, [] { return std::make_unique<compress::Sign>(compress::Norm::l2, 64); }});
  }
  return all;
}

}  // namespace starling::fuzz
