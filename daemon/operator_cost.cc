#include "daemon/operator_cost.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <chrono>
#include <cmath>
#include <memory>

#include "compress/assembly.h"
#include "compress/finite.h"
#include "compress/kernels/read.h"
#include "compress/tensors.h"
#include "node/safetensors.h"
#include "protocol/random.h"

namespace starling::daemon {
namespace {

using Clock = std::chrono::steady_clock;
using Kind = compress::OperatorKind;
using Options = compress::OperatorOptions;

constexpr int kWarmCalls = 3;  // a fixed number: what an operator remembers depends on it
constexpr int kCallsMax = 15, kCallsMin = 3;
constexpr double kSecondsWanted = 1;  // after which no further call is timed

double squared_norm(std::span<const float> x) {
  double sum = 0;
  for (const float v : x) sum += static_cast<double>(v) * v;
  return sum;
}

double squared_distance(std::span<const float> x, std::span<const float> y) {
  double sum = 0;
  for (std::size_t i = 0; i < x.size(); ++i) {
    const double difference = static_cast<double>(x[i]) - y[i];
    sum += difference * difference;
  }
  return sum;
}

template <class Work>
double seconds_of(Work&& work) {
  const auto begin = Clock::now();
  work();
  return std::chrono::duration<double>(Clock::now() - begin).count();
}

double median(std::vector<double> values) {
  std::ranges::nth_element(values, values.begin() + values.size() / 2);
  return values[values.size() / 2];
}

// One operator, its last message, and what the message is for the receiver.
class Bench {
 public:
  Bench(std::unique_ptr<compress::Compressor> c, std::span<const float> x)
      : c_(std::move(c)), x_(x), y_(x.size()), out_(c_->encoded_bytes_max(x.size())) {}

  Result<void> encode() {
    const auto used = c_->encode(x_, ++key_, out_);
    if (!used) return Error{ErrorCode::data, used.error().message};
    bytes_ = *used;
    return {};
  }
  void decode() { INVARIANT(c_->decode_add(std::span(out_).first(bytes_), 1, y_).ok()); }
  void read() { seen_ = compress::read_all(x_); }

  std::size_t bytes() const { return bytes_; }
  double relative_error() {
    std::ranges::fill(y_, 0.0f);
    decode();
    const double norm = squared_norm(x_);
    return norm == 0 ? 0 : squared_distance(x_, y_) / norm;
  }

 private:
  std::unique_ptr<compress::Compressor> c_;
  std::span<const float> x_;
  std::vector<float> y_;
  std::vector<std::byte> out_;
  std::size_t bytes_ = 0;
  std::uint64_t key_ = 0;
  volatile std::uint64_t seen_ = 0;  // so that the reading is not left out
};

Options keeping(Kind kind, double ratio, std::vector<Options> values = {}) {
  return {.kind = kind, .ratio = ratio, .values = std::move(values)};
}

Options quantized(std::size_t bits) { return {.kind = Kind::quantize, .bits = bits}; }

}  // namespace

Values synthetic_values(std::size_t floats) {
  Values values{"N(0, 1) exp(N(0, 1) / 2)", {}, std::vector<float>(floats)};
  const auto rows = static_cast<std::size_t>(std::sqrt(static_cast<double>(floats)));
  const std::size_t columns = floats / rows;
  values.layout.add("matrix", {rows, columns});
  if (floats > rows * columns) values.layout.add("rest", {floats - rows * columns});
  const Random base(1, Stream::measurement, {0}), spread(1, Stream::measurement, {1});
  for (std::size_t i = 0; i < floats; ++i) {
    values.floats[i] = base.normal(i) * std::exp(0.5f * spread.normal(i));
  }
  return values;
}

Result<Values> values_of_file(const std::string& file) {
  auto model = node::read_safetensors(std::filesystem::path(file));
  if (!model) return Error{ErrorCode::data, model.error().message};
  const auto broken = [&file](const std::string& what) {
    return Error{ErrorCode::data, fmt::format("{}: {}", file, what)};
  };
  if (model->parameters.empty()) return broken("found no values, expected a model");
  if (const auto bad = compress::first_non_finite(model->parameters)) {
    return broken(compress::non_finite_in(model->layout, *bad, model->parameters[*bad]).message);
  }
  return Values{file, std::move(model->layout), std::move(model->parameters)};
}

std::vector<Configuration> configurations(std::span<const float> x) {
  const double rms = std::sqrt(squared_norm(x) / static_cast<double>(x.size()));
  const double scale = std::clamp(rms, 1e-20, 1e20);
  float peak = 0;
  for (const float v : x) peak = std::max(peak, std::fabs(v));
  const double largest = std::clamp<double>(peak, 1e-20, 1e20);
  const std::size_t width = std::bit_floor(std::clamp<std::size_t>(x.size() / 50, 2, 1 << 20));
  const Options bfloat16{.kind = Kind::bfloat16};
  const auto top = [](std::vector<Options> values) {
    return keeping(Kind::top_k, 0.01, std::move(values));
  };
  return {
      {"identity", {.kind = Kind::identity}},
      {"bfloat16", bfloat16},
      {"float16", {.kind = Kind::float16}},
      {"top-k 1 %", top({})},
      {"top-k 1 %, bfloat16", top({bfloat16})},
      {"top-k 1 %, 4 bits", top({quantized(4)})},
      {"top-k 0.1 %, bfloat16", keeping(Kind::top_k, 0.001, {bfloat16})},
      {"block-top-k 1 of 128, bfloat16",
       {.kind = Kind::block_top_k, .values = {bfloat16}, .block = 128}},
      {"threshold 3 rms, bfloat16",
       {.kind = Kind::threshold, .values = {bfloat16}, .threshold = 3 * scale}},
      {"random-k 1 %", keeping(Kind::random_k, 0.01)},
      {"sidco 1 %, bfloat16", keeping(Kind::sidco, 0.01, {bfloat16})},
      {"sign", {.kind = Kind::sign}},
      {"one-bit of the largest", {.kind = Kind::one_bit, .step = largest}},
      {"quantize 8 bits", quantized(8)},
      {"quantize 4 bits", quantized(4)},
      {"quantize 2 bits", quantized(2)},
      {"ternary", {.kind = Kind::ternary}},
      {"natural", {.kind = Kind::natural}},
      {"natural-dithering", {.kind = Kind::natural_dithering}},
      {"low-rank 1", {.kind = Kind::low_rank, .rank = 1}},
      {"low-rank 4", {.kind = Kind::low_rank, .rank = 4}},
      {fmt::format("count-sketch 3 x {}, 0.1 %", width),
       {.kind = Kind::count_sketch,
        .width = width,
        .keep = std::max<std::size_t>(1, x.size() / 1000)}},
      {"variable-rate rms / 4", {.kind = Kind::variable_rate, .step = scale / 4}},
      {"induced top-k 1 % + 2 bits",
       {.kind = Kind::induced, .biased = {top({})}, .unbiased = {quantized(2)}}},
  };
}

Result<OperatorCost> measure(const Options& options, const Values& values) {
  auto c = compress::make_compressor(options, values.layout, 1);
  if (!c) return c.error();
  Bench bench(std::move(*c), values.floats);
  for (int call = 0; call < kWarmCalls; ++call) {
    if (auto encoded = bench.encode(); !encoded) return encoded.error();
  }
  OperatorCost cost{.bytes = bench.bytes(), .relative_error = bench.relative_error()};
  std::vector<double> reads, encodes, decodes;
  const auto begin = Clock::now();
  const auto enough = [&] {
    const std::chrono::duration<double> spent = Clock::now() - begin;
    const int calls = static_cast<int>(reads.size());
    return calls >= kCallsMax || (calls >= kCallsMin && spent.count() > kSecondsWanted);
  };
  while (!enough()) {
    reads.push_back(seconds_of([&] { bench.read(); }));
    encodes.push_back(seconds_of([&] { INVARIANT(bench.encode().ok()); }));
    decodes.push_back(seconds_of([&] { bench.decode(); }));
  }
  cost.read_seconds = median(reads);
  cost.encode_seconds = median(encodes);
  cost.decode_seconds = median(decodes);
  return cost;
}

}  // namespace starling::daemon
