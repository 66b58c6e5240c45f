// A run round by round, over all its nodes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "node/core.h"
#include "protocol/ids.h"

namespace starling::daemon {

// What the nodes told when they had done so many rounds.
struct TraceLine {
  Round round = 0;        // rounds done
  std::size_t nodes = 0;  // that told
  double seconds = 0;     // when the last of them was there
  double mean_step_loss = 0, max_step_loss = 0;
  double mean_sent_bytes = 0;  // since the start, a node
  // Where they evaluated their models; each as far as the problem has it.
  std::optional<double> mean_loss = {}, mean_accuracy = {}, min_accuracy = {}, relative_error = {};
  std::optional<double> consensus_distance = {};  // as node::consensus_distance of their models
};

struct TracedRun {
  std::string label;
  std::vector<TraceLine> lines;  // ascending in `round`
};

// The spread of models that come one by one: each is looked at once and none is kept but the first.
// O(d) a model.
class Spread {
 public:
  // All of the first one's size.
  void add(std::span<const float> model);
  // Of one model or more; as node::consensus_distance.
  double distance() const;

 private:
  std::vector<float> first_;
  std::vector<double> sum_;  // of the differences from the first
  double squares_ = 0;
  std::size_t models_ = 0;
};

// Collects what nodes tell after each of their rounds, each at its own time. One thread.
class Trace {
 public:
  // `nodes`: how many there are. A round of which all have told takes no memory for models any
  // more; of the others the last few do, and whoever is later than that is left out of a spread.
  explicit Trace(std::size_t nodes) : nodes_(nodes) {}

  // The model as it was when the round ended.
  void note(Time now, const node::Progress& progress, std::span<const float> model);
  std::vector<TraceLine> lines() const;

 private:
  struct Sums {
    std::size_t nodes = 0, evaluated = 0, accurate = 0, known = 0;
    Time last{0};
    double step_loss = 0, max_step_loss = 0, sent_bytes = 0;
    double loss = 0, accuracy = 0, min_accuracy = 1, squared_error = 0;
    std::optional<double> consensus_distance;
  };
  void note_evaluation(Sums& sums, const node::Progress& progress, std::span<const float> model);
  void close(Round round);

  const std::size_t nodes_;
  std::map<Round, Sums> rounds_;
  std::map<Round, Spread> open_;
};

// One field of a CSV line, in quotes where it needs them.
std::string csv_text(const std::string& text);
// One line a round and run under a header; empty fields where there is no value.
std::string to_csv(const std::vector<TracedRun>& runs);
// One JSON object a line with the same names; keys are missing where there is no value.
std::string to_json_lines(const std::vector<TracedRun>& runs);

}  // namespace starling::daemon
