#include "gossip/powergossip.h"

#include <algorithm>

#include "compress/kernels/projection.h"
#include "compress/low_rank.h"
#include "gossip/delta.h"
#include "gossip/edge_duals.h"
#include "protocol/random.h"

namespace starling::gossip {
namespace {

using compress::MatrixShape;

// A tensor of the layout that is compressed.
struct Matrix {
  std::size_t offset;
  MatrixShape shape;
  std::size_t rank;
};

// A tensor that goes dense.
struct Dense {
  std::size_t offset, size;
};

// Which factor an iteration starts from, and which one it replaces.
enum class Side { left, right };  // left: p, right: q

Side side_of(const PowerGossipOptions& options, Exchange exchange) {
  return (exchange.round * options.iterations + exchange.index) % 2 == 0 ? Side::left : Side::right;
}

struct Factors {
  std::vector<float> p, q;
};

struct EdgeState {
  EdgeEnd end;
  Epoch history = 0;
  // One a matrix, the same bits at both ends. Both are orthonormal, but for the one that mix has
  // just replaced while it stands for the difference.
  std::vector<Factors> factors;
};

class PowerGossip final : public Method {
 public:
  PowerGossip(std::span<const float> start, const TensorLayout& layout,
              const std::vector<EdgeEnd>& edges, const PowerGossipOptions& options)
      : options_(options), duals_(start.size(), edges.size()), x_(start.begin(), start.end()) {
    INVARIANT(layout.size() == start.size() && options.rank >= 1 && options.iterations >= 1);
    for (const Tensor& t : layout.tensors()) {
      if (t.is_matrix()) {
        matrices_.push_back(
            {t.offset, {t.rows(), t.columns()}, std::min({options.rank, t.rows(), t.columns()})});
      } else if (t.size() > 0) {
        dense_.push_back({t.offset, t.size()});
      }
    }
    for (const EdgeEnd& end : edges) {
      edges_.push_back({end, 0, std::vector<Factors>(matrices_.size())});
    }
  }

  std::uint32_t exchanges() const override { return options_.iterations; }
  bool broadcasts() const override { return false; }

  std::size_t body_bytes_max() const override {
    std::size_t most = 0;
    for (const Side side : {Side::left, Side::right}) most = std::max(most, factor_floats(side));
    return (most + dense_floats()) * sizeof(float);
  }

  void begin_at(std::span<const float> model) override { std::ranges::copy(model, x_.begin()); }
  void adapt(const LocalStep& step) override {
    subtract(x_, step.update);
    if (!exact()) return;
    duals_.follow(step.learning_rate);
    duals_.subtract_sum(x_);
  }

  void open_edge(std::size_t edge, Epoch history) override {
    if (exact()) duals_.open(edge);
    EdgeState& state = edges_[edge];
    state.history = history;
    for (std::size_t m = 0; m < matrices_.size(); ++m) {
      const Matrix& matrix = matrices_[m];
      state.factors[m].p.resize(matrix.rank * matrix.shape.rows);
      state.factors[m].q.resize(matrix.rank * matrix.shape.columns);
      const Random random = edge_random(state, m);
      Random(random.bits(0), Stream::low_rank_start).fill_normal(state.factors[m].p);
      Random(random.bits(1), Stream::low_rank_start).fill_normal(state.factors[m].q);
      compress::orthonormalize(state.factors[m].p, matrix.shape.rows, random.bits(2));
      compress::orthonormalize(state.factors[m].q, matrix.shape.columns, random.bits(3));
    }
  }

  void suspend_edge(std::size_t edge, bool /*pending*/) override { duals_.suspend(edge); }
  void resume_edge(std::size_t edge) override { duals_.resume(edge); }
  std::uint64_t edge_hash(std::size_t edge) const override {
    RunningHash hash;
    for (const Factors& f : edges_[edge].factors) {
      hash.add(std::as_bytes(std::span(f.p)));
      hash.add(std::as_bytes(std::span(f.q)));
    }
    const EdgeEnd& end = edges_[edge].end;
    return hash.value() + (exact() ? 3 * duals_.hash(edge, end.self < end.peer) : 0);
  }

  Result<void> encode(Exchange exchange, std::span<const std::size_t> edges,
                      std::span<Message> out) override {
    for (std::size_t i = 0; i < edges.size(); ++i) {
      out[i] = {encode_one(exchange, edges_[edges[i]])};
    }
    return {};
  }

  Result<double> check(Exchange exchange, std::size_t /*edge*/,
                       const Message& message) const override {
    return norm_of_raw(message.body, body_floats(exchange));
  }

  void mix(Exchange exchange, std::span<const Arrival> arrivals) override {
    for (const Arrival& arrival : arrivals) {
      mix_one(exchange, arrival);
    }
  }

  std::span<const float> model() const override { return x_; }

  void archive(Archive& archive) override {
    archive.fixed("model", x_);
    if (exact()) duals_.archive(archive);
    for (std::size_t e = 0; e < edges_.size(); ++e) {
      const Archive::Member edge(archive, "edge", e);
      if (!edge) continue;
      archive.number("history", edges_[e].history);
      for (std::size_t m = 0; m < edges_[e].factors.size(); ++m) {
        const Archive::Scope matrix(archive, "matrix", m);
        auto& [p, q] = edges_[e].factors[m];
        archive.floats("p", p, matrices_[m].rank * matrices_[m].shape.rows);
        archive.floats("q", q, matrices_[m].rank * matrices_[m].shape.columns);
      }
    }
  }

 private:
  // Keyed by the edge and its epoch, so that both ends draw the same.
  Random edge_random(const EdgeState& state, std::size_t matrix) const {
    const auto [low, high] = std::minmax(state.end.self, state.end.peer);
    return {options_.seed,
            Stream::low_rank_start,
            {index_of(low), index_of(high), state.history, matrix}};
  }

  // Floats of all replaced factors when the iteration starts from `side`.
  std::size_t factor_floats(Side side) const {
    std::size_t sum = 0;
    for (const Matrix& m : matrices_) {
      sum += m.rank * (side == Side::left ? m.shape.columns : m.shape.rows);
    }
    return sum;
  }

  std::size_t dense_floats() const {
    std::size_t sum = 0;
    for (const Dense& d : dense_) sum += d.size;
    return sum;
  }

  std::size_t body_floats(Exchange exchange) const {
    return factor_floats(side_of(options_, exchange)) + (exchange.index == 0 ? dense_floats() : 0);
  }

  bool exact() const { return options_.exact_gamma.has_value(); }
  float half_gamma() const { return static_cast<float>(*options_.exact_gamma / 2); }

  std::span<float> tensor(std::size_t offset, std::size_t size) {
    return std::span(x_).subspan(offset, size);
  }

  SharedBytes encode_one(Exchange exchange, const EdgeState& state) const {
    const Side side = side_of(options_, exchange);
    ByteBlock block(body_floats(exchange) * sizeof(float));
    std::span<float> rest = block.floats();
    for (std::size_t m = 0; m < matrices_.size(); ++m) {
      const Matrix& matrix = matrices_[m];
      const auto x = std::span(x_).subspan(matrix.offset, matrix.shape.size());
      const auto& [p, q] = state.factors[m];
      if (side == Side::left) {
        compress::project_transposed(x, matrix.shape, p, rest.first(q.size()));
        rest = rest.subspan(q.size());
      } else {
        compress::project(x, matrix.shape, q, rest.first(p.size()));
        rest = rest.subspan(p.size());
      }
    }
    if (exchange.index == 0) {
      for (const Dense& dense : dense_) {
        std::ranges::copy(std::span(x_).subspan(dense.offset, dense.size), rest.begin());
        rest = rest.subspan(dense.size);
      }
    }
    return block;
  }

  void mix_one(Exchange exchange, const Arrival& arrival) {
    EdgeState& state = edges_[arrival.edge];
    const std::span<float> dual = exact() ? duals_.dual(arrival.edge) : std::span<float>();
    const float dual_step = exact() ? half_gamma() / duals_.rate(arrival.edge) : 0;
    const std::uint64_t next = exchange.round * options_.iterations + exchange.index + 1;
    std::span<const float> ours = arrival.ours.body.floats();
    std::span<const float> theirs = arrival.theirs.body.floats();
    const bool low = state.end.self < state.end.peer;
    const auto scale = static_cast<float>(arrival.terms.weight * arrival.terms.relaxation);
    for (std::size_t m = 0; m < matrices_.size(); ++m) {
      const Matrix& matrix = matrices_[m];
      auto& [p, q] = state.factors[m];
      const bool left = side_of(options_, exchange) == Side::left;
      std::vector<float>& replaced = left ? q : p;
      for (std::size_t i = 0; i < replaced.size(); ++i) {
        replaced[i] = low ? theirs[i] - ours[i] : ours[i] - theirs[i];
      }
      compress::add_outer(tensor(matrix.offset, matrix.shape.size()), matrix.shape,
                          low ? scale : -scale, p, q);
      if (exact()) {
        compress::add_outer(dual.subspan(matrix.offset, matrix.shape.size()), matrix.shape,
                            dual_step * (low ? -scale : scale), p, q);
      }
      compress::orthonormalize(replaced, left ? matrix.shape.columns : matrix.shape.rows,
                               edge_random(state, m).bits(2 + next));
      ours = ours.subspan(replaced.size());
      theirs = theirs.subspan(replaced.size());
    }
    if (exchange.index != 0) return;
    const auto weight = static_cast<float>(arrival.terms.weight);
    for (const Dense& dense : dense_) {
      add_difference(tensor(dense.offset, dense.size), weight, theirs.first(dense.size),
                     ours.first(dense.size));
      if (exact()) {
        add_difference(dual.subspan(dense.offset, dense.size), dual_step * weight,
                       ours.first(dense.size), theirs.first(dense.size));
      }
      ours = ours.subspan(dense.size);
      theirs = theirs.subspan(dense.size);
    }
  }

  const PowerGossipOptions options_;
  std::vector<Matrix> matrices_;
  std::vector<Dense> dense_;
  std::vector<EdgeState> edges_;
  EdgeDuals duals_;  // exact form
  std::vector<float> x_;
};

}  // namespace

double captured_share(const TensorLayout& layout, std::size_t rank, std::size_t iterations) {
  double share = 1;
  for (const Tensor& t : layout.tensors()) {
    if (!t.is_matrix()) continue;
    const auto directions = static_cast<double>(std::min(t.rows(), t.columns()));
    share = std::min(share, static_cast<double>(rank * iterations) / directions);
  }
  return share;
}

std::unique_ptr<Method> make_powergossip(std::span<const float> start, const TensorLayout& layout,
                                         const std::vector<EdgeEnd>& edges,
                                         const PowerGossipOptions& options) {
  return std::make_unique<PowerGossip>(start, layout, edges, options);
}

}  // namespace starling::gossip
