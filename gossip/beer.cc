#include "gossip/beer.h"

#include <algorithm>
#include <utility>

#include "gossip/delta.h"
#include "gossip/replicas.h"
#include "gossip/tracked_update.h"

namespace starling::gossip {
namespace {

// x or v, and what the neighbors know of it. `common`: where the references of the value begin.
struct Tracked {
  Tracked(std::span<const float> start, Common common, std::size_t edges)
      : value(start.begin(), start.end()), replicas(std::move(common), edges, {1}) {}
  std::vector<float> value;
  Replicas replicas;
};

class Beer final : public Method {
 public:
  Beer(CompressedInputs inputs, const BeerOptions& options)
      : gamma_(options.gamma),
        edges_(inputs.edges),
        tracked_(inputs.start.size()),
        coder_(inputs.coder()),
        x_(inputs.start, std::move(inputs.common), edges_.size()),
        due_(edges_.size()),
        v_(std::vector<float>(inputs.start.size()), zeros(inputs.start.size()), edges_.size()) {}

  std::uint32_t exchanges() const override { return 2; }
  std::size_t body_bytes_max() const override { return coder_.bytes_max(); }

  void begin_at(std::span<const float> model) override {
    std::ranges::copy(model, x_.value.begin());
    x_.replicas.begin_at(model);
  }
  void adapt(const LocalStep& step) override {
    tracked_.track(step, v_.value);
    add(x_.value, pending());
    pending_ = std::vector<float>();  // {} would keep the memory
    std::ranges::fill(due_, 0.0f);
    subtract(x_.value, v_.value);
  }

  void open_edge(std::size_t edge, Epoch /*history*/) override {
    forget_edge(edge);
    for (Tracked* t : {&x_, &v_}) t->replicas.open(edge);
  }
  void forget_edge(std::size_t edge) override {
    if (due_[edge] != 0) {
      pending_.resize(x_.value.size());
      take_due(edge, pending_);
    }
    for (Tracked* t : {&x_, &v_}) t->replicas.forget(edge);
  }
  std::vector<std::size_t> relieve(std::span<const std::size_t> suspended) override {
    std::vector<std::size_t> all = x_.replicas.relieve(suspended, v_.replicas.kept());
    if (all.empty()) all = v_.replicas.relieve(suspended, x_.replicas.kept());
    return all;
  }
  void suspend_edge(std::size_t edge, bool pending) override {
    under_way_->replicas.suspend(edge, pending);
  }
  void resume_edge(std::size_t edge) override {
    for (Tracked* t : {&x_, &v_}) t->replicas.resume(edge);
  }
  std::uint64_t edge_hash(std::size_t edge) const override {
    const bool low = edges_[edge].self < edges_[edge].peer;
    return x_.replicas.hash(edge, low) + 3 * v_.replicas.hash(edge, low);
  }
  std::size_t start_bytes_max() const override { return x_.replicas.start_bytes_max(); }

  void take_start(Exchange exchange, std::size_t edge, const SharedBytes& start) override {
    tracked(exchange).replicas.take_start(edge, start, coder_.compressor());
  }
  Result<void> encode(Exchange exchange, std::span<const std::size_t> edges,
                      std::span<Message> out) override {
    Tracked& t = tracked(exchange);
    under_way_ = &t;
    return t.replicas.encode(edges, out, coder_, [&](Replicas::Own& own) {
      return coder_.encode(exchange, coder_.difference(t.value, own.reference.values()));
    });
  }

  Result<double> check(Exchange exchange, std::size_t /*edge*/,
                       const Message& message) const override {
    return (exchange.index == 0 ? x_ : v_).replicas.check(message, coder_);
  }

  void mix(Exchange exchange, std::span<const Arrival> arrivals) override {
    Tracked& t = tracked(exchange);
    spare();
    const bool is_late = !t.replicas.commit(arrivals, coder_.compressor());
    for (const Arrival& arrival : arrivals) {
      const auto step = static_cast<float>(gamma_ * arrival.terms.weight);
      if (&t == &x_ && !is_late) {
        due_[arrival.edge] = step;
      } else {
        add_difference(t.value, step, t.replicas.theirs(arrival.edge),
                       t.replicas.ours(arrival.edge));
      }
    }
  }

  // A node that leaves takes its part of both sums along; the mean of v is that of u once more
  // when v begins anew at every node that stays.
  bool rewired() override {
    tracked_.restart(v_.value);
    return false;
  }

  std::span<const float> model() const override { return x_.value; }

  void archive(Archive& archive) override {
    if (archive.loading()) {
      pending_.resize(x_.value.size());
      archive.fixed("pending", pending_);
    } else {
      archive.fixed("pending", pending());
    }
    for (Tracked* t : {&x_, &v_}) {
      const Archive::Scope scope(archive, t == &x_ ? "model" : "tracker");
      archive.fixed("value", t->value);
      t->replicas.archive(archive, coder_.bytes_max());
    }
    tracked_.archive(archive);
    coder_.archive(archive);
  }

 private:
  static Common zeros(std::size_t size) {
    return {size, [](std::span<float> x) { std::ranges::fill(x, 0.0f); }};
  }

  void add_due(std::size_t edge, std::span<float> into) const {
    if (due_[edge] == 0) return;
    add_difference(into, due_[edge], x_.replicas.theirs(edge), x_.replicas.ours(edge));
  }
  void take_due(std::size_t edge, std::span<float> into) {
    add_due(edge, into);
    due_[edge] = 0;
  }
  // What the neighbors' models add to x in the next round; made in memory of the coder where there
  // is no other.
  std::span<float> pending() {
    if (!pending_.empty()) {
      for (std::size_t e = 0; e < due_.size(); ++e) take_due(e, pending_);
      return pending_;
    }
    const std::span<float> sum = coder_.work(x_.value.size());
    std::ranges::fill(sum, 0.0f);
    for (std::size_t e = 0; e < due_.size(); ++e) add_due(e, sum);
    return sum;
  }
  // A reference that is kept for an edge that is down takes the place of the coder's memory.
  void spare() const { coder_.spare(x_.replicas.kept() + v_.replicas.kept() > 0); }

  Tracked& tracked(Exchange exchange) { return exchange.index == 0 ? x_ : v_; }

  const double gamma_;
  const std::vector<EdgeEnd> edges_;
  TrackedUpdate tracked_;
  MessageCoder coder_;
  Tracked x_;
  // What the neighbors' models add to x counts in mix, where both ends of an edge agree on it, and
  // is taken after the next gradient, which is of x. Until then it is of the replicas, so many
  // times the difference of each edge; pending_: of edges that have been forgotten since, or of a
  // checkpoint. Mostly empty, for it would be one vector more.
  std::vector<float> due_, pending_;
  Tracked v_;
  Tracked* under_way_ = &x_;  // of the last encode
};

}  // namespace

std::unique_ptr<Method> make_beer(CompressedInputs inputs, const BeerOptions& options) {
  return std::make_unique<Beer>(std::move(inputs), options);
}

}  // namespace starling::gossip
