#include <fmt/format.h>

#include "node/config_keys.h"

namespace starling::node {
namespace {

const char* file_kind(train::DataKind kind) {
  switch (kind) {
    case train::DataKind::optdigits: return "optdigits";
    case train::DataKind::idx: return "idx";
    case train::DataKind::libsvm: return "libsvm";
    case train::DataKind::quadratic: break;
  }
  return nullptr;  // made, not read
}

// Whether the classes of a data set fit a model is for train/ to say, which reads them.
Result<void> check_data(const Draft& draft) {
  const Config& config = draft.config;
  const char* kind = file_kind(config.data.kind);
  const bool made_model = config.model.kind == train::ModelKind::quadratic;
  if (kind && made_model) {
    return config_error(fmt::format(
        "{}: [model] kind: found \"quadratic\", which does not go with [data] kind = \"{}\"; set "
        "[model] kind to mlp, softmax or logistic, or [data] kind to quadratic",
        draft.where("model", "kind"), kind));
  }
  if (!kind && !made_model) {
    return config_error(fmt::format(
        "{}: [data] kind: found \"quadratic\", which goes with [model] kind = \"quadratic\" "
        "alone; set that, or name a data set of rows and labels",
        draft.where("data", "kind")));
  }
  if (kind && config.data.path.empty()) {
    return config_error(fmt::format("{}: [data] path: missing, expected the path of the {} data",
                                    draft.where("data", "path"), kind));
  }
  if (!kind && config.run.until_accuracy) {
    return config_error(fmt::format(
        "{}: [run] until_accuracy: found {}, but quadratic data has no accuracy; remove the key",
        draft.where("run", "until_accuracy"), *config.run.until_accuracy));
  }
  return {};
}

Result<void> check_training(const Draft& draft) {
  const Config& config = draft.config;
  if (config.model.kind == train::ModelKind::mlp && config.model.hidden.empty()) {
    return config_error(fmt::format(
        "{}: [model] hidden: {}, expected a width for each hidden layer of the mlp, such as "
        "[128, 64]; a model without hidden layers is kind = \"softmax\"",
        draft.where("model", "hidden"),
        draft.given("model.hidden") ? "found an empty array" : "missing"));
  }
  if (config.train.nesterov && config.train.momentum == 0) {
    return config_error(fmt::format(
        "{}: [train] nesterov: found true without momentum; set momentum (0.9, say) or remove "
        "nesterov",
        draft.where("train", "nesterov")));
  }
  return {};
}

}  // namespace

Result<void> check_relations(const Draft& draft) {
  if (Result<void> checked = check_data(draft); !checked) return checked;
  if (Result<void> checked = check_training(draft); !checked) return checked;
  if (Result<void> checked = check_compress(draft); !checked) return checked;
  return check_rate(draft);
}

}  // namespace starling::node
