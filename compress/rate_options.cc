#include "compress/rate_options.h"

#include "compress/assembly.h"

namespace starling::compress {

std::string_view name_of(RateController controller) {
  switch (controller) {
    case RateController::adaptive_top_k: return "adaptive-top-k";
    case RateController::drift: return "drift";
    case RateController::layers: return "layers";
  }
  return "?";
}

RateController usual_controller(const OperatorOptions& options) {
  if (goes_by_tensor(options)) return RateController::layers;
  return options.kind == OperatorKind::top_k ? RateController::adaptive_top_k
                                             : RateController::drift;
}

}  // namespace starling::compress
