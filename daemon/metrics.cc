#include "daemon/metrics.h"

#include <prometheus/metric_family.h>
#include <prometheus/text_serializer.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <limits>
#include <sstream>
#include <utility>

#include "daemon/version.h"

namespace starling::daemon {
namespace {

using prometheus::ClientMetric;
using prometheus::MetricFamily;
using prometheus::MetricType;
using Labels = std::vector<ClientMetric::Label>;

double resident_bytes() {
  double size = 0, resident = 0;  // pages
  std::ifstream("/proc/self/statm") >> size >> resident;
  return resident * static_cast<double>(::sysconf(_SC_PAGESIZE));
}

double cpu_seconds() {
  rusage used{};
  ::getrusage(RUSAGE_SELF, &used);
  const auto of = [](const timeval& t) {
    return static_cast<double>(t.tv_sec) + 1e-6 * static_cast<double>(t.tv_usec);
  };
  return of(used.ru_utime) + of(used.ru_stime);
}

// Collects families of one node.
class Writer {
 public:
  explicit Writer(std::string node) : node_(std::move(node)) {}

  void begin(MetricType type, const char* name, const char* help) {
    families_.push_back({name, help, type, {}});
  }
  // One sample of the family that was begun last.
  void sample(double value, Labels labels = {}) {
    ClientMetric& metric = add(std::move(labels));
    metric.counter.value = metric.gauge.value = value;
  }
  void sample(const Tally::Histogram& histogram, Labels labels) {
    ClientMetric::Histogram& out = add(std::move(labels)).histogram;
    out.sample_count = histogram.count;
    out.sample_sum = histogram.sum;
    std::uint64_t below = 0;
    for (std::size_t i = 0; i < histogram.counts.size(); ++i) {
      below += histogram.counts[i];
      const bool last = i == Tally::kBounds.size();
      out.bucket.push_back(
          {below, last ? std::numeric_limits<double>::infinity() : Tally::kBounds[i]});
    }
  }
  void gauge(const char* name, const char* help, double value) {
    begin(MetricType::Gauge, name, help);
    sample(value);
  }
  void counter(const char* name, const char* help, double value) {
    begin(MetricType::Counter, name, help);
    sample(value);
  }
  // A sample for each neighbor.
  template <class Value>
  void of_peers(MetricType type, const char* name, const char* help,
                const std::vector<PeerFigures>& peers, Value value) {
    begin(type, name, help);
    for (const PeerFigures& peer : peers) {
      sample(static_cast<double>(value(peer)), {{"peer", peer.name}});
    }
  }

  std::vector<MetricFamily> take() { return std::move(families_); }

 private:
  ClientMetric& add(Labels labels) {
    ClientMetric& metric = families_.back().metric.emplace_back();
    metric.label = {{"node", node_}};
    metric.label.insert(metric.label.end(), labels.begin(), labels.end());
    return metric;
  }

  const std::string node_;
  std::vector<MetricFamily> families_;
};

void write_training(const Figures& f, Writer& out) {
  const node::Progress& p = f.progress;
  out.begin(MetricType::Gauge, "starling_run_info", "Which run, by labels; always 1.");
  out.sample(1, {{"run", f.run}, {"algorithm", f.algorithm}, {"version", version()}});
  out.gauge("starling_uptime_seconds", "Since the daemon started.", f.uptime_seconds);
  out.gauge("starling_rounds_done", "Rounds done.", static_cast<double>(p.rounds_done));
  out.gauge("starling_rounds_wanted", "Rounds that the run has.", static_cast<double>(f.rounds));
  out.begin(MetricType::Gauge, "starling_phase", "1 for what the node is doing, 0 for the others.");
  for (const node::Phase phase : node::kPhases) {
    out.sample(p.phase == phase ? 1 : 0, {{"phase", node::name_of(phase)}});
  }
  out.begin(MetricType::Histogram, "starling_round_duration_seconds",
            "What the parts of a round took, of rounds done since the daemon started.");
  for (std::size_t i = 0; i < Tally::kParts; ++i) {
    out.sample(f.tally.parts()[i], {{"phase", Tally::kPartNames[i]}});
  }
  out.gauge("starling_train_loss", "Of the newest local step.", p.step_loss);
  if (const auto all = f.consensus.to_all()) {
    out.gauge("starling_consensus_distance_ratio",
              "Root mean square distance of the model from those of the neighbors that are up, "
              "relative to its norm; an estimate.",
              all->relative);
    out.gauge("starling_consensus_round", "Rounds done with the models that it is of.",
              static_cast<double>(all->rounds));
  }
  if (!p.evaluation) return;
  out.gauge("starling_evaluation_round", "Rounds done at the newest evaluation.",
            static_cast<double>(p.evaluated_rounds));
  out.gauge("starling_evaluation_loss", "At the newest evaluation.", p.evaluation->loss);
  if (const auto accuracy = p.evaluation->accuracy) {
    out.gauge("starling_evaluation_accuracy_ratio", "Share of test rows that are right, 0 to 1.",
              *accuracy);
  }
  if (const auto error = p.evaluation->relative_error) {
    out.gauge("starling_evaluation_error_ratio",
              "Distance from the optimum, relative to its size, where it is known.", *error);
  }
}

void write_traffic(const Figures& f, Writer& out) {
  const node::Progress& p = f.progress;
  out.counter("starling_sent_bytes_total", "Exchange messages sent, headers included.",
              static_cast<double>(p.sent_bytes));
  out.counter("starling_sent_uncompressed_bytes_total",
              "What the same rounds would have sent as raw float32.",
              static_cast<double>(p.sent_uncompressed_bytes));
  out.counter("starling_received_bytes_total", "Exchange messages received, headers included.",
              static_cast<double>(p.received_bytes));
}

void write_peers(const Figures& f, Writer& out) {
  const auto up = std::ranges::count(f.peers, peer::LinkState::up,
                                     [](const PeerFigures& peer) { return peer.link.state; });
  out.gauge("starling_peers", "Neighbors of the node.", static_cast<double>(f.peers.size()));
  out.gauge("starling_peers_up", "Neighbors to which a link is up.", static_cast<double>(up));
  const auto gauge = [&](const char* name, const char* help, auto value) {
    out.of_peers(MetricType::Gauge, name, help, f.peers, value);
  };
  const auto counter = [&](const char* name, const char* help, auto value) {
    out.of_peers(MetricType::Counter, name, help, f.peers, value);
  };
  gauge("starling_peer_up", "Whether the link to the neighbor is up.",
        [](const PeerFigures& p) { return p.link.state == peer::LinkState::up; });
  gauge("starling_peer_round", "The neighbor's round as it last told.",
        [](const PeerFigures& p) { return p.link.round; });
  gauge("starling_peer_weight_ratio", "Mixing weight of the edge.",
        [](const PeerFigures& p) { return p.weight; });
  if (f.consensus.to_all()) {
    out.begin(MetricType::Gauge, "starling_peer_distance_ratio",
              "Distance of the model from the neighbor's, relative to its norm; an estimate.");
    for (const PeerFigures& p : f.peers) {
      const auto distance = f.consensus.to(p.link.peer);
      if (distance) out.sample(distance->relative, {{"peer", p.name}});
    }
  }
  counter("starling_peer_sent_bytes_total", "Sent on the link, everything included.",
          [](const PeerFigures& p) { return p.link.sent_bytes; });
  counter("starling_peer_received_bytes_total", "Received on the link, everything included.",
          [](const PeerFigures& p) { return p.link.received_bytes; });
  counter("starling_peer_send_seconds_total", "Time in which a frame was on its way into the link.",
          [](const PeerFigures& p) { return seconds(p.link.sending); });
  counter("starling_peer_exchanges_total", "Exchanges that counted at both ends.",
          [](const PeerFigures& p) { return p.counts.counted; });
  counter("starling_peer_exchanges_made_up_total", "Those of them that followed after a break.",
          [](const PeerFigures& p) { return p.counts.made_up; });
  counter("starling_peer_edge_restarts_total",
          "Times that the edge began anew, its ends knowing different histories.",
          [](const PeerFigures& p) { return p.counts.reopened; });
  counter("starling_peer_losses_total", "Times that the link went down.",
          [](const PeerFigures& p) { return p.link.losses; });
  counter("starling_peer_refusals_total", "Times that one end refused the other.",
          [](const PeerFigures& p) { return p.link.refusals; });
  out.begin(MetricType::Counter, "starling_peer_updates_rejected_total",
            "Updates of the neighbor that did not count: late, or against a rule.");
  for (const PeerFigures& p : f.peers) {
    const Tally::TurnedAway away = f.tally.turned_away(p.link.peer);
    out.sample(static_cast<double>(away.late), {{"peer", p.name}, {"reason", "late"}});
    out.sample(static_cast<double>(away.invalid), {{"peer", p.name}, {"reason", "invalid"}});
  }
}

void write_process(const Figures& f, Writer& out) {
  out.gauge("starling_checkpoint_round", "Rounds done in the newest checkpoint; 0: none.",
            static_cast<double>(f.progress.rounds_saved));
  if (const auto age = f.tally.checkpoint_age_seconds()) {
    out.gauge("starling_checkpoint_age_seconds",
              "Since this process saved its newest checkpoint; absent before the first.", *age);
  }
  out.counter("starling_checkpoint_failures_total", "Checkpoints that could not be saved.",
              static_cast<double>(f.tally.checkpoints_failed()));
  out.gauge("starling_memory_forecast_bytes", "What the node takes at most, by its run file.",
            static_cast<double>(f.memory_forecast_bytes));
  out.gauge("process_resident_memory_bytes", "Memory of the process that is in RAM.",
            resident_bytes());
  out.counter("process_cpu_seconds_total", "Processor time of the process, user and system.",
              cpu_seconds());
}

}  // namespace

std::vector<MetricFamily> families_of(const Figures& figures) {
  Writer out(figures.node);
  write_training(figures, out);
  write_traffic(figures, out);
  write_peers(figures, out);
  write_process(figures, out);
  return out.take();
}

std::string text_of(const std::vector<MetricFamily>& families) {
  std::ostringstream out;
  prometheus::TextSerializer().Serialize(out, families);
  return out.str();
}

// A family is a line "# HELP …", a line "# TYPE …", and its samples up to the next "# HELP".
std::string joined(const std::vector<std::string>& texts) {
  std::vector<std::pair<std::string, std::string>> families;  // heading, samples
  for (const std::string& text : texts) {
    std::istringstream lines(text);
    std::string heading;
    std::string* samples = nullptr;
    for (std::string line; std::getline(lines, line);) {
      line += '\n';
      if (line.starts_with("# HELP ")) {
        heading = line;
      } else if (line.starts_with("# TYPE ")) {
        heading += line;
        auto at = std::ranges::find(families, heading, &std::pair<std::string, std::string>::first);
        if (at == families.end()) at = families.insert(at, {heading, ""});
        samples = &at->second;
      } else if (samples) {
        *samples += line;
      }
    }
  }
  std::string all;
  for (const auto& [heading, samples] : families) all += heading + samples;
  return all;
}

}  // namespace starling::daemon
