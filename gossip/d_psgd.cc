#include "gossip/d_psgd.h"

#include <algorithm>

#include "compress/finite.h"
#include "gossip/delta.h"
#include "protocol/check.h"

namespace starling::gossip {
namespace {

class DPsgd final : public Method {
 public:
  DPsgd(std::span<const float> start, std::vector<EdgeEnd> edges, double relaxation)
      : edges_(std::move(edges)), relaxation_(relaxation), x_(start.begin(), start.end()) {}

  std::uint32_t exchanges() const override { return 1; }
  std::size_t body_bytes_max() const override { return x_.size() * sizeof(float); }

  void adapt(const LocalStep& step) override { subtract(x_, step.update); }

  void open_edge(std::size_t /*edge*/, Epoch /*history*/) override {}

  Result<void> encode(Exchange /*exchange*/, std::span<const std::size_t> edges,
                      std::span<Message> out) override {
    if (edges.empty()) return {};
    std::ranges::fill(out, Message{raw_message(x_)});
    return {};
  }

  Result<void> check(Exchange /*exchange*/, const Message& message) const override {
    return compress::check_raw_floats(message.body.bytes(), x_.size());
  }

  void mix(Exchange /*exchange*/, std::span<const Arrival> arrivals) override {
    for (const Arrival& arrival : arrivals) {
      const double weight = edges_[arrival.edge].weight * relaxation_;
      add_difference(x_, static_cast<float>(weight), arrival.theirs.body.floats(),
                     arrival.ours.body.floats());
    }
  }

  std::span<const float> model() const override { return x_; }
  void archive(Archive& archive) override { archive.fixed("model", x_); }

 private:
  const std::vector<EdgeEnd> edges_;
  const double relaxation_;
  std::vector<float> x_;
};

}  // namespace

std::unique_ptr<Method> make_d_psgd(std::span<const float> start, std::vector<EdgeEnd> edges,
                                    double relaxation) {
  return std::make_unique<DPsgd>(start, std::move(edges), relaxation);
}

}  // namespace starling::gossip
