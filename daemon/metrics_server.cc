#include "daemon/metrics_server.h"

#include <fmt/format.h>
#include <prometheus/collectable.h>
#include <prometheus/exposer.h>
#include <prometheus/metric_family.h>

#include <asio/ip/tcp.hpp>
#include <asio/post.hpp>
#include <chrono>
#include <exception>
#include <future>
#include <utility>

namespace starling::daemon {
namespace {

// For the io thread to answer; it has never more to do than to pass on messages.
constexpr std::chrono::seconds kPatience{1};
// Of civetweb, the server underneath. Who has not said what it wants by then is closed, so that a
// node that ends is held up no longer than that.
const std::vector<std::string> kOptions{"num_threads", "2", "request_timeout_ms", "500"};

// Says precisely why an address cannot be had, which the HTTP server does not.
Result<void> try_address(asio::io_context& io, const std::string& address) {
  const auto colon = address.rfind(':');
  std::string host = address.substr(0, colon);
  if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
  asio::error_code failed;
  asio::ip::tcp::resolver resolver(io);
  const auto found = resolver.resolve(host, address.substr(colon + 1), failed);
  asio::ip::tcp::acceptor acceptor(io);
  if (!failed) acceptor.open(found.begin()->endpoint().protocol(), failed);
  if (!failed) acceptor.set_option(asio::socket_base::reuse_address(true), failed);
  if (!failed) acceptor.bind(found.begin()->endpoint(), failed);
  if (!failed) acceptor.listen(1, failed);
  if (!failed) return {};
  if (failed == asio::error::address_in_use) {
    return Error{ErrorCode::address_in_use,
                 fmt::format("[metrics] listen: another process holds {}; stop it (`ss -ltnp` "
                             "names it) or give another address",
                             address)};
  }
  return Error{ErrorCode::io,
               fmt::format("[metrics] listen: cannot listen on {}: {}", address, failed.message())};
}

}  // namespace

class MetricsServer::Source final : public prometheus::Collectable {
 public:
  Source(asio::io_context& io, Read read) : io_(io), read_(std::move(read)) {}

  // A thread of the HTTP server. Nothing where the io thread does not answer: the node has ended.
  std::vector<prometheus::MetricFamily> Collect() const override {
    const auto promise = std::make_shared<std::promise<std::vector<prometheus::MetricFamily>>>();
    auto answer = promise->get_future();
    asio::post(io_, [read = read_, promise] { promise->set_value(read()); });
    if (answer.wait_for(kPatience) != std::future_status::ready) return {};
    return answer.get();
  }

 private:
  asio::io_context& io_;
  const Read read_;
};

MetricsServer::MetricsServer(asio::io_context& io, Read read)
    : io_(io), source_(std::make_shared<Source>(io, std::move(read))) {}

MetricsServer::~MetricsServer() = default;

Result<void> MetricsServer::start(const std::string& address) {
  if (auto free = try_address(io_, address); !free) return free;
  try {
    std::vector<std::string> options = kOptions;
    options.insert(options.end(), {"listening_ports", address});
    exposer_ = std::make_unique<prometheus::Exposer>(std::move(options));
  } catch (const std::exception& e) {
    return Error{ErrorCode::io,
                 fmt::format("[metrics] listen: cannot listen on {}: {}", address, e.what())};
  }
  exposer_->RegisterCollectable(source_);
  return {};
}

}  // namespace starling::daemon
