#include "daemon/redrawn.h"

#include <algorithm>

namespace starling::daemon {

void Redrawn::show(const std::string& text) {
  if (lines_ > 0)
    terminal_ ? std::fprintf(out_, "\x1b[%zuA\x1b[J", lines_) : std::fputc('\n', out_);
  std::fputs(text.c_str(), out_);
  std::fflush(out_);
  lines_ = static_cast<std::size_t>(std::ranges::count(text, '\n'));
}

}  // namespace starling::daemon
