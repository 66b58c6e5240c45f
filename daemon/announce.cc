#include "daemon/announce.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <unistd.h>

#include <algorithm>

#include "gossip/assembly.h"
#include "node/coding.h"

namespace starling::daemon {

void announce(spdlog::logger& log, const node::Run& run, NodeId self, const node::Core& core,
              const node::MemoryForecast& memory, const Beginning& beginning) {
  const node::Config& config = run.config;
  log.info("run '{}', node {}: {}", config.run.name, config.nodes[index_of(self)].name,
           core.describe());
  std::vector<std::string> names;
  for (const NodeId id : gossip::partners(config.gossip, run.topology, self)) {
    names.push_back(config.nodes[index_of(id)].name);
  }
  log.info("{} with {} on {}, process {}", node::algorithm_summary(run),
           names.empty() ? std::string("no neighbors") : fmt::format("{}", fmt::join(names, ", ")),
           config.nodes[index_of(self)].address, ::getpid());
  if (node::is_mesh(config)) {
    log.info(
        "each node owns 1/{} of the model, which rests while its owner is away; after {} s it is "
        "the others' until the owner is back",
        run.topology.present().size(), config.run.hand_over_seconds);
  }
  log.info("{}", node::operator_summary(run));
  log.info("{}", memory.sentence());
  log.info("state in {}", beginning.paths.dir.string());
  for (const std::string& warning : beginning.warnings) log.warn("{}", warning);
  if (beginning.resumed) {
    const Round done = beginning.resumed->round;
    log.info("resumed from {} after {} rounds{}", beginning.resumed->file.string(), done,
             done < config.run.rounds
                 ? ""
                 : ", which is all: raise [run] rounds to go on, or begin anew with --fresh");
  }
  if (beginning.tls) {
    log.info("links are TLS 1.3 between pinned keys; this node's is {}",
             text_of(beginning.tls->pin()));
  } else if (!names.empty()) {
    log.warn("LINKS ARE PLAIN TCP: whoever is on their path can read and change the models{}",
             config.run.insecure_plaintext ? "; insecure_plaintext allows any address" : "");
  }
}

std::string state_line(const node::Progress& p, Round rounds,
                       const std::vector<peer::LinkStatus>& links) {
  const auto up = std::ranges::count(links, peer::LinkState::up, &peer::LinkStatus::state);
  return fmt::format("{}, {} of {} rounds done, loss {:.4g}, {} of {} neighbors up",
                     node::name_of(p.phase), p.rounds_done, rounds, p.step_loss, up, links.size());
}

std::string round_line(const node::RoundDone& done, const node::Progress& p) {
  std::string line = fmt::format(
      "round={} loss={:.6g} sent={} received={} compute={:.3f} encode={:.3f} wait={:.3f}",
      done.round, p.step_loss, p.sent_bytes, p.received_bytes, seconds(p.compute),
      seconds(p.encode), seconds(p.wait()));
  if (!done.evaluated) return line;
  line += fmt::format(" test_loss={:.6g}", p.evaluation->loss);
  if (p.evaluation->accuracy) line += fmt::format(" accuracy={:.4f}", *p.evaluation->accuracy);
  if (p.evaluation->relative_error) {
    line += fmt::format(" relative_error={:.6g}", *p.evaluation->relative_error);
  }
  return line;
}

}  // namespace starling::daemon
