#include "compress/quantize.h"

#include "decoder.h"

namespace starling::fuzz {

std::vector<Case> cases() {
  using compress::BucketNorm, compress::Quantize, compress::Rounding;
  std::vector<Case> all;
  for (const std::size_t d : {0, 1, 9, 128, 200}) {
    for (const unsigned bits : {2, 4, 8}) {
      all.push_back({d, [=] {
                       return std::make_unique<Quantize>(
                           compress::QuantizeParams{.bits = bits, .bucket = 128});
                     }});
    }
    all.push_back({d, [] {
                     return std::make_unique<Quantize>(compress::QuantizeParams{
                         .norm = BucketNorm::l2, .rounding = Rounding::nearest});
                   }});
  }
  return all;
}

}  // namespace starling::fuzz
