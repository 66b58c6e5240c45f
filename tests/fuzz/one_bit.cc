#include "compress/one_bit.h"

#include "decoder.h"

namespace starling::fuzz {

std::vector<Case> cases() {
  std::vector<Case> all;
  for (const std::size_t d : {0, 1, 9, 64, 200}) {
    for (const float scale : {0.0f, 0.5f, 3e38f}) {
      all.push_back({d, [=] { return std::make_unique<compress::OneBit>(scale); }});
    }
  }
  return all;
}

}  // namespace starling::fuzz
