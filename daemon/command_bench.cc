// starling bench compress: what each operator makes of synthetic or own data on this machine.
#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <memory>
#include <nlohmann/json.hpp>

#include "compress/assembly.h"
#include "daemon/commands.h"
#include "daemon/operator_cost.h"
#include "daemon/options.h"
#include "daemon/table.h"
#include "node/config_names.h"

namespace starling::daemon {
namespace {

using Json = nlohmann::ordered_json;
using Kind = compress::OperatorKind;

struct BenchOptions {
  std::string size = "25M", file;
  std::vector<std::string> rates, operators;
  bool json = false;
};

struct Link {
  std::string rate;  // as it was typed
  double bytes_per_second;
};

struct Line {
  Configuration configuration;
  OperatorCost cost;
};

Result<std::vector<Link>> links_of(std::vector<std::string> rates) {
  if (rates.empty()) rates = {"10mbit", "100mbit", "1gbit"};
  std::vector<Link> links;
  for (const std::string& rate : rates) {
    const auto parsed = parse_rate(rate);
    if (!parsed) return parsed.error();
    links.push_back({rate, *parsed});
  }
  return links;
}

// Fails on a word that names no operator.
Result<std::vector<Kind>> kinds_of(const std::vector<std::string>& words) {
  std::vector<std::string> names;
  for (const Kind kind : compress::operator_kinds()) {
    if (kind != Kind::automatic) names.emplace_back(compress::name_of(kind));
  }
  std::vector<Kind> kinds;
  for (const std::string& word : words) {
    if (std::ranges::find(names, word) == names.end()) {
      const std::string slip = node::nearest(word, names);
      return Error{
          ErrorCode::config,
          fmt::format("found the operator '{}', expected {}", word,
                      slip.empty() ? "one of " + node::listed(names)
                                   : fmt::format("a known one; did you mean '{}'?", slip))};
    }
    kinds.push_back(
        *std::ranges::find(compress::operator_kinds(), word,
                           [](compress::OperatorKind kind) { return compress::name_of(kind); }));
  }
  return kinds;
}

Result<Values> values_of(const BenchOptions& options) {
  if (!options.file.empty()) return values_of_file(options.file);
  const auto size = parse_size(options.size);
  if (!size) return size.error();
  return synthetic_values(*size);
}

// Those that were asked for; where nobody asked, all that fit, and the others with their reason on
// standard error.
Result<std::vector<Line>> measure_all(const Values& values, const std::vector<Kind>& kinds) {
  std::vector<Line> lines;
  for (Configuration& one : configurations(values.floats)) {
    const bool asked = std::ranges::find(kinds, one.options.kind) != kinds.end();
    if (!kinds.empty() && !asked) continue;
    const auto cost = measure(one.options, values);
    if (cost) {
      lines.push_back({std::move(one), *cost});
    } else if (asked) {
      return cost.error();
    } else {
      std::fprintf(stderr, "left out %s: %s\n", one.label.c_str(), cost.error().message.c_str());
    }
  }
  return lines;
}

double raw_bytes(const Values& values) {
  return static_cast<double>(values.floats.size() * sizeof(float));
}

double gigabytes_per_second(const Values& values, double seconds) {
  return raw_bytes(values) / 1e9 / std::max(seconds, 1e-9);
}

double round_seconds(const OperatorCost& cost, const Link& link) {
  return cost.encode_seconds + static_cast<double>(cost.bytes) / link.bytes_per_second +
         cost.decode_seconds;
}

Json json_of(const Line& line, const Values& values, const std::vector<Link>& links) {
  const OperatorCost& cost = line.cost;
  Json json = {{"operator", compress::name_of(line.configuration.options.kind)},
               {"options", compress::describe(line.configuration.options)},
               {"size", values.floats.size()},
               {"bytes", cost.bytes},
               {"relative_error", cost.relative_error},
               {"encode_gbps", gigabytes_per_second(values, cost.encode_seconds)},
               {"decode_gbps", gigabytes_per_second(values, cost.decode_seconds)},
               {"read_gbps", gigabytes_per_second(values, cost.read_seconds)},
               {"round_seconds", Json::object()}};
  for (const Link& link : links) json["round_seconds"][link.rate] = round_seconds(cost, link);
  return json;
}

std::string seconds_text(double seconds) {
  return seconds < 1 ? fmt::format("{:.3g} ms", seconds * 1e3) : fmt::format("{:.3g} s", seconds);
}

void print(const std::vector<Line>& lines, const Values& values, const std::vector<Link>& links) {
  std::vector<std::string> header = {"operator", "bytes",       "ratio",
                                     "error",    "encode GB/s", "decode GB/s"};
  for (const Link& link : links) header.push_back("round at " + link.rate);
  Table table(header);
  std::vector<double> reads;
  for (const Line& line : lines) {
    const OperatorCost& cost = line.cost;
    std::vector<std::string> row = {
        line.configuration.label,
        fmt::format("{}", cost.bytes),
        fmt::format("{:.1f}x", raw_bytes(values) / static_cast<double>(cost.bytes)),
        fmt::format("{:.3g}", cost.relative_error),
        fmt::format("{:.2f}", gigabytes_per_second(values, cost.encode_seconds)),
        fmt::format("{:.2f}", gigabytes_per_second(values, cost.decode_seconds))};
    for (const Link& link : links) row.push_back(seconds_text(round_seconds(cost, link)));
    table.add(std::move(row));
    reads.push_back(gigabytes_per_second(values, cost.read_seconds));
  }
  std::ranges::sort(reads);
  std::printf("%s: %zu floats in %zu tensor%s, raw %s; one core reads %.2f GB/s\n",
              values.origin.c_str(), values.floats.size(), values.layout.tensors().size(),
              values.layout.tensors().size() == 1 ? "" : "s", bytes_text(raw_bytes(values)).c_str(),
              reads.empty() ? 0 : reads[reads.size() / 2]);
  std::printf("%s", table.text().c_str());
  std::printf(
      "error: ||C(x) - x||^2 / ||x||^2; GB/s of raw float32 on one core; a round: encode, one "
      "message over the link, decode\n");
}

int bench_compress(const BenchOptions& options) {
  const auto links = links_of(options.rates);
  if (!links) return fail(links.error());
  const auto kinds = kinds_of(options.operators);
  if (!kinds) return fail(kinds.error());
  const auto values = values_of(options);
  if (!values) return fail(values.error());
  const auto lines = measure_all(*values, *kinds);
  if (!lines) return fail(lines.error());
  if (!options.json) {
    print(*lines, *values, *links);
    return 0;
  }
  Json list = Json::array();
  for (const Line& line : *lines) list.push_back(json_of(line, *values, *links));
  std::printf("%s\n", list.dump().c_str());
  return 0;
}

}  // namespace

void add_bench(CommandLine line, Verb& chosen) {
  CommandLine verb = line.add_verb("bench", "Measure on this machine");
  verb.require_verb();
  auto options = std::make_shared<BenchOptions>();
  CommandLine compress_verb = verb.add_verb(
      "compress", "Bytes, error and speed of every operator, and what a round would take");
  const Word size = compress_verb.add_option("--size", options->size, "floats of synthetic data")
                        .type_name("N")
                        .show_default();
  compress_verb.add_option("--file", options->file, "a model to measure on, in place of them")
      .type_name("MODEL.safetensors")
      .excludes(size);
  compress_verb
      .add_option("--rate", options->rates, "rate of a link; default 10mbit, 100mbit, 1gbit")
      .type_name("RATE");
  compress_verb.add_option("--operator", options->operators, "these operators only")
      .type_name("NAME");
  compress_verb.add_flag("--json", options->json, "print results as JSON");
  compress_verb.when_chosen(
      [options, &chosen] { chosen = [options] { return bench_compress(*options); }; });
}

}  // namespace starling::daemon
