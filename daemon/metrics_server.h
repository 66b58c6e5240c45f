// Metrics over HTTP, for whoever scrapes them: GET /metrics.
#pragma once

#include <asio/io_context.hpp>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "protocol/result.h"

namespace prometheus {
class Exposer;
struct MetricFamily;
}  // namespace prometheus

namespace starling::daemon {

// prometheus-cpp's HTTP server, in threads of its own. They touch nothing of the node: a scrape
// posts to the io thread, which reads what it owns and hands over a copy. io thread only, but for
// what those threads do; `io` outlives it.
class MetricsServer {
 public:
  using Read = std::function<std::vector<prometheus::MetricFamily>()>;  // called on the io thread

  MetricsServer(asio::io_context& io, Read read);
  // Waits for a scrape that is under way, a second at most, or for half a second where somebody has
  // connected and says nothing.
  ~MetricsServer();
  MetricsServer(const MetricsServer&) = delete;
  MetricsServer& operator=(const MetricsServer&) = delete;

  // `address`: "host:port". Fails with ErrorCode::address_in_use, or io where it cannot be listened
  // on for another reason.
  Result<void> start(const std::string& address);

 private:
  class Source;  // answers one scrape
  asio::io_context& io_;
  const std::shared_ptr<Source> source_;
  std::unique_ptr<prometheus::Exposer> exposer_;  // null: not started
};

}  // namespace starling::daemon
