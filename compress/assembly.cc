#include "compress/assembly.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "compress/counter_random.h"
#include "compress/ladder.h"
#include "compress/rated.h"
#include "compress/sparse.h"
#include "compress/tensors.h"
#include "compress/top_k.h"
#include "compress/whole_model.h"

namespace starling::compress {
namespace {

using Kind = OperatorKind;

constexpr std::size_t kModelFloatsMax = std::size_t{1} << 29;

// Top-K's k over all tensors, shared out, as ratios.
std::vector<double> ratios_of(const OperatorOptions& options, const TensorLayout& layout) {
  std::vector<std::size_t> sizes;
  for (const Tensor& t : layout.tensors()) sizes.push_back(t.size());
  const auto kept = split_k(entries_of(options.ratio, layout.size()), sizes);
  std::vector<double> ratios;
  for (std::size_t i = 0; i < sizes.size(); ++i) {
    ratios.push_back(static_cast<double>(std::max<std::size_t>(1, kept[i])) /
                     static_cast<double>(std::max<std::size_t>(1, sizes[i])));
  }
  return ratios;
}

std::unique_ptr<Tensors> make_tensors(const OperatorOptions& options, const TensorLayout& layout,
                                      std::uint64_t seed) {
  const bool shared = options.kind == Kind::top_k;
  const std::vector<double> ratios = shared ? ratios_of(options, layout) : std::vector<double>();
  return std::make_unique<Tensors>(
      layout, [&](const Tensor& t, std::size_t number) -> std::unique_ptr<Compressor> {
        if (options.kind == Kind::low_rank && !t.is_matrix()) return nullptr;
        OperatorOptions of_tensor = options;
        if (shared) of_tensor.ratio = ratios[number];
        return make_operator(of_tensor, t, subkey(seed, number));
      });
}

std::unique_ptr<Compressor> make_any(const OperatorOptions& options, const TensorLayout& layout,
                                     std::uint64_t seed) {
  if (goes_by_tensor(options)) return make_tensors(options, layout, seed);
  const Tensor flat{"model", {layout.size()}, 0};
  return std::make_unique<WholeModel>(layout, make_operator(options, flat, seed));
}

// What makes the messages of an operator shorter.
const char* advice(Kind kind) {
  switch (kind) {
    case Kind::top_k:
    case Kind::random_k:
    case Kind::sidco: return "take a smaller ratio";
    case Kind::threshold: return "take a smaller cap";
    case Kind::block_top_k: return "take a larger block";
    case Kind::quantize: return "take fewer bits";
    case Kind::low_rank: return "take a smaller rank";
    case Kind::count_sketch: return "take a smaller width";
    default: return "take another operator";
  }
}

// The bytes of a message follow the data; the largest is that of data which nobody sends.
bool only_bounded_by_raw(Kind kind) {
  return kind == Kind::identity || kind == Kind::variable_rate;
}

}  // namespace

bool goes_by_tensor(const OperatorOptions& options) {
  if (options.kind == Kind::low_rank) return true;
  const auto keys = keys_of(options.kind);
  const bool can = std::find(keys.begin(), keys.end(), "scope") != keys.end();
  return can && options.scope == Scope::tensor;
}

Result<std::unique_ptr<Compressor>> make_compressor(const OperatorOptions& options,
                                                    const TensorLayout& layout,
                                                    std::uint64_t seed) {
  if (auto checked = check_options(options); !checked) return checked.error();
  if (layout.size() > kModelFloatsMax) {
    return config_error(fmt::format("found a model of {} floats, expected at most {}",
                                    layout.size(), kModelFloatsMax));
  }
  std::unique_ptr<Compressor> made = make_any(options, layout, seed);
  const std::size_t most = made->encoded_bytes_max(layout.size());
  const std::size_t raw = layout.size() * sizeof(float);
  if (most < raw || only_bounded_by_raw(options.kind)) return made;
  return config_error(fmt::format(
      "operator {} needs up to {} bytes for a model of {} bytes; {} or operator = \"identity\"",
      describe(options), most, raw, advice(options.kind)));
}

Result<std::unique_ptr<Compressor>> make_rated(const OperatorOptions& options,
                                               const TensorLayout& layout, std::uint64_t seed,
                                               const RatedInputs& inputs) {
  if (auto lowest = make_compressor(options, layout, seed); !lowest) return lowest.error();
  RatedPlace place{.stream = inputs.stream, .streams = inputs.streams};
  if (!goes_by_tensor(options)) {
    auto rated = std::make_unique<Rated>(make_ladder(options), inputs.budget, place);
    if (inputs.by_size) return std::unique_ptr<Compressor>(std::move(rated));
    return std::unique_ptr<Compressor>(std::make_unique<WholeModel>(layout, std::move(rated)));
  }
  const std::vector<double> ratios = ratios_of(options, layout);
  const auto all = static_cast<double>(layout.size());
  return std::unique_ptr<Compressor>(std::make_unique<Tensors>(
      layout, [&](const Tensor& t, std::size_t number) -> std::unique_ptr<Compressor> {
        OperatorOptions of_tensor = options;
        of_tensor.ratio = ratios[number];
        if (!has_ladder(of_tensor)) return make_operator(of_tensor, t, subkey(seed, number));
        place.part = number;
        place.share = static_cast<double>(t.size()) / all;
        return std::make_unique<Rated>(make_ladder(of_tensor), inputs.budget, place);
      }));
}

std::vector<std::string> raw_tensors(const OperatorOptions& options, const TensorLayout& layout) {
  if (!goes_by_tensor(options)) return {};
  return make_tensors(options, layout, 0)->raw_tensors();
}

std::string describe(const Contract& contract) {
  switch (contract.guarantee) {
    case Guarantee::contractive: return fmt::format("contractive, delta {:.6g}", contract.constant);
    case Guarantee::unbiased: return fmt::format("unbiased, omega {:.6g}", contract.constant);
    case Guarantee::bounded: break;
  }
  return fmt::format("bounded, beta^2 {:.6g}, sigma^2 {:.6g}", contract.constant,
                     contract.absolute);
}

std::string summary(const OperatorOptions& options, const TensorLayout& layout) {
  const std::size_t raw_bytes = layout.size() * sizeof(float);
  const std::unique_ptr<Compressor> made = make_any(options, layout, 0);
  const std::size_t most = made->encoded_bytes_max(layout.size());
  std::string text =
      fmt::format("operator {}: {}; at most {} bytes a message, the raw model has {}",
                  describe(options), describe(made->contract(layout.size())), most, raw_bytes);
  const auto raw = raw_tensors(options, layout);
  if (!raw.empty()) text += fmt::format("; raw: {}", fmt::join(raw, ", "));
  return text;
}

}  // namespace starling::compress
