#include "compress/random_k.h"

#include "compress/sign.h"
#include "decoder.h"

namespace starling::fuzz {

std::vector<Case> cases() {
  using namespace compress;
  std::vector<Case> all;
  for (const std::size_t d : {0, 1, 9, 64, 300}) {
    for (const double ratio : {0.1, 1.0}) {
      for (const ValueFormat format :
           {ValueFormat::float32, ValueFormat::bfloat16, ValueFormat::float16}) {
        all.push_back({d, [=] {
                         return std::make_unique<RandomK>(ratio, RandomK::Form::unbiased,
                                                          ValueCoder(format));
                       }});
      }
      all.push_back({d, [=] {
                       return std::make_unique<RandomK>(
                           ratio, RandomK::Form::contractive,
                           ValueCoder(ValueFormat::nested, std::make_unique<Sign>(Norm::l1, 8)));
                     }});
    }
  }
  return all;
}

}  // namespace starling::fuzz
