// From TOML's tree to a Draft: sections and keys found, values checked one by one. Only for
// config.cc.
#pragma once

#include <string>
#include <vector>

#include "node/config_keys.h"
#include "node/config_text.h"

namespace starling::node {

// Puts each "section.key=value" in the place of what the file says; of one key the last wins.
Result<void> apply_overrides(Table& root, const std::vector<std::string>& overrides);

// Reads every section and key into the draft. Fails at the first that is unknown or wrong.
Result<void> read_sections(Draft& draft, const Table& root);

}  // namespace starling::node
