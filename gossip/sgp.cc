#include "gossip/sgp.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstring>

#include "compress/finite.h"
#include "gossip/delta.h"
#include "protocol/check.h"

namespace starling::gossip {
namespace {

// A message is the share of x and behind it that of w, little-endian.
double weight_of(std::span<const std::byte> part) {
  double weight = 0;
  std::memcpy(&weight, part.data() + part.size() - sizeof weight, sizeof weight);
  return weight;
}

}  // namespace

Sgp::Sgp(std::span<const float> start, std::vector<std::vector<double>> shares, std::size_t nodes)
    : shares_(std::move(shares)),
      weight_max_(static_cast<double>(nodes)),
      x_(start.begin(), start.end()),
      z_(x_),
      sent_(shares_.size()),
      held_(shares_.size()) {}

void Sgp::begin_at(std::span<const float> model) {
  std::ranges::copy(model, x_.begin());
  divide();
}

void Sgp::adapt(const LocalStep& step) {
  subtract(x_, step.update);
  divide();
}

Result<void> Sgp::encode(Exchange exchange, std::span<const std::size_t> edges,
                         std::span<Message> out) {
  if (Result<void> finite = compress::check_finite(x_); !finite) return finite;
  double made_for = 0;
  SharedBytes made;
  for (std::size_t i = 0; i < edges.size(); ++i) {
    const std::vector<double>& turns = shares_[edges[i]];
    const double share = turns[exchange.round % turns.size()];
    if (share != 0 && share != made_for) {
      made = part(share);
      made_for = share;
    }
    sent_[edges[i]] = share == 0 ? SharedBytes() : made;
    out[i] = {sent_[edges[i]]};
  }
  return {};
}

Result<double> Sgp::check(Exchange /*exchange*/, std::size_t /*edge*/,
                          const Message& message) const {
  const SharedBytes& body = message.body;
  if (body.size() == 0) return 0.0;
  if (body.size() != body_bytes_max()) {
    return Error{ErrorCode::peer, fmt::format("body has {} bytes, expected none or {} ({} floats "
                                              "and a weight)",
                                              body.size(), body_bytes_max(), x_.size())};
  }
  const double weight = weight_of(body.bytes());
  if (!(weight > 0 && weight <= weight_max_)) {
    return Error{ErrorCode::peer, fmt::format("body holds the weight {}, expected one above 0 and "
                                              "at most {}",
                                              weight, weight_max_)};
  }
  return norm_of_raw(body.slice(0, body.size() - sizeof weight), x_.size());
}

void Sgp::mix(Exchange /*exchange*/, std::span<const Arrival> arrivals) {
  for (const Arrival& arrival : arrivals) {
    SharedBytes& held = held_[arrival.edge];
    if (held.size() == 0) add(arrival.ours.body, -1);
    held = {};
    add(arrival.theirs.body, 1);
  }
  divide();
}

void Sgp::suspend_edge(std::size_t edge, bool pending) {
  if (!pending) return;
  held_[edge] = sent_[edge];
  add(held_[edge], -1);
}

void Sgp::take_back(std::size_t edge) {
  add(held_[edge], 1);
  held_[edge] = {};
}

// What is held is still this node's.
std::vector<double> Sgp::conserved() const {
  std::vector<double> sum(x_.begin(), x_.end());
  sum.push_back(w_);
  for (const SharedBytes& held : held_) {
    if (held.size() == 0) continue;
    const std::span<const float> floats = held.floats().first(x_.size());
    for (std::size_t k = 0; k < x_.size(); ++k) sum[k] += floats[k];
    sum.back() += weight_of(held.bytes());
  }
  return sum;
}

void Sgp::archive(Archive& archive) {
  archive.fixed("sum", x_);
  archive.number("weight", w_);
  for (std::size_t e = 0; e < held_.size(); ++e) {
    const Archive::Member edge(archive, "edge", e);
    if (!edge) continue;
    archive.bytes("held", held_[e], body_bytes_max());
  }
  // What was on its way over an edge that is no more is this node's again.
  for (const std::uint64_t peer : archive.gone("edge")) {
    const Archive::Scope edge(archive, "edge", peer);
    SharedBytes held;
    archive.bytes("held", held, body_bytes_max());
    add(held, 1);
  }
  if (archive.loading() && !(w_ > 0)) archive.refuse(fmt::format("the weight is {}", w_));
  if (w_ > 0) divide();
}

SharedBytes Sgp::part(double share) const {
  ByteBlock block(body_bytes_max());
  const std::span<float> floats = block.floats().first(x_.size());
  const auto factor = static_cast<float>(share);
  for (std::size_t k = 0; k < x_.size(); ++k) floats[k] = factor * x_[k];
  const double weight = share * w_;
  std::memcpy(block.bytes().data() + floats.size_bytes(), &weight, sizeof weight);
  return block;
}

void Sgp::add(const SharedBytes& part, int sign) {
  if (part.size() == 0) return;
  const std::span<const float> floats = part.floats().first(x_.size());
  const auto factor = static_cast<float>(sign);
  for (std::size_t k = 0; k < x_.size(); ++k) x_[k] += factor * floats[k];
  w_ += sign * weight_of(part.bytes());
}

void Sgp::divide() {
  INVARIANT(w_ > 0);
  const double inverse = 1 / w_;
  for (std::size_t k = 0; k < x_.size(); ++k) z_[k] = static_cast<float>(x_[k] * inverse);
}

}  // namespace starling::gossip
