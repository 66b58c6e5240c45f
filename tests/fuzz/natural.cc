#include "compress/natural.h"

#include "decoder.h"

namespace starling::fuzz {

std::vector<Case> cases() {
  using compress::NaturalForm;
  std::vector<Case> all;
  for (const std::size_t d : {0, 1, 9, 64, 200}) {
    for (const auto form : {NaturalForm::nine_bits, NaturalForm::eight_bits}) {
      all.push_back({d, [=] { return std::make_unique<compress::Natural>(form); }});
    }
  }
  return all;
}

}  // namespace starling::fuzz
