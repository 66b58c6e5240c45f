#include "gossip/mesh/sketched_amsgrad.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <numeric>

#include "gossip/delta.h"
#include "gossip/mesh/leg_coder.h"

namespace starling::gossip {
namespace {

constexpr std::uint32_t kSketch = 0, kPlaces = 1, kValues = 2, kSteps = 3;

using Places = std::vector<std::uint32_t>;  // in a shard, ascending

// Places, and in front of them how many; behind them a value for each, or none.
struct PlacesAndValues {
  Places places;
  std::vector<float> values;

  static std::size_t bytes_max(std::size_t count) { return 4 + 8 * count; }

  ByteBlock encoded(std::size_t room) const {
    const auto count = static_cast<std::uint32_t>(places.size());
    ByteBlock block(room + 4 + 4 * places.size() + 4 * values.size());
    std::byte* to = block.bytes().subspan(room).data();
    std::memcpy(to, &count, 4);
    if (count > 0) std::memcpy(to + 4, places.data(), 4 * places.size());
    if (!values.empty()) std::memcpy(to + 4 + 4 * places.size(), values.data(), 4 * values.size());
    return block;
  }

  // At most `most` places below `floats`.
  static Result<PlacesAndValues> decoded(std::span<const std::byte> bytes, std::size_t floats,
                                         std::size_t most, bool has_values) {
    std::uint32_t count = 0;
    if (bytes.size() >= 4) std::memcpy(&count, bytes.data(), 4);
    const std::size_t each = has_values ? 8 : 4;
    if (bytes.size() < 4 || count > most || bytes.size() != 4 + each * count) {
      return Error{ErrorCode::peer,
                   fmt::format("{} bytes for {} coordinates, expected 4 and {} for each of at most "
                               "{}",
                               bytes.size(), count, each, most)};
    }
    PlacesAndValues out{Places(count), std::vector<float>(has_values ? count : 0)};
    if (count > 0) std::memcpy(out.places.data(), bytes.data() + 4, 4 * out.places.size());
    if (has_values && count > 0) {
      std::memcpy(out.values.data(), bytes.data() + 4 + 4 * out.places.size(),
                  4 * out.places.size());
    }
    for (std::size_t k = 0; k < count; ++k) {
      const bool ascends = k == 0 || out.places[k - 1] < out.places[k];
      if (ascends && out.places[k] < floats) continue;
      return Error{ErrorCode::peer,
                   fmt::format("coordinate {} is {}, expected them to ascend below {}", k,
                               out.places[k], floats)};
    }
    return out;
  }
};

Result<double> norm_of_decoded(const Result<PlacesAndValues>& decoded) {
  if (!decoded) return decoded.error();
  const double norm = norm_of(decoded->values);
  if (std::isfinite(norm)) return norm;
  return Error{ErrorCode::peer, "values that are not finite, expected finite ones"};
}

// What owners have asked for in the newest round, in ascending order of owners.
using Asked = std::shared_ptr<std::vector<Places>>;

class SketchedUp final : public UpLeg {
 public:
  SketchedUp(LegInputs inputs, std::unique_ptr<compress::CountSketch> sketch, std::size_t keep,
             Asked asked)
      : shards_(inputs.shards),
        self_(inputs.self),
        seed_(inputs.seed),
        sketch_(std::move(sketch)),
        keep_(keep),
        asked_(std::move(asked)),
        mean_(shards_.floats()),
        error_(shards_.floats()),
        sum_(shards_.size(self_)) {}

  void adapt(const LocalStep& step) override {
    constexpr float kBeta1 = 0.9f;
    const auto scale = static_cast<float>(step.learning_rate > 0 ? 1 / step.learning_rate : 0);
    const auto kept = static_cast<float>(rate_ > 0 ? rate_ / step.learning_rate : 1);
    rate_ = step.learning_rate;
    for (std::size_t i = 0; i < mean_.size(); ++i) {
      mean_[i] = kBeta1 * mean_[i] + (1 - kBeta1) * (scale * step.update[i]);
      error_[i] = mean_[i] + kept * error_[i];
    }
    for (Places& places : *asked_) places.clear();
  }

  Result<ByteBlock> encode(Exchange exchange, std::size_t owner, std::size_t room) override {
    const std::span<const float> w = shards_.of(owner, std::span<const float>(error_));
    if (exchange.index == kSketch) return sketched(exchange, owner, w, room);
    PlacesAndValues piece{(*asked_)[owner], {}};
    for (const std::uint32_t place : piece.places) piece.values.push_back(w[place]);
    return piece.encoded(room);
  }

  Result<double> check(Exchange exchange, std::span<const std::byte> piece) const override {
    const std::size_t floats = shards_.size(self_);
    if (exchange.index == kValues) {
      return norm_of_decoded(PlacesAndValues::decoded(piece, floats, keep_, true));
    }
    sketch_->set_seed(seed_of(exchange, self_));
    if (auto fits = sketch_->fits(piece, floats); !fits) return fits.error();
    return 0.0;  // it says where to look, and moves nothing
  }

  void counted(Exchange exchange, std::size_t owner, std::span<const std::byte> piece,
               bool /*late*/) override {
    if (exchange.index == kValues) add(piece, -1, shards_.of(owner, std::span(error_)));
  }

  // A sketch that is late has nothing to say any more.
  void take(Exchange exchange, std::size_t /*from*/, std::span<const std::byte> piece,
            bool late) override {
    if (exchange.index == kValues) return add(piece, 1, sum_);
    if (late) return;
    if (table_.empty()) table_ = nothing(exchange);
    // A sum that overflows goes without the piece.
    (void)sketch_->merge(piece, shards_.size(self_), table_);
  }

  void reduce(Exchange exchange, std::span<float> mean) override {
    const float n = 1.0f / static_cast<float>(shards_.owners());
    if (exchange.index == kSketch) {
      for (std::size_t i = 0; i < mean.size(); ++i) mean[i] = n * sum_[i];
      INVARIANT(sketch_->decode_add(table_, n, mean).ok());
      table_.clear();
      return;
    }
    std::ranges::fill(mean, 0.0f);
    for (const std::uint32_t place : (*asked_)[self_]) {
      mean[place] = n * sum_[place];
      sum_[place] = 0;
    }
  }
  double rate() const override { return rate_; }
  std::size_t bytes_max(std::size_t floats) const override {
    return std::max(sketch_->encoded_bytes_max(floats), PlacesAndValues::bytes_max(keep_));
  }

  void rewired() override {
    std::ranges::fill(sum_, 0.0f);
    for (Places& places : *asked_) places.clear();
  }
  void archive(Archive& archive, std::span<const std::size_t> /*owners*/) override {
    archive.fixed("momentum", mean_);
    archive.fixed("error", error_);
    archive.number("rate", rate_);
    archive.part("late", sum_, shards_.floats());
  }

 private:
  std::uint64_t seed_of(Exchange exchange, std::size_t owner) const {
    return Random(seed_, Stream::compression, {exchange.round, owner}).bits(0);
  }
  Result<ByteBlock> sketched(Exchange exchange, std::size_t owner, std::span<const float> w,
                             std::size_t room) const {
    sketch_->set_seed(seed_of(exchange, owner));
    ByteBlock block(room + sketch_->encoded_bytes_max(w.size()));
    const auto used = sketch_->encode(w, 0, block.bytes().subspan(room));
    if (!used) return used.error();
    return block;
  }
  // The sketch of a shard of zeros.
  std::vector<std::byte> nothing(Exchange exchange) const {
    const std::vector<float> zeros(shards_.size(self_));
    const Result<ByteBlock> block = sketched(exchange, self_, zeros, 0);
    INVARIANT(block.ok());
    const std::span<const std::byte> bytes = block->bytes();
    return {bytes.begin(), bytes.end()};
  }
  void add(std::span<const std::byte> piece, float sign, std::span<float> to) const {
    const auto decoded = PlacesAndValues::decoded(piece, to.size(), keep_, true);
    INVARIANT(decoded.ok());
    for (std::size_t k = 0; k < decoded->places.size(); ++k) {
      to[decoded->places[k]] += sign * decoded->values[k];
    }
  }

  const Shards shards_;
  const std::size_t self_;
  const std::uint64_t seed_;
  const std::unique_ptr<compress::CountSketch> sketch_;
  const std::size_t keep_;
  const Asked asked_;
  double rate_ = 0;
  std::vector<float> mean_, error_;  // m_i; w_i, which becomes e_i
  std::vector<float> sum_;           // of values that were not told of yet
  std::vector<std::byte> table_;     // the sum of this round's sketches
};

class SketchedDown final : public DownLeg {
 public:
  SketchedDown(const LegInputs& inputs, std::size_t keep, Asked asked, std::span<float> model)
      : shards_(inputs.shards),
        self_(inputs.self),
        keep_(keep),
        asked_(std::move(asked)),
        model_(model),
        square_(shards_.size(self_), kNu),
        largest_(shards_.size(self_), kNu) {}

  std::vector<std::span<float>> common() override { return {model_}; }

  Result<ByteBlock> encode(Exchange exchange, std::span<const float> mean, double rate,
                           std::size_t room) override {
    if (exchange.index == kPlaces) {
      return PlacesAndValues{chosen_places(mean, exchange.round), {}}.encoded(room);
    }
    constexpr float kBeta2 = 0.99f;
    for (std::size_t i = 0; i < mean.size(); ++i) {
      square_[i] = kBeta2 * square_[i] + (1 - kBeta2) * mean[i] * mean[i];
      largest_[i] = std::max(largest_[i], square_[i]);
    }
    PlacesAndValues told{(*asked_)[self_], {}};
    for (const std::uint32_t place : told.places) {
      told.values.push_back(static_cast<float>(rate) * mean[place] / std::sqrt(largest_[place]));
    }
    return told.encoded(room);
  }

  Result<double> check(Exchange exchange, std::size_t owner,
                       std::span<const std::byte> message) const override {
    const bool has_values = exchange.index == kSteps;
    return norm_of_decoded(
        PlacesAndValues::decoded(message, shards_.size(owner), keep_, has_values));
  }

  void apply(Exchange exchange, std::size_t owner, std::span<const std::byte> message,
             float /*rate*/, bool late) override {
    auto told =
        PlacesAndValues::decoded(message, shards_.size(owner), keep_, exchange.index == kSteps);
    INVARIANT(told.ok());
    if (exchange.index == kPlaces) {
      if (!late) (*asked_)[owner] = std::move(told->places);
      return;
    }
    const std::span<float> x = shards_.of(owner, model_);
    for (std::size_t k = 0; k < told->places.size(); ++k) x[told->places[k]] -= told->values[k];
  }

  std::size_t bytes_max(std::size_t /*floats*/) const override {
    return PlacesAndValues::bytes_max(keep_);
  }
  void rewired() override {
    std::ranges::fill(square_, kNu);
    std::ranges::fill(largest_, kNu);
  }
  void archive(Archive& archive) override {
    archive.part("v", square_, shards_.floats());
    archive.part("v_max", largest_, shards_.floats());
  }

 private:
  static constexpr float kNu = 1e-8f;

  // Those whose turn it is, and the largest; of equal ones those in front.
  Places chosen_places(std::span<const float> mean, Round round) const {
    const std::size_t d = mean.size(), turns = keep_ < 2 ? 0 : std::max<std::size_t>(1, keep_ / 4);
    const std::size_t first = d > 0 ? round % d * turns % d : 0;
    const auto weight = [&](std::uint32_t i) {
      if ((i + d - first) % d < turns) return std::numeric_limits<float>::infinity();
      return std::abs(mean[i]) / std::sqrt(largest_[i]);
    };
    Places places(d);
    std::iota(places.begin(), places.end(), 0u);
    if (keep_ < places.size()) {
      const auto end = places.begin() + static_cast<std::ptrdiff_t>(keep_);
      std::ranges::nth_element(places, end, [&](std::uint32_t a, std::uint32_t b) {
        const float wa = weight(a), wb = weight(b);
        return wa > wb || (wa == wb && a < b);
      });
      places.resize(keep_);
      std::ranges::sort(places);
    }
    return places;
  }

  const Shards shards_;
  const std::size_t self_, keep_;
  const Asked asked_;
  const std::span<float> model_;
  std::vector<float> square_, largest_;  // v, v̂
};

}  // namespace

Legs make_sketched_amsgrad(LegInputs inputs, std::unique_ptr<compress::CountSketch> sketch,
                           std::size_t keep, std::span<float> model) {
  const auto asked = std::make_shared<std::vector<Places>>(inputs.shards.owners());
  auto down = std::make_unique<SketchedDown>(inputs, keep, asked, model);
  return {.up = std::make_unique<SketchedUp>(std::move(inputs), std::move(sketch), keep, asked),
          .down = std::move(down),
          .pairs = 2};
}

}  // namespace starling::gossip
