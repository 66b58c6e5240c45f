#include "daemon/live_view.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "daemon/asking.h"
#include "daemon/table.h"

namespace starling::daemon {
namespace {

struct Summary {
  Round round = 0;                    // of the slowest node that answers
  std::optional<Round> evaluated;     // likewise; absent until every one has evaluated
  double loss = 0;                    // mean
  std::optional<double> mean, worst;  // accuracy
  std::optional<double> error;        // relative error, mean
  std::optional<double> apart;        // distance from the neighbors' models, mean of those known
  std::uint64_t sent = 0, uncompressed = 0;
  std::size_t answering = 0;
};

Summary summary_of(const std::vector<NodeView>& nodes) {
  Summary s;
  double accuracy = 0, error = 0, apart = 0;
  std::size_t evaluated = 0, with_accuracy = 0, with_error = 0, with_apart = 0;
  for (const NodeView& node : nodes) {
    if (!node.status) continue;
    const control::StatusReply& r = *node.status;
    s.round = s.answering == 0 ? r.round() : std::min(s.round, Round{r.round()});
    ++s.answering;
    s.loss += r.loss();
    s.sent += r.sent_bytes();
    s.uncompressed += r.sent_uncompressed_bytes();
    if (r.has_consensus_distance()) {
      ++with_apart;
      apart += r.consensus_distance();
    }
    if (!r.has_evaluation()) continue;
    const control::Evaluation& e = r.evaluation();
    s.evaluated = evaluated++ == 0 ? e.round() : std::min(*s.evaluated, Round{e.round()});
    if (e.has_accuracy()) {
      ++with_accuracy;
      accuracy += e.accuracy();
      s.worst = std::min(s.worst.value_or(1.0), e.accuracy());
    }
    if (e.has_relative_error()) {
      ++with_error;
      error += e.relative_error();
    }
  }
  if (s.answering > 0) s.loss /= static_cast<double>(s.answering);
  if (with_accuracy > 0) s.mean = accuracy / static_cast<double>(with_accuracy);
  if (with_error > 0) s.error = error / static_cast<double>(with_error);
  if (with_apart > 0) s.apart = apart / static_cast<double>(with_apart);
  if (evaluated < s.answering) s.evaluated.reset();
  return s;
}

std::string bar(Round done, Round rounds) {
  constexpr std::size_t kWidth = 30;
  const double share = rounds == 0 ? 1 : static_cast<double>(done) / static_cast<double>(rounds);
  const auto full = static_cast<std::size_t>(std::clamp(share, 0.0, 1.0) * kWidth);
  std::string text;
  for (std::size_t i = 0; i < kWidth; ++i) text += i < full ? "█" : "░";
  return text;
}

std::vector<std::string> row_of(const NodeView& node) {
  if (!node.status) {
    return {node.name, "-", "-", "-", "-", "-", "-", node.ended.empty() ? "starting" : node.ended};
  }
  const control::StatusReply& r = *node.status;
  std::string quality = "-";
  if (r.evaluation().has_accuracy()) quality = percent_text(r.evaluation().accuracy());
  if (r.evaluation().has_relative_error()) {
    quality = fmt::format("{:.3g}", r.evaluation().relative_error());
  }
  std::string waits = fmt::format("{}", fmt::join(r.waiting_for(), " "));
  if (!node.ended.empty()) waits = node.ended;
  return {node.name,
          fmt::format("{}", r.round()),
          fmt::format("{:.4f}", r.loss()),
          quality,
          apart_of(r),
          bytes_text(static_cast<double>(r.sent_bytes())),
          ratio_text(r.sent_uncompressed_bytes(), r.sent_bytes()),
          waits.empty() ? "-" : waits};
}

}  // namespace

void LiveView::begin(const std::string& algorithm, Round rounds) {
  algorithm_ = algorithm;
  rounds_ = rounds;
  drawn_.begin();
  said_.reset();
}

void LiveView::update(const std::vector<NodeView>& nodes, double seconds) {
  if (terminal_) {
    draw(nodes, seconds);
  } else {
    say(nodes, seconds);
  }
}

void LiveView::end() {
  if (terminal_) std::fputc('\n', out_);
  std::fflush(out_);
}

void LiveView::draw(const std::vector<NodeView>& nodes, double seconds) {
  const Summary s = summary_of(nodes);
  std::string text =
      fmt::format("{} {} {}/{}  {:.1f} s{}\n", algorithm_, bar(s.round, rounds_), s.round, rounds_,
                  seconds, s.apart ? "  models apart " + apart_text(*s.apart) : "");
  Table table({"node", "round", "loss", s.error ? "error" : "accuracy", "apart", "sent", "of raw",
               "waits for"});
  for (const NodeView& node : nodes) table.add(row_of(node));
  text += table.text();
  drawn_.show(text);
}

void LiveView::say(const std::vector<NodeView>& nodes, double seconds) {
  const Summary s = summary_of(nodes);
  if (!s.evaluated || s.evaluated == said_) return;
  said_ = s.evaluated;
  std::string line =
      fmt::format("{} round {}/{} loss {:.4f}", algorithm_, *s.evaluated, rounds_, s.loss);
  if (s.mean) line += fmt::format(" accuracy {:.4f} worst {:.4f}", *s.mean, *s.worst);
  if (s.error) line += fmt::format(" relative error {:.4g}", *s.error);
  if (s.apart) line += fmt::format(" apart {}", apart_text(*s.apart));
  line += fmt::format(" sent {} of raw {} after {:.1f} s",
                      bytes_text(static_cast<double>(s.sent) / static_cast<double>(s.answering)),
                      ratio_text(s.uncompressed, s.sent), seconds);
  std::fprintf(out_, "%s\n", line.c_str());
  std::fflush(out_);
}

}  // namespace starling::daemon
