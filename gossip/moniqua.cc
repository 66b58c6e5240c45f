#include "gossip/moniqua.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "compress/bits.h"
#include "compress/counter_random.h"
#include "compress/finite.h"
#include "gossip/delta.h"
#include "protocol/check.h"
#include "protocol/random.h"

namespace starling::gossip {
namespace {

using compress::BitReader;
using compress::BitWriter;

class Moniqua final : public Method {
 public:
  Moniqua(std::span<const float> start, const MoniquaOptions& options)
      : options_(options), step_(moniqua_step(options)), x_(start.begin(), start.end()) {
    INVARIANT(options.bits >= kMoniquaBitsMin && options.bits <= kMoniquaBitsMax);
  }

  std::uint32_t exchanges() const override { return 1; }
  std::size_t body_bytes_max() const override { return (x_.size() * options_.bits + 7) / 8; }

  void begin_at(std::span<const float> model) override { std::ranges::copy(model, x_.begin()); }
  void adapt(const LocalStep& step) override { subtract(x_, step.update); }
  void open_edge(std::size_t /*edge*/, Epoch /*history*/) override {}

  Result<void> encode(Exchange exchange, std::span<const std::size_t> edges,
                      std::span<Message> out) override {
    if (apart_) return too_far();
    if (edges.empty()) return {};
    if (Result<void> checked = check_codable(); !checked) return checked;
    std::ranges::fill(out, Message{message(exchange)});
    return {};
  }

  // No message moves a coordinate by more than γ w θ.
  Result<double> check(Exchange /*exchange*/, std::size_t /*edge*/,
                       const Message& message) const override {
    const SharedBytes& body = message.body;
    if (body.size() != body_bytes_max()) {
      return Error{ErrorCode::peer,
                   fmt::format("body has {} bytes, expected {} ({} codes of {} bits)", body.size(),
                               body_bytes_max(), x_.size(), options_.bits)};
    }
    BitReader codes(body.bytes());
    codes.skip(x_.size() * options_.bits);
    if (codes.padded_with_zeros()) return 0.0;
    return Error{ErrorCode::peer,
                 fmt::format("body has bits behind its {} codes of {} bits, expected zeros",
                             x_.size(), options_.bits)};
  }

  void mix(Exchange /*exchange*/, std::span<const Arrival> arrivals) override {
    std::size_t beyond = 0;
    for (const Arrival& arrival : arrivals) {
      if (!subtract_codes(arrival.theirs.body, arrival.ours.body)) {
        ++beyond;
        continue;
      }
      const double unit = options_.gamma * arrival.terms.weight * step_;
      const auto factor = static_cast<float>(unit);
      for (std::size_t i = 0; i < x_.size(); ++i) x_[i] += factor * difference_[i];
    }
    apart_ = beyond > 1 && beyond == arrivals.size();
  }

  std::span<const float> model() const override { return x_; }
  void archive(Archive& archive) override {
    archive.fixed("model", x_);
    archive.number("apart", apart_);
  }

 private:
  // ⟨k_j - k_i⟩ of every coordinate into difference_; whether all of them can be within the bound.
  bool subtract_codes(const SharedBytes& theirs, const SharedBytes& ours) {
    const auto circle = std::int32_t{1} << options_.bits, half = circle / 2;
    difference_.resize(x_.size());
    bool within = true;
    BitReader a(theirs.bytes()), b(ours.bytes());
    for (float& difference : difference_) {
      const auto k_j = static_cast<std::int32_t>(a.get(options_.bits));
      const auto k_i = static_cast<std::int32_t>(b.get(options_.bits));
      const std::int32_t apart = (k_j - k_i) & (circle - 1);
      within = within && apart != half;
      difference = static_cast<float>(apart > half ? apart - circle : apart);
    }
    return within;
  }

  SharedBytes message(Exchange exchange) const {
    // Without the node's number: neighbors that agree round alike.
    const std::uint64_t key =
        Random(options_.seed, Stream::compression, {exchange.round, exchange.index}).bits(0);
    const std::uint64_t mask = (std::uint64_t{1} << options_.bits) - 1;
    const double inverse = 1 / step_;
    ByteBlock block(body_bytes_max());
    BitWriter codes(block.bytes());
    for (std::size_t i = 0; i < x_.size(); ++i) {
      const double u = 0x1p-32 * compress::random_bits(key, static_cast<std::uint32_t>(i));
      const double at = x_[i] * inverse + u;
      auto k = static_cast<std::int64_t>(at);  // towards 0
      if (static_cast<double>(k) > at) --k;
      codes.put(static_cast<std::uint64_t>(k) & mask, options_.bits);
    }
    codes.finish();
    return block;
  }

  // Whether x / t + u is exact to far less than one in double.
  Result<void> check_codable() const {
    if (Result<void> finite = compress::check_finite(x_); !finite) return finite;
    const double most = step_ * 0x1p40;
    const auto large = std::ranges::find_if(x_, [most](float x) { return std::abs(x) > most; });
    if (large == x_.end()) return {};
    return Error{ErrorCode::diverged,
                 fmt::format("a coordinate of the model is {:.4g}, which steps of {:.4g} (theta "
                             "{:.4g}, {} bits) cannot count",
                             *large, step_, options_.theta, options_.bits)};
  }

  Error too_far() const {
    return {ErrorCode::diverged,
            fmt::format("the models of all neighbors are theta = {:.4g} or more away from this "
                        "one, and moniqua can tell no such difference; raise [gossip] theta (with "
                        "a bit more for each doubling), or lower the learning rate",
                        options_.theta)};
  }

  const MoniquaOptions options_;
  const double step_;
  std::vector<float> x_;
  std::vector<float> difference_;
  bool apart_ = false;  // no edge of the last exchange was within the bound
};

}  // namespace

double moniqua_step(const MoniquaOptions& options) {
  return options.theta / ((1 << (options.bits - 1)) - 1);
}

std::unique_ptr<Method> make_moniqua(std::span<const float> start, const MoniquaOptions& options) {
  return std::make_unique<Moniqua>(start, options);
}

}  // namespace starling::gossip
