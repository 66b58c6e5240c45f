#include "daemon/goodput.h"

namespace starling::daemon {

std::vector<node::LinkMeasured> Goodput::since(const std::vector<peer::LinkStatus>& links) {
  std::vector<node::LinkMeasured> measured;
  for (const peer::LinkStatus& link : links) {
    if (link.state != peer::LinkState::up) continue;
    Seen& was = seen_[link.peer];
    const Duration sending = link.sending - was.sending;
    if (sending > Duration{0} && link.sent_bytes > was.bytes) {
      const auto bytes = static_cast<double>(link.sent_bytes - was.bytes);
      measured.push_back({link.peer, bytes / seconds(sending)});
    }
    was = {link.sent_bytes, link.sending};
  }
  return measured;
}

}  // namespace starling::daemon
