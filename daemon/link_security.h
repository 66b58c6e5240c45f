// How a node's links are protected, and the keys that a flock on one machine makes for itself.
#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "node/config.h"
#include "peer/tls.h"
#include "protocol/result.h"

namespace starling::daemon {

// Whether the links of the run are inside TLS.
bool pins_keys(const node::Config& config);

// For `starling up`: a key for every node below the run's state directory where it has none yet,
// and a list of their fingerprints, which take_made_keys finds. Nothing where the run file pins
// keys. Fails with ErrorCode::io, or as read_key_file does.
Result<void> make_keys(const node::Config& config, const std::filesystem::path& state_dir);
// Takes that list away: the next daemons on this state directory use plain TCP.
void forget_made_keys(const std::filesystem::path& state_dir);
// Fills in the keys of nodes that the run file pins none for from that list, where there is one. A
// node that has come since gets its key here. Fails with ErrorCode::config (a line that is none of
// a list) or as make_keys does.
Result<void> take_made_keys(node::Config& config, const std::filesystem::path& state_dir);

struct LinkSecurity {
  std::shared_ptr<const peer::Tls> tls;  // null: plain TCP
  std::vector<std::string> warnings;
};

// With what the node `self` proves itself: its key, which must be one of those that the run pins
// for it. Plain TCP where the run pins none.
Result<LinkSecurity> secure_links(const node::Config& config, NodeId self,
                                  const std::filesystem::path& key_file);

}  // namespace starling::daemon
