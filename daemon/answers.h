// What a running node answers on its control socket.
#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "daemon/checkpoint_desk.h"
#include "daemon/engine.h"
#include "daemon/export_files.h"
#include "daemon/metrics.h"
#include "daemon/model_file.h"
#include "daemon/pauses.h"
#include "daemon/reload_desk.h"
#include "node/consensus.h"
#include "node/memory.h"
#include "node/run.h"
#include "peer/links.h"
#include "peer/logger.h"
#include "protocol/control.pb.h"

namespace starling::daemon {

// The parts of a node that its answers speak of. All outlive them.
struct NodeParts {
  const node::Run& run;
  NodeId self;
  Engine& engine;
  peer::Links& links;
  CheckpointDesk& desk;
  ReloadDesk& reload_desk;
  Pauses& pauses;
  const Tally& tally;
  const node::Consensus& consensus;
  ExportFiles& exports;                      // where models are written that were asked for
  const node::MemoryForecast& memory;        // as of the newest reload
  bool saves;                                // checkpoints are switched on
  std::function<void(peer::Farewell)> stop;  // begins to end the node
};

// io thread only.
class Answers {
 public:
  Answers(NodeParts parts, std::shared_ptr<spdlog::logger> log);

  // What there is to tell from now on.
  void progressed(std::shared_ptr<const node::Progress> progress);
  void evaluated();  // progress() holds a new evaluation
  void stopping() { stopping_ = true; }
  const node::Progress& progress() const { return *progress_; }
  // When a round ended last, or the phase became another.
  Time moved_at() const { return moved_at_; }

  std::vector<prometheus::MetricFamily> metrics() const;

  // As ControlServer asks for it.
  peer::Task<control::Reply> answer(const control::Request& request);

 private:
  control::Reply answer_at_once(const control::Request& request);
  peer::Task<control::Reply> save_now();
  peer::Task<control::Reply> read_again();
  // answers_operator.cc
  peer::Task<control::Reply> measure(std::string name);
  peer::Task<control::Reply> export_now();
  control::Reply pause(const control::Request& request);
  Result<NodeId> neighbor_called(const std::string& name) const;

  void fill(control::StatusReply& reply) const;
  void fill(control::PeersReply& reply) const;
  void fill_rate(control::StatusReply& status) const;
  node::EdgeCounts counts_of(NodeId peer) const;
  const std::string& name_of_node(NodeId id) const;

  const NodeParts parts_;
  const std::shared_ptr<spdlog::logger> log_;
  std::shared_ptr<const node::Progress> progress_ = std::make_shared<node::Progress>();
  Time moved_at_{0};
  std::deque<control::Evaluation> evaluations_;
  bool stopping_ = false;
};

}  // namespace starling::daemon
