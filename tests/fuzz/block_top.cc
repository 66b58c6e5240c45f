#include "compress/block_top.h"

#include "compress/sign.h"
#include "decoder.h"

namespace starling::fuzz {

std::vector<Case> cases() {
  using compress::BlockTop, compress::ValueFormat;
  std::vector<Case> all;
  for (const std::size_t d : {0, 1, 9, 64, 203}) {
    for (const std::size_t block : {2, 16, 65536}) {
      for (const auto format :
           {ValueFormat::float32, ValueFormat::bfloat16, ValueFormat::float16}) {
        all.push_back({d, [=] { return std::make_unique<BlockTop>(block, format); }});
      }
    }
    all.push_back({d, [] {
                     return std::make_unique<BlockTop>(
                         8, ValueFormat::nested,
                         std::make_unique<compress::Sign>(compress::Norm::l1, 8));
                   }});
  }
  return all;
}

}  // namespace starling::fuzz
