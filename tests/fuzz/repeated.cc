#include "compress/repeated.h"

#include "compress/sign.h"
#include "compress/top_k.h"
#include "decoder.h"

namespace starling::fuzz {

std::vector<Case> cases() {
  using namespace compress;
  std::vector<Case> all;
  for (const std::size_t d : {0, 1, 17, 200}) {
    for (const std::size_t times : {1, 3}) {
      all.push_back(
          {d, [=] { return std::make_unique<Repeated>(std::make_unique<TopK>(0.1), times); }});
    }
    all.push_back(
        {d, [] { return std::make_unique<Repeated>(std::make_unique<Sign>(Norm::l1, 64), 2); }});
  }
  return all;
}

}  // namespace starling::fuzz
