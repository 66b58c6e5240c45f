#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <string>

#include "train/file.h"
#include "train/readers.h"

namespace starling::train {
namespace {

// Rows are kept dense: 2^30 floats are 4 GiB.
constexpr std::size_t kFloatsMax = std::size_t{1} << 30;
// Beyond 64 MiB an index that is far from all others is a slip, not a feature: the sparsest sets
// that people learn from here have a value in a thousand places.
constexpr std::size_t kFloatsAnyway = std::size_t{1} << 24;
constexpr std::size_t kFloatsPerValue = std::size_t{1} << 13;
constexpr std::size_t kClassesMax = 1000;
constexpr double kLabelMax = 1e9;
constexpr std::size_t kHeldOutEvery = 5;

struct Entry {
  std::size_t feature;  // from 0
  float value;
};

struct SparseRow {
  std::int64_t label = 0;
  std::size_t begin = 0, end = 0;  // in SparseRows::entries
};

struct SparseRows {
  std::vector<SparseRow> rows;
  std::vector<Entry> entries;
  std::size_t features = 0;
};

Error at_line(const std::filesystem::path& path, const Lines& line, const std::string& problem) {
  return {ErrorCode::data, fmt::format("{}:{}: {}; correct the line or remove it", path.string(),
                                       line.number(), problem)};
}

std::string_view next_word(std::string_view& text) {
  text.remove_prefix(std::min(text.find_first_not_of(" \t"), text.size()));
  const std::string_view word = text.substr(0, text.find_first_of(" \t"));
  text.remove_prefix(word.size());
  return word;
}

std::optional<std::int64_t> parse_label(std::string_view word) {
  const auto label = parse_number<double>(word);
  if (!label || !(std::abs(*label) <= kLabelMax) || *label != std::floor(*label)) {
    return std::nullopt;
  }
  return static_cast<std::int64_t>(*label);
}

// `index` is the word's part before the colon, `previous` the last index of this line (0 at first).
Result<Entry> parse_entry(const std::filesystem::path& path, const Lines& line,
                          std::string_view word, std::size_t previous) {
  std::string_view text = word;
  const std::string_view index_text = take_field(text, ':');
  const auto index = parse_number<std::size_t>(index_text);
  const auto value = parse_number<float>(text);
  if (!index || !value || !std::isfinite(*value)) {
    return at_line(path, line, fmt::format("found '{}', expected index:value", word));
  }
  if (*index <= previous) {
    return at_line(path, line,
                   fmt::format("index {} follows {}, expected indices from 1 in ascending order",
                               *index, previous));
  }
  if (*index > kFloatsMax) {
    return at_line(path, line,
                   fmt::format("index {} found, expected at most {}", *index, kFloatsMax));
  }
  return Entry{*index - 1, *value};
}

Result<void> append_row(const std::filesystem::path& path, const Lines& line, SparseRows& out) {
  std::string_view rest = line.text().substr(0, line.text().find('#'));
  const std::string_view label_word = next_word(rest);
  if (label_word.empty()) return {};
  const auto label = parse_label(label_word);
  if (!label) {
    return at_line(path, line,
                   fmt::format("label '{}' found, expected a whole number", label_word));
  }
  const std::size_t begin = out.entries.size();
  std::size_t previous = 0;
  for (std::string_view word = next_word(rest); !word.empty(); word = next_word(rest)) {
    const Result<Entry> entry = parse_entry(path, line, word, previous);
    if (!entry) return entry.error();
    previous = entry->feature + 1;
    out.entries.push_back(*entry);
  }
  out.features = std::max(out.features, previous);
  out.rows.push_back({*label, begin, out.entries.size()});
  return {};
}

Result<SparseRows> read_sparse(const std::filesystem::path& path, std::string_view key) {
  const Result<std::string> text =
      read_file(path, fmt::format("{} must name a file in LIBSVM text format", key));
  if (!text) return text.error();
  SparseRows out;
  for (Lines line(*text); line.next();) {
    if (Result<void> row = append_row(path, line, out); !row) return row.error();
  }
  if (out.rows.empty()) {
    return Error{ErrorCode::data,
                 fmt::format("{}: found no rows, expected lines such as '+1 3:1 11:0.5'; check {}",
                             path.string(), key)};
  }
  return out;
}

// The distinct labels in ascending order; a label's class is its place.
std::vector<std::int64_t> labels_of(const SparseRows& a, const SparseRows& b) {
  std::vector<std::int64_t> labels;
  for (const SparseRows* part : {&a, &b}) {
    for (const SparseRow& row : part->rows) labels.push_back(row.label);
  }
  std::sort(labels.begin(), labels.end());
  labels.erase(std::unique(labels.begin(), labels.end()), labels.end());
  return labels;
}

Dataset to_dense(const SparseRows& sparse, std::size_t features,
                 const std::vector<std::int64_t>& labels) {
  Dataset data{.features = features, .classes = labels.size(), .x = {}, .y = {}};
  data.x.resize(sparse.rows.size() * features);
  for (std::size_t i = 0; i < sparse.rows.size(); ++i) {
    const SparseRow& row = sparse.rows[i];
    for (std::size_t e = row.begin; e < row.end; ++e) {
      data.x[i * features + sparse.entries[e].feature] = sparse.entries[e].value;
    }
    const auto at = std::lower_bound(labels.begin(), labels.end(), row.label);
    data.y.push_back(static_cast<std::uint32_t>(at - labels.begin()));
  }
  return data;
}

SparseRows hold_out(SparseRows& train) {
  SparseRows test;
  std::vector<SparseRow> kept;
  for (std::size_t i = 0; i < train.rows.size(); ++i) {
    ((i + 1) % kHeldOutEvery == 0 ? test.rows : kept).push_back(train.rows[i]);
  }
  train.rows = std::move(kept);
  test.entries = train.entries;
  return test;
}

}  // namespace

Result<DataSets> read_libsvm(const std::filesystem::path& train_path,
                             const std::filesystem::path& test_path) {
  Result<SparseRows> train = read_sparse(train_path, "data.path");
  if (!train) return train.error();
  Result<SparseRows> test =
      test_path.empty() ? hold_out(*train) : read_sparse(test_path, "data.test_path");
  if (!test) return test.error();
  const auto refused = [&](const std::string& problem) {
    return Error{ErrorCode::data, fmt::format("{}: {}", train_path.string(), problem)};
  };
  if (test->rows.empty()) {
    return refused(
        fmt::format("found {} rows, expected at least {} to hold some out for the test; "
                    "name a test file in data.test_path",
                    train->rows.size(), kHeldOutEvery));
  }
  const std::size_t features = std::max({train->features, test->features, std::size_t{1}});
  const std::size_t rows = train->rows.size() + test->rows.size();
  if (rows > kFloatsMax / features) {
    return refused(
        fmt::format("{} rows of {} features found, expected at most {} numbers in all; "
                    "use fewer rows or features, they are kept dense",
                    rows, features, kFloatsMax));
  }
  const std::size_t values = train->entries.size() + (test_path.empty() ? 0 : test->entries.size());
  const std::size_t most = std::max(kFloatsAnyway, values * kFloatsPerValue);
  if (rows * features > most) {
    return refused(
        fmt::format("index {} found in {} rows with {} values, expected at most {}; correct the "
                    "index, or give features smaller ones: rows are kept dense",
                    features, rows, values, most / rows));
  }
  const std::vector<std::int64_t> labels = labels_of(*train, *test);
  if (labels.size() < 2 || labels.size() > kClassesMax) {
    return refused(
        fmt::format("{} distinct labels found, expected 2 to {}; use a classification "
                    "data set",
                    labels.size(), kClassesMax));
  }
  return DataSets{to_dense(*train, features, labels), to_dense(*test, features, labels)};
}

}  // namespace starling::train
