#include "compress/budget.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "protocol/check.h"

namespace starling::compress {
namespace {

constexpr double kSecondsPerDay = 86400;
// How far a round may be from an even share for what earlier rounds have left or taken.
constexpr double kShareMin = 0.25, kShareMax = 4;
constexpr double kUrgency = 4;
// Below that part of the largest learning rate the weight grows no more.
constexpr double kRateMin = 0.01;
// adaptive_top_k: rounds in which the even price comes in for even sizes.
constexpr double kBeginning = 20;

}  // namespace

Budget::Budget(const RateOptions& options, RateController controller, std::size_t links,
               const RoundShape& shape)
    : options_(options),
      controller_(controller),
      shape_(shape),
      links_(links, Link{.queue = first_queue()}) {
  INVARIANT(options.any() && shape.messages > 0);
}

double Budget::first_queue() const {
  return controller_ == RateController::drift ? options_.patience : 0;
}

double Budget::horizon() const {
  if (controller_ == RateController::drift) return 4 * options_.patience;
  return std::max(20.0, static_cast<double>(shape_.rounds) / 5);
}

// ---- inputs ---------------------------------------------------------------------------------

void Budget::begin_round(std::uint64_t round, Time now) {
  round_ = round;
  if (options_.bytes_per_day == 0) return;
  if (began_ && now > *began_) {
    round_seconds_ = seconds(now - *began_);
    mean_seconds_ += (round_seconds_ - mean_seconds_) / (mean_seconds_ > 0 ? 20 : 1);
  }
  began_ = now;
}

void Budget::measured(std::size_t link, double bytes_per_second) {
  INVARIANT(link < links_.size());
  if (std::isfinite(bytes_per_second) && bytes_per_second > 0) {
    links_[link].goodput = bytes_per_second;
  }
}

void Budget::set_learning_rate(double rate) {
  largest_rate_ = std::max(largest_rate_, rate);
  weight_ = largest_rate_ > 0 ? 1 / std::max(rate, kRateMin * largest_rate_) : 1;
}

void Budget::sent(std::size_t link, std::uint64_t bytes) {
  INVARIANT(link < links_.size());
  links_[link].bytes += bytes;
}

void Budget::end_round() {
  const bool any = std::ranges::any_of(links_, [](const Link& link) { return link.bytes > 0; });
  for (Link& link : links_) {
    const auto bytes = static_cast<double>(std::exchange(link.bytes, 0));
    if (any) link.in_use = bytes > 0;
    const auto budget = round_bytes(link);
    if (bytes == 0 || !budget) continue;
    const double earned = options_.bytes_per_day > 0 ? round_seconds_ / mean_seconds_ : 1;
    const double cost = bytes / *budget;
    link.cost += cost / earned;
    ++link.rounds;
    link.queue += cost - earned * planned_bytes(*budget) / *budget;
  }
  if (controller_ == RateController::drift) keep_positive();
  for (Stream& one : streams_) one.end_round(horizon());
}

// The queue that counts is not below a thousandth of V: what nobody wanted to send in calm times is
// not saved for later.
void Budget::keep_positive() {
  const double least = options_.patience / 1000;
  const double lift = std::max(0.0, least - mean_queue());
  for (Link& link : links_) {
    if (options_.seconds_per_round) {
      link.queue = std::max(link.queue, least);
    } else if (link.in_use) {
      link.queue += lift;
    }
  }
}

double Budget::mean_queue() const {
  double sum = 0, links = 0;
  for (const Link& link : links_) {
    if (!link.in_use) continue;
    sum += link.queue;
    ++links;
  }
  return links == 0 ? first_queue() : sum / links;
}

// ---- for a message --------------------------------------------------------------------------

std::optional<double> Budget::round_bytes(const Link& link) const {
  if (options_.bytes_per_round > 0) return static_cast<double>(options_.bytes_per_round);
  if (options_.seconds_per_round) {
    if (link.goodput == 0) return std::nullopt;
    return *options_.seconds_per_round * link.goodput;
  }
  if (mean_seconds_ == 0) return std::nullopt;
  return static_cast<double>(options_.bytes_per_day) / kSecondsPerDay * mean_seconds_;
}

// How many even rounds this one is worth, but for what is in every round alike.
double Budget::planned() const { return largest_rate_ > 0 ? shape_.plan.share(1 / weight_) : 1; }

double Budget::planned_bytes(double even_round) const {
  return shape_.fixed_bytes + (even_round - shape_.fixed_bytes) * planned();
}

// The share of an even round that those to come may have, of what was not spent so far: it is
// spread over a tenth of the run, for what is owed for longer starves the end.
double Budget::left_over(double queue) const {
  const auto all = static_cast<double>(std::max<std::uint64_t>(shape_.rounds, 1));
  double rounds = std::max(1.0, all * shape_.plan.free_behind(static_cast<double>(round_) / all));
  const bool plans = controller_ == RateController::layers;
  rounds = std::min(rounds, plans ? static_cast<double>(LayerPlan::kPlanRounds) : horizon() / 2);
  return std::clamp(1 - queue / rounds, kShareMin, kShareMax);
}

std::optional<double> Budget::message_bytes(const Link& link) const {
  const auto round = round_bytes(link);
  if (!round) return std::nullopt;
  const double share = controller_ == RateController::layers ? left_over(link.queue) : 1;
  const double coded = planned_bytes(*round * share) - shape_.fixed_bytes;
  return std::max(1.0, coded / static_cast<double>(shape_.messages));
}

std::optional<double> Budget::even_bytes() const {
  std::optional<double> least;
  for (const Link& link : links_) {
    const auto bytes = link.in_use ? message_bytes(link) : std::nullopt;
    if (bytes) least = std::min(*bytes, least.value_or(*bytes));
  }
  return least;
}

// How many times the price of an even message a link asks for. A share that is off by a few percent
// has to move the price by more than the sizes of messages do, which with heavy tails follow the
// price as slowly as its square root.
double Budget::asked(double queue) const {
  if (controller_ == RateController::drift) return queue / options_.patience;
  return std::pow(left_over(queue), -kUrgency);
}

// In seconds the tightest link counts. In bytes all links may carry the same, and where their
// messages differ, as the pieces of a mesh do, the mean keeps what the node sends to all of them.
double Budget::pressure(double even) const {
  if (!options_.seconds_per_round) return asked(mean_queue());
  double most = 0;
  for (const Link& link : links_) {
    const auto bytes = link.in_use ? message_bytes(link) : std::nullopt;
    if (bytes) most = std::max(most, asked(link.queue) * even / *bytes);
  }
  return most;
}

// Streams come in the order of their first messages.
Budget::Stream& Budget::stream(std::size_t number) {
  if (number >= streams_.size()) streams_.resize(number + 1);
  return streams_[number];
}

// The mean over the messages of a round, for those of one go by one price.
void Budget::Stream::end_round(double horizon) {
  const double gain = weight > 0 ? gains / weight : 0;
  gains = weight = 0;
  if (!(gain > 0) || !std::isfinite(gain)) return;
  seen = std::min(seen + 1, horizon);
  reference += (std::log(gain) - reference) / seen;
}

// In gains, what the last budget's worth of bytes brings at the margin, rounds compare whatever the
// budget is worth in bytes now; more or less of it by plan is no other budget. At first differences
// and feedback grow from nothing: a price from then would spend all at once.
double Budget::price(std::size_t number, double margin) const {
  const auto even = even_bytes();
  if (!even) return std::numeric_limits<double>::infinity();
  const double whole = *even / planned(), own = margin * whole;
  const double seen = number < streams_.size() ? streams_[number].seen : 0;
  double gain = own;
  if (seen > 0) {
    gain = std::exp(streams_[number].reference) / weight_;
    const double trust =
        controller_ == RateController::drift ? 1 : std::min(1.0, seen / kBeginning);
    if (own > 0 && trust < 1) gain = std::pow(own, 1 - trust) * std::pow(gain, trust);
  }
  return gain * pressure(*even) / whole;
}

void Budget::learn(std::size_t number, double margin, double weight) {
  const auto even = even_bytes();
  if (!even) return;
  Stream& one = stream(number);
  one.gains += weight * weight_ * margin * *even / planned();
  one.weight += weight;
}

LayerPlan& Budget::plan(std::size_t number) { return stream(number).plan; }

// ---- the rest -------------------------------------------------------------------------------

std::optional<double> Budget::mean_cost(std::size_t link) const {
  const Link& one = links_[link];
  if (one.rounds == 0) return std::nullopt;
  return one.cost / static_cast<double>(one.rounds);
}

void Budget::archive(Archive& archive, const std::vector<std::uint64_t>& names) {
  INVARIANT(names.size() == links_.size());
  constexpr std::uint64_t kStreamsMax = 256;
  archive.number("weight", weight_);
  archive.number("largest_rate", largest_rate_);
  archive.number("mean_seconds", mean_seconds_);
  archive.roster("link", names);
  for (std::size_t i = 0; i < links_.size(); ++i) {
    const Archive::Member member(archive, "link", i);
    if (!member) continue;
    Link& link = links_[i];
    archive.number("queue", link.queue);
    archive.number("goodput", link.goodput);
    archive.number("in_use", link.in_use);
    archive.number("cost", link.cost);
    archive.number("rounds", link.rounds);
  }
  std::uint64_t streams = streams_.size();
  archive.number("streams", streams, kStreamsMax);
  streams_.resize(streams);
  for (std::size_t i = 0; i < streams_.size(); ++i) {
    const Archive::Scope scope(archive, "stream", i);
    archive.number("reference", streams_[i].reference);
    archive.number("seen", streams_[i].seen);
    streams_[i].plan.archive(archive);
  }
}

}  // namespace starling::compress
