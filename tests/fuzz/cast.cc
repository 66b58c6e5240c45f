#include "compress/cast.h"

#include "decoder.h"

namespace starling::fuzz {

std::vector<Case> cases() {
  std::vector<Case> all;
  for (const std::size_t d : {0, 1, 7, 33, 200}) {
    for (const auto format : {compress::Half::bfloat16, compress::Half::float16}) {
      all.push_back({d, [=] { return std::make_unique<compress::Cast>(format); }});
    }
  }
  return all;
}

}  // namespace starling::fuzz
