#include "gossip/clipping.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

#include "gossip/algorithms.h"
#include "gossip/delta.h"

namespace starling::gossip {
namespace {

float tail_of(const SharedBytes& body) {
  float radius;
  std::memcpy(&radius, body.bytes().last(sizeof radius).data(), sizeof radius);
  return radius;
}

SharedBytes without_tail(const SharedBytes& body) {
  return body.slice(0, body.size() - Clipping::kTailBytes);
}

}  // namespace

void Clipping::follow(std::span<const float> update) { step_ = norm_of(update); }

float Clipping::radius() const {
  std::vector<double> seen;
  for (const auto& heard : heard_) {
    if (heard) seen.push_back(*heard);
  }
  double radius = step_ / gamma_;
  if (!seen.empty()) {
    const auto middle = seen.begin() + static_cast<std::ptrdiff_t>((seen.size() - 1) / 2);
    std::ranges::nth_element(seen, middle);
    radius = std::max(radius, *middle);
  }
  constexpr double kMost = std::numeric_limits<float>::max();
  return static_cast<float>(std::min(radius, kMost));
}

void Clipping::seal(std::span<Message> messages) const {
  const float radius = this->radius();
  SharedBytes plain, sealed;
  for (Message& message : messages) {
    if (sealed.size() == 0 || message.body.bytes().data() != plain.bytes().data()) {
      plain = message.body;
      ByteBlock block(plain.size() + kTailBytes);
      std::ranges::copy(plain.bytes(), block.bytes().begin());
      std::memcpy(block.bytes().last(kTailBytes).data(), &radius, kTailBytes);
      sealed = std::move(block);
    }
    message.body = sealed;
    message.opening = {};
  }
}

Result<Message> Clipping::opened(const Message& message) {
  if (message.body.size() < kTailBytes) {
    return Error{ErrorCode::peer, fmt::format("body has {} bytes, expected a clip radius of {} at "
                                              "its end",
                                              message.body.size(), kTailBytes)};
  }
  const float radius = tail_of(message.body);
  if (!std::isfinite(radius) || std::signbit(radius)) {
    return Error{ErrorCode::peer, fmt::format("the clip radius at the end of the body is {}, "
                                              "expected a finite number of at least 0",
                                              radius)};
  }
  return Message{without_tail(message.body), message.start};
}

std::span<const Arrival> Clipping::opened(std::span<const Arrival> arrivals) {
  opened_.assign(arrivals.begin(), arrivals.end());
  for (Arrival& arrival : opened_) {
    arrival.ours.body = without_tail(arrival.ours.body);
    arrival.theirs.body = without_tail(arrival.theirs.body);
  }
  return opened_;
}

float Clipping::share(const Arrival& sealed, std::span<const float> theirs,
                      std::span<const float> ours) {
  const double said = tail_of(sealed.theirs.body);
  const double radius = std::min<double>(tail_of(sealed.ours.body), said);
  const double apart = distance(theirs, ours);
  heard_[sealed.edge] = std::min(apart, said);
  return apart > radius ? static_cast<float>(radius / apart) : 1.0f;
}

void Clipping::archive(Archive& archive) {
  const Archive::Scope scope(archive, "clipping");
  archive.number("step", step_);
  for (std::size_t e = 0; e < heard_.size(); ++e) {
    const Archive::Member edge(archive, "edge", e);
    if (edge) archive.number("heard", heard_[e]);
  }
}

std::optional<std::string> objection_to_clipping(AlgorithmKind kind) {
  using enum AlgorithmKind;
  if (traits_of(kind).is_mesh()) {
    return fmt::format(
        "the owners in the mesh of {} add up pieces of updates, which are no differences of "
        "models",
        name_of(kind));
  }
  switch (kind) {
    case none:
    case d_psgd:
    case ad_psgd:
    case choco:
    case def_atc:
    case actc: return std::nullopt;
    case powergossip:
      return "powergossip sees a few directions of a difference at a time, and does not know how "
             "long it is";
    case deepsqueeze:
      return "deepsqueeze mixes decoded messages, whose difference is mostly what the operator "
             "lost";
    case moniqua: return "no message of moniqua moves a coordinate by more than theta already";
    case sgp: return "sgp hands on shares of a sum and knows no differences";
    case gradient_tracking:
    case beer:
      return fmt::format(
          "a tracker of {} adds up what neighbors send, and what is clipped of it is "
          "missing for ever",
          name_of(kind));
    case powergossip_exact:
    case cold:
    case dyna_cold:
    case lead:
    case lessbit:
    case nids:
    case d2:
      return fmt::format(
          "the duals of {} add up the differences of all rounds, so that what passes "
          "in one grows without bound over many",
          name_of(kind));
    default: break;
  }
  return std::nullopt;
}

}  // namespace starling::gossip
