// Nodes of a simulated mesh that are away, and that come back.
#include <algorithm>
#include <utility>

#include "node/reload.h"
#include "sim/simulation.h"

namespace starling::sim {

const node::Run* Simulation::file_of(const node::Run* run) const {
  const auto is_it = [&](const Grouping& one) { return &one.run == run; };
  const auto at = std::ranges::find_if(groupings_, is_it);
  return at == groupings_.end() ? run : at->file;
}

const node::Run* Simulation::grouping(const node::Run* file, node::Run run) {
  if (run.membership == file->membership) return file;
  for (const Grouping& one : groupings_) {
    if (one.file == file && one.run.membership == run.membership) return &one.run;
  }
  return &groupings_.emplace_back(Grouping{file, std::move(run)}).run;
}

// As Engine does it.
void Simulation::regroup(NodeId node, const node::Membership& told) {
  Host& host = at(node);
  if (host.finished || host.next) return;
  auto planned = node::plan_regrouping(*host.run, name_of(node), told);
  if (!planned || !*planned) return;
  host.next = grouping(file_of(host.run), std::move((*planned)->run));
  host.begins_anew = (*planned)->begins_anew;
  give(node, node::HandOverRequested{});
}

bool Simulation::differ_in_who_is_away(const std::array<NodeId, 2>& ends) {
  const node::Run *a = at(ends[0]).run, *b = at(ends[1]).run;
  if (a == b || file_of(a) != file_of(b)) return false;
  for (const auto& [host, told] : {std::pair{ends[0], b}, std::pair{ends[1], a}}) {
    schedule_at(host, now_ + options_.notice,
                [this, host, told] { regroup(host, told->membership); });
  }
  return true;
}

}  // namespace starling::sim
