#include "node/absences.h"

#include <fmt/format.h>

#include <algorithm>

#include "protocol/check.h"

namespace starling::node {

Absences::Absences(const std::vector<NodeId>& partners, std::size_t flock, Duration after)
    : flock_(flock), after_(after) {
  for (const NodeId id : partners) partners_.push_back({.id = id, .gone_since = Time{0}});
}

void Absences::begin(Time now) {
  for (Partner& partner : partners_) {
    if (partner.gone_since) partner.gone_since = now;
  }
}

void Absences::there(NodeId partner) {
  Partner& p = *find(partner);
  p.gone_since.reset();
  p.has_left = false;
  p.misses.clear();
}

void Absences::gone(NodeId partner, Time now) {
  Partner& p = *find(partner);
  if (!p.gone_since) p.gone_since = now;
  p.misses.clear();
}

std::vector<Absences::Word> Absences::look(Time now) {
  std::vector<Word> news;
  for (Partner& partner : partners_) {
    const bool long_gone = partner.gone_since && now - *partner.gone_since >= after_;
    const bool missed = long_gone || partner.has_left;
    if (missed != partner.missed) news.push_back({partner.id, missed});
    partner.missed = missed;
  }
  return news;
}

std::vector<Absences::Word> Absences::words() const {
  std::vector<Word> all;
  for (const Partner& partner : partners_) {
    if (partner.missed) all.push_back({partner.id, true});
  }
  return all;
}

Result<void> Absences::hear(NodeId from, Word word) {
  Partner* const about = find(word.about);
  if (!about || word.about == from) {
    return Error{ErrorCode::peer, fmt::format("it says of node {} whether it misses it, expected "
                                              "another node that takes part",
                                              index_of(word.about))};
  }
  std::vector<NodeId>& misses = find(from)->misses;
  std::erase(misses, word.about);
  if (word.missed) misses.push_back(word.about);
  return {};
}

std::vector<NodeId> Absences::agreed() const {
  std::vector<NodeId> away;
  std::size_t there = 1;
  for (const Partner& partner : partners_) {
    if (partner.missed) away.push_back(partner.id);
    if (!partner.missed || partner.has_left) ++there;
  }
  if (2 * there <= flock_) return {};
  std::erase_if(away, [&](NodeId id) {
    return !std::ranges::all_of(partners_, [&](const Partner& partner) {
      return partner.missed || std::ranges::find(partner.misses, id) != partner.misses.end();
    });
  });
  return away;
}

Absences::Partner* Absences::find(NodeId id) {
  const auto at = std::ranges::find(partners_, id, &Partner::id);
  return at == partners_.end() ? nullptr : &*at;
}

}  // namespace starling::node
