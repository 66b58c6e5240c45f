// How fast the links of a Table may be, and how much they may move in a day.
#include "peer/table.h"

namespace starling::peer {

void Table::limit(const RateLimits& all, const RateLimits& each) {
  neighbor_rates_ = each;
  const auto now = Clock::now();
  paces_.become(all, now);
  for (const auto& edge : edges_) {
    edge->paces.become(each, now);
    if (edge->session) edge->session->paces_changed();
  }
}

std::vector<DayUse> Table::day_use() const {
  const auto now = Clock::now();
  std::vector<DayUse> all;
  const auto add = [&](std::optional<NodeId> peer, const Pace& day) {
    if (!day.limits()) return;
    all.push_back({peer, static_cast<std::uint64_t>(day.burst_bytes()),
                   static_cast<std::uint64_t>(day.booked_bytes(now))});
  };
  add(std::nullopt, *paces_.day);
  for (const auto& edge : edges_) add(edge->neighbor.id, *edge->paces.day);
  return all;
}

void Table::set_day_used(std::optional<NodeId> peer, std::uint64_t used, Duration ago) {
  Pace& day = peer ? *edge_of(*peer).paces.day : *paces_.day;
  day.set_booked(static_cast<double>(used), Clock::now() - ago);
}

}  // namespace starling::peer
