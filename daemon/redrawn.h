// Text that changes in its place.
#pragma once

#include <cstdio>
#include <string>

namespace starling::daemon {

// On a terminal each text is drawn over the one before; elsewhere one stands below the other, an
// empty line between.
class Redrawn {
 public:
  Redrawn(std::FILE* out, bool terminal) : out_(out), terminal_(terminal) {}

  // The next text stands below what there is.
  void begin() { lines_ = 0; }
  // Of whole lines, none wider than the terminal.
  void show(const std::string& text);

 private:
  std::FILE* const out_;
  const bool terminal_;
  std::size_t lines_ = 0;  // of the last text
};

}  // namespace starling::daemon
