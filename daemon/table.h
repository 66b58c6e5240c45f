// Text for people: aligned tables, byte counts, and the result table of `up` and `simulate`.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "node/report.h"

namespace starling::daemon {

// Rows of equal length under a header; the first column is left-aligned, the others right-aligned.
class Table {
 public:
  Table() = default;  // for one that is assigned later
  explicit Table(std::vector<std::string> header) : rows_{std::move(header)} {}
  void add(std::vector<std::string> row) { rows_.push_back(std::move(row)); }
  std::string text() const;
  // The header first.
  const std::vector<std::vector<std::string>>& rows() const { return rows_; }

 private:
  std::vector<std::vector<std::string>> rows_;
};

std::string bytes_text(double bytes);     // "1.46 MB"
std::string percent_text(double share);   // "93.4 %"
std::string apart_text(double distance);  // "0.0031", relative to a model's norm
// How many times fewer bytes were sent than raw float32 would have taken: "12.3x", "-" for none.
std::string ratio_text(std::uint64_t uncompressed, std::uint64_t sent);

// One row a run: mean and worst accuracy (or the error where the optimum is known), bytes a node,
// seconds.
Table result_table(const std::vector<node::RunReport>& reports);

}  // namespace starling::daemon
