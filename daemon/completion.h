// Scripts with which shells complete what is typed after `starling`.
#pragma once

#include <string>
#include <vector>

#include "daemon/command_words.h"

namespace starling::daemon {

// `shell`: "bash", "zsh" or "fish". Verbs and options are completed, and files elsewhere.
std::string completion_of(const std::vector<VerbWords>& words, const std::string& shell);

}  // namespace starling::daemon
