// A run file as it was understood: every key with its value, defaults included.
#pragma once

#include <string>
#include <vector>

#include "node/config.h"

namespace starling::node {

struct ShownKey {
  std::string section, key;  // "node", "n3 address" of what a node has
  std::string value;         // in TOML; empty: unset
  bool given = false;        // by the file or by --set
};

// In the order of the documentation. Of [compress] what its operator takes; the nodes as a list,
// however the file makes them; paths absolute.
std::vector<ShownKey> shown_keys(const Config& config);

// A run file that means the same. `effective`: with the keys that are at their defaults, and those
// without a value in comments.
std::string config_text(const Config& config, bool effective);

}  // namespace starling::node
