// All index codes and value formats, as the threshold operator sends them.
#include "compress/sparse.h"

#include <optional>

#include "compress/sidco.h"
#include "compress/sign.h"
#include "compress/threshold.h"
#include "compress/top_k.h"
#include "decoder.h"

namespace starling::fuzz {
namespace {

using namespace compress;

constexpr std::optional<IndexCode> kCodes[] = {std::nullopt, IndexCode::rice, IndexCode::elias_fano,
                                               IndexCode::blocks16, IndexCode::bitmap};
constexpr ValueFormat kFormats[] = {ValueFormat::float32, ValueFormat::bfloat16,
                                    ValueFormat::float16, ValueFormat::nested};

Case threshold(std::size_t d, float tau, ValueFormat format, std::optional<IndexCode> code) {
  return {d, [=] {
            std::unique_ptr<Compressor> nested;
            if (format == ValueFormat::nested) nested = std::make_unique<Sign>(Norm::l1, 8);
            return std::make_unique<Threshold>(tau, 0.5,
                                               SparseCoder(format, std::move(nested), code));
          }};
}

}  // namespace

std::vector<Case> cases() {
  std::vector<Case> all;
  for (const auto code : kCodes) {
    for (const ValueFormat format : kFormats) all.push_back(threshold(300, 1.5f, format, code));
    for (const std::size_t d : {1, 9, 64}) {
      all.push_back(threshold(d, 0.5f, ValueFormat::float32, code));
    }
  }
  all.push_back(threshold(0, 1, ValueFormat::float32, std::nullopt));
  // Two blocks of 65536, few entries.
  for (const auto code : kCodes) {
    if (code != IndexCode::bitmap) {
      all.push_back(threshold(65'600, 4.1f, ValueFormat::bfloat16, code));
    }
  }
  for (const std::size_t d : {1, 2, 9, 64}) {  // all entries: cap 1
    all.push_back({d, [] { return std::make_unique<Threshold>(0.0f, 1); }});
  }
  // What else sends this message, in front of the same decoder.
  for (const std::size_t d : {1, 64, 300}) {
    all.push_back({d, [] { return std::make_unique<TopK>(0.1); }});
    all.push_back({d, [] { return std::make_unique<Sidco>(0.1, TailModel::gamma_pareto); }});
  }
  return all;
}

}  // namespace starling::fuzz
