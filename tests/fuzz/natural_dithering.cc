#include "compress/natural_dithering.h"

#include "decoder.h"

namespace starling::fuzz {

std::vector<Case> cases() {
  std::vector<Case> all;
  for (const std::size_t d : {0, 1, 9, 128, 200}) {
    for (const auto norm : {compress::BucketNorm::max, compress::BucketNorm::l2}) {
      all.push_back({d, [=] { return std::make_unique<compress::NaturalDithering>(norm, 128); }});
    }
  }
  return all;
}

}  // namespace starling::fuzz
