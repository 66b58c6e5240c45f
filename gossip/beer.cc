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
        pending_(inputs.start.size()),
        v_(std::vector<float>(inputs.start.size()), zeros(inputs.start.size()), edges_.size()) {}

  std::uint32_t exchanges() const override { return 2; }
  std::size_t body_bytes_max() const override { return coder_.bytes_max(); }

  void begin_at(std::span<const float> model) override {
    std::ranges::copy(model, x_.value.begin());
    x_.replicas.begin_at(model);
  }
  void adapt(const LocalStep& step) override {
    tracked_.track(step, v_.value);
    add(x_.value, pending_);
    std::ranges::fill(pending_, 0.0f);
    subtract(x_.value, v_.value);
  }

  void open_edge(std::size_t edge, Epoch /*history*/) override {
    for (Tracked* t : {&x_, &v_}) t->replicas.open(edge);
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
    const std::span<float> into = &t == &x_ ? pending_ : v_.value;
    coder_.spare(false);
    t.replicas.commit(arrivals, coder_.compressor());
    for (const Arrival& arrival : arrivals) {
      add_difference(into, static_cast<float>(gamma_ * arrival.terms.weight),
                     t.replicas.theirs(arrival.edge), t.replicas.ours(arrival.edge));
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
    for (Tracked* t : {&x_, &v_}) {
      const Archive::Scope scope(archive, t == &x_ ? "model" : "tracker");
      archive.fixed("value", t->value);
      t->replicas.archive(archive, coder_.bytes_max());
    }
    archive.fixed("pending", pending_);
    tracked_.archive(archive);
    coder_.archive(archive);
  }

 private:
  static Common zeros(std::size_t size) {
    return {size, [](std::span<float> x) { std::ranges::fill(x, 0.0f); }};
  }

  Tracked& tracked(Exchange exchange) { return exchange.index == 0 ? x_ : v_; }

  const double gamma_;
  const std::vector<EdgeEnd> edges_;
  TrackedUpdate tracked_;
  MessageCoder coder_;
  Tracked x_;
  // What the neighbors' models add to x in the next round: made in mix, where both ends of an edge
  // agree whether it counts, so that the mean stays; taken after the gradient, which is of x.
  std::vector<float> pending_;
  Tracked v_;
  Tracked* under_way_ = &x_;  // of the last encode
};

}  // namespace

std::unique_ptr<Method> make_beer(CompressedInputs inputs, const BeerOptions& options) {
  return std::make_unique<Beer>(std::move(inputs), options);
}

}  // namespace starling::gossip
