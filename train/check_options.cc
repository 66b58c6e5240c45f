#include "train/check_options.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <string>

namespace starling::train {
namespace {

Result<void> at_least(const char* key, double value, double least) {
  if (std::isfinite(value) && value >= least) return {};
  return config_error(fmt::format("{} is {}, expected {} or more", key, value, least));
}

Result<void> above_zero(const char* key, double value) {
  if (std::isfinite(value) && value > 0) return {};
  return config_error(fmt::format("{} is {}, expected a number above 0", key, value));
}

Result<void> check_data(const DataOptions& data) {
  if (data.kind != DataKind::quadratic) {
    if (data.path.empty()) {
      return config_error("data.path is empty, expected where the data set is");
    }
    return data.split == Split::dirichlet ? above_zero("data.alpha", data.alpha) : Result<void>();
  }
  if (data.dimension == 0) return config_error("data.dimension is 0, expected 1 or more");
  if (auto r = at_least("data.condition", data.condition, 1); !r) return r;
  if (auto r = at_least("data.heterogeneity", data.heterogeneity, 0); !r) return r;
  return at_least("data.noise", data.noise, 0);
}

Result<void> check_model(const ModelOptions& model, DataKind data) {
  if ((model.kind == ModelKind::quadratic) != (data == DataKind::quadratic)) {
    return config_error(
        "data.kind = \"quadratic\" and model.kind = \"quadratic\" need each other; set both or "
        "neither");
  }
  if (model.kind == ModelKind::mlp && model.hidden.empty()) {
    return config_error(
        "model.hidden is empty, expected the widths of an mlp's hidden layers; without any, "
        "model.kind = \"softmax\" is the name");
  }
  if (std::find(model.hidden.begin(), model.hidden.end(), 0U) != model.hidden.end()) {
    return config_error("model.hidden holds a 0, expected widths of 1 or more");
  }
  return at_least("model.l2", model.l2, 0);
}

Result<void> check_train(const TrainOptions& train) {
  if (auto r = above_zero("train.learning_rate", train.learning_rate); !r) return r;
  if (!(train.momentum >= 0 && train.momentum < 1)) {
    return config_error(
        fmt::format("train.momentum is {}, expected 0 or more and below 1", train.momentum));
  }
  if (train.nesterov && train.momentum == 0) {
    return config_error(
        "train.nesterov is true but train.momentum is 0; set train.momentum, 0.9 say");
  }
  if (train.local_steps == 0) return config_error("train.local_steps is 0, expected 1 or more");
  return at_least("train.weight_decay", train.weight_decay, 0);
}

}  // namespace

Result<void> check_options(const TrainerOptions& options) {
  if (auto r = check_data(options.data); !r) return r;
  if (auto r = check_model(options.model, options.data.kind); !r) return r;
  return check_train(options.train);
}

}  // namespace starling::train
