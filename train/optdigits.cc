#include <fmt/format.h>

#include <string>

#include "train/file.h"
#include "train/readers.h"

namespace starling::train {
namespace {

constexpr std::size_t kPixels = 64;
constexpr int kPixelMax = 16;
constexpr std::size_t kDigits = 10;

constexpr const char* kRestore = "correct the line or restore the file from the UCI archive";

Error at_line(const std::filesystem::path& path, std::size_t line, const std::string& problem) {
  return {ErrorCode::data, fmt::format("{}:{}: {}; {}", path.string(), line, problem, kRestore)};
}

Result<void> append_row(const std::filesystem::path& path, const Lines& line, Dataset& data) {
  std::string_view rest = line.text();
  std::size_t values = 0;
  for (; !rest.empty(); ++values) {
    const std::string_view field = take_field(rest, ',');
    const auto value = parse_number<int>(field);
    const int largest = values < kPixels ? kPixelMax : static_cast<int>(kDigits) - 1;
    if (!value || *value < 0 || *value > largest) {
      return at_line(path, line.number(),
                     fmt::format("value {} is '{}', expected a whole number from 0 to {}",
                                 values + 1, field, largest));
    }
    if (values < kPixels) {
      data.x.push_back(static_cast<float>(*value) / kPixelMax);
    } else if (values == kPixels) {
      data.y.push_back(static_cast<std::uint32_t>(*value));
    }
  }
  if (values == kPixels + 1) return {};
  return at_line(
      path, line.number(),
      fmt::format("found {} values, expected {} (the pixels and the digit)", values, kPixels + 1));
}

Result<void> append_file(const std::filesystem::path& path, Dataset& data) {
  const Result<std::string> text = read_file(
      path, "data.path must name the folder with optdigits.tra, optdigits.hol and optdigits.tes");
  if (!text) return text.error();
  const std::size_t rows_before = data.rows();
  for (Lines line(*text); line.next();) {
    if (line.text().empty() || line.text().starts_with('#')) continue;
    if (Result<void> row = append_row(path, line, data); !row) return row;
  }
  if (data.rows() > rows_before) return {};
  return Error{ErrorCode::data,
               fmt::format("{}: found no rows, expected lines of {} values; restore the file from "
                           "the UCI archive",
                           path.string(), kPixels + 1)};
}

}  // namespace

Result<DataSets> read_optdigits(const std::filesystem::path& folder) {
  DataSets sets;
  for (Dataset* data : {&sets.train, &sets.test}) {
    data->features = kPixels;
    data->classes = kDigits;
  }
  if (auto r = append_file(folder / "optdigits.tra", sets.train); !r) return r.error();
  if (auto r = append_file(folder / "optdigits.hol", sets.train); !r) return r.error();
  if (auto r = append_file(folder / "optdigits.tes", sets.test); !r) return r.error();
  return sets;
}

}  // namespace starling::train
