#include "compress/identity.h"

#include "decoder.h"

namespace starling::fuzz {

std::vector<Case> cases() {
  std::vector<Case> all;
  for (const std::size_t d : {0, 1, 9, 200}) {
    all.push_back({d, [] { return std::make_unique<compress::Identity>(); }});
  }
  return all;
}

}  // namespace starling::fuzz
