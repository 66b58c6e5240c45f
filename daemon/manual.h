// Manual pages, from the words of the command line.
#pragma once

#include <string>

#include "daemon/command_line.h"

namespace starling::daemon {

// A page of section 1 in the macros of man(7).
std::string manual_page(CommandLine line, const std::string& program);

}  // namespace starling::daemon
