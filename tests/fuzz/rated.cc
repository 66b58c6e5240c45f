#include "compress/rated.h"

#include "decoder.h"
#include "tests/support/rated_alone.h"

namespace starling::fuzz {
namespace {

constexpr std::uint64_t kBytes = 200;  // a round

}  // namespace

std::vector<Case> cases() {
  using namespace compress;
  using test::RatedAlone;
  std::vector<Case> all;
  for (const std::size_t d : {0, 1, 17, 200}) {
    all.push_back({d, [] {
                     return std::make_unique<RatedAlone>(
                         make_top_k_ladder(0.01, SparseCoder(ValueFormat::bfloat16)), kBytes);
                   }});
    all.push_back({d, [] {
                     return std::make_unique<RatedAlone>(
                         make_quantize_ladder({.bits = 2, .bucket = 128}), kBytes);
                   }});
  }
  return all;
}

}  // namespace starling::fuzz
