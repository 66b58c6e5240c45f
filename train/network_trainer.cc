#include "train/network_trainer.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "protocol/check.h"
#include "train/flush_denormals.h"

namespace starling::train {
namespace {

// Enough rows to fill the matrix kernels, few enough to stay in the cache.
constexpr std::size_t kEvaluationRows = 128;
// More classes than this would fill the line.
constexpr std::size_t kListedClassesMax = 20;

std::vector<std::size_t> widths_of(const Problem& problem) {
  std::vector<std::size_t> widths{problem.data.train.features};
  const ModelOptions& model = problem.options.model;
  if (model.kind == ModelKind::mlp) {
    widths.insert(widths.end(), model.hidden.begin(), model.hidden.end());
  }
  widths.push_back(model.kind == ModelKind::logistic ? 1 : problem.data.train.classes);
  return widths;
}

Loss loss_of(const ModelOptions& model) {
  return model.kind == ModelKind::logistic ? Loss::log_loss : Loss::cross_entropy;
}

std::string_view name_of(ModelKind kind) {
  switch (kind) {
    case ModelKind::mlp: return "mlp";
    case ModelKind::softmax: return "softmax";
    case ModelKind::logistic: return "logistic";
    case ModelKind::quadratic: return "quadratic";
  }
  return "";
}

// 17226 as "17,226".
std::string grouped(std::size_t number) {
  std::string text = fmt::format("{}", number);
  for (std::size_t end = text.size(); end > 3; end -= 3) text.insert(end - 3, 1, ',');
  return text;
}

}  // namespace

NetworkTrainer::NetworkTrainer(std::shared_ptr<const Problem> problem, NodeId node)
    : problem_(std::move(problem)),
      share_(problem_->shares.at(index_of(node))),
      network_(widths_of(*problem_), loss_of(problem_->options.model), problem_->options.model.l2),
      steps_(problem_->options.train, problem_->options.rounds, network_.layout()),
      batches_(problem_->options.seed, node, share_.size(), problem_->options.train.batch),
      batch_x_(batches_.size() * problem_->data.train.features),
      batch_y_(batches_.size()) {}

void NetworkTrainer::initialize(std::span<float> x) const {
  network_.initialize(problem_->options.seed, x);
}

Batch NetworkTrainer::gather(std::uint64_t step) {
  if (gathered_ && batches_.whole_share()) return {batch_x_, batch_y_};
  const Dataset& data = problem_->data.train;
  float* to = batch_x_.data();
  std::size_t at = 0;
  for (const std::uint32_t position : batches_.at(step)) {
    const std::uint32_t row = share_[position];
    to = std::copy_n(data.row(row).data(), data.features, to);
    batch_y_[at++] = data.y[row];
  }
  gathered_ = true;
  return {batch_x_, batch_y_};
}

double NetworkTrainer::step(Round round, std::span<const float> x, std::span<float> update) {
  const FlushDenormals flush;
  const std::uint64_t first = round * problem_->options.train.local_steps;
  return steps_.run(round, x, update,
                    [&](std::size_t h, std::span<const float> y, std::span<float> gradient) {
                      return network_.gradient(y, gather(first + h), gradient);
                    });
}

Evaluation NetworkTrainer::evaluate(std::span<const float> x) {
  const FlushDenormals flush;
  const Dataset& test = problem_->data.test;
  INVARIANT(test.rows() > 0);
  Score sum;
  for (std::size_t row = 0; row < test.rows(); row += kEvaluationRows) {
    const std::size_t rows = std::min(kEvaluationRows, test.rows() - row);
    const Score part =
        network_.score(x, {std::span(test.x).subspan(row * test.features, rows * test.features),
                           std::span(test.y).subspan(row, rows)});
    sum.loss += part.loss;
    sum.correct += part.correct;
  }
  const auto rows = static_cast<double>(test.rows());
  return {.loss = sum.loss / rows,
          .accuracy = static_cast<double>(sum.correct) / rows,
          .relative_error = std::nullopt};
}

MemoryUse NetworkTrainer::memory() const {
  const std::size_t rows = std::max(batches_.size(), kEvaluationRows);
  return {.optimizer = steps_.optimizer_bytes(),
          .work = steps_.work_bytes() + network_.work_bytes(rows) +
                  batch_x_.size() * sizeof(float) + batch_y_.size() * sizeof(std::uint32_t)};
}

std::string NetworkTrainer::describe() const {
  const Dataset& data = problem_->data.train;
  std::string line =
      fmt::format("{} {} ({} parameters) on {} of {} rows", name_of(problem_->options.model.kind),
                  fmt::join(network_.widths(), "-"), grouped(layout().size()),
                  grouped(share_.size()), grouped(data.rows()));
  if (problem_->options.data.split == Split::iid || data.classes > kListedClassesMax) return line;
  std::vector<std::size_t> count(data.classes);
  for (const std::uint32_t row : share_) ++count[data.y[row]];
  return line + fmt::format(", by class {}", fmt::join(count, " "));
}

}  // namespace starling::train
