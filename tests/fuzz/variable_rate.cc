#include "compress/variable_rate.h"

#include "decoder.h"

namespace starling::fuzz {

using compress::RateRounding;
using compress::VariableRate;

std::vector<Case> cases() {
  std::vector<Case> all;
  for (const std::size_t d : {0, 1, 100, 255}) {
    for (const RateRounding rounding :
         {RateRounding::stochastic, RateRounding::nearest, RateRounding::companded}) {
      for (const float step : {0x1p-100f, 0.1f, 4.0f, 0x1p120f}) {
        all.push_back({d, [=] {
                         return std::make_unique<VariableRate>(compress::VariableRateOptions{
                             .rounding = rounding, .step = step, .target_bits = 4});
                       }});
      }
    }
  }
  return all;
}

}  // namespace starling::fuzz
