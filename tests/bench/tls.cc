// bench_tls PAIRS SECONDS: what one link under TLS moves on loopback, beside a plain OpenSSL pump
// (a thread and a processor for each end, blocking sockets, the same cipher), in alternation.
// Prints GB/s of both and the median of the ratios.
#include <fmt/format.h>
#include <openssl/ssl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <asio/ip/tcp.hpp>
#include <csignal>
#include <cstdlib>
#include <thread>
#include <vector>

#include "link_pump.h"
#include "peer/tls.h"
#include "protocol/ids.h"

namespace {

using namespace starling;
using Clock = std::chrono::steady_clock;

constexpr std::size_t kWriteBytes = 1 << 20;

int accept_all(X509_STORE_CTX*, void*) { return 1; }

// The connected socket of one end, with TLS's handshake done.
class End {
 public:
  End(const peer::Tls& tls, int fd, bool client) : fd_(fd), context_(SSL_CTX_new(TLS_method())) {
    SSL_CTX_set_min_proto_version(context_, TLS1_3_VERSION);
    SSL_CTX_set_ciphersuites(context_, "TLS_AES_128_GCM_SHA256");
    SSL_CTX_set_verify(context_, SSL_VERIFY_PEER, nullptr);
    SSL_CTX_set_cert_verify_callback(context_, accept_all, nullptr);
    SSL_CTX_use_certificate(context_, SSL_CTX_get0_certificate(tls.context().get()));
    SSL_CTX_use_PrivateKey(context_, SSL_CTX_get0_privatekey(tls.context().get()));
    ssl_ = SSL_new(context_);
    SSL_set_fd(ssl_, fd);
    const int done = client ? SSL_connect(ssl_) : SSL_accept(ssl_);
    if (done != 1) std::exit(1);
  }
  ~End() {
    SSL_free(ssl_);
    SSL_CTX_free(context_);
    ::close(fd_);
  }
  End(const End&) = delete;
  End& operator=(const End&) = delete;
  SSL* ssl() { return ssl_; }

 private:
  const int fd_;
  SSL_CTX* const context_;
  SSL* ssl_;
};

// GB/s that the receiver saw.
double pump(const peer::Tls& tls, int seconds_) {
  asio::io_context io;
  asio::ip::tcp::acceptor acceptor(io, {asio::ip::address_v4::loopback(), 0});
  asio::ip::tcp::socket out(io), in(io);
  out.connect(acceptor.local_endpoint());
  acceptor.accept(in);
  std::thread sender([&, fd = out.release()] {
    End end(tls, fd, true);
    const std::vector<char> data(kWriteBytes, 'x');
    while (SSL_write(end.ssl(), data.data(), static_cast<int>(data.size())) > 0) {
    }
  });
  double rate = 0;
  {
    End end(tls, in.release(), false);
    std::vector<char> data(kWriteBytes);
    std::uint64_t bytes = 0;
    const auto begun = Clock::now();
    const auto until = begun + std::chrono::seconds{seconds_};
    while (Clock::now() < until) {
      const int got = SSL_read(end.ssl(), data.data(), static_cast<int>(data.size()));
      if (got <= 0) std::exit(1);
      bytes += static_cast<std::uint64_t>(got);
    }
    rate = static_cast<double>(bytes) / 1e9 / starling::seconds(Clock::now() - begun);
  }
  sender.join();
  return rate;
}

}  // namespace

int main(int argc, char** argv) {
  std::signal(SIGPIPE, SIG_IGN);
  const int pairs = argc > 1 ? std::atoi(argv[1]) : 5;
  const int time = argc > 2 ? std::atoi(argv[2]) : 3;
  if (pairs <= 0 || time <= 0) {
    fmt::print(stderr, "usage: bench_tls PAIRS SECONDS\n");
    return 2;
  }
  const peer::Tls tls(peer::PrivateKey::make());
  std::vector<double> ratios;
  fmt::print("pair  pump GB/s  link GB/s  ratio\n");
  for (int pair = 1; pair <= pairs; ++pair) {
    const double theirs = pump(tls, time);
    const double ours =
        bench::link_gigabytes_per_second(std::chrono::seconds{time}, 32 << 20, true);
    ratios.push_back(ours / theirs);
    fmt::print("{:4}  {:9.3f}  {:9.3f}  {:.3f}\n", pair, theirs, ours, ratios.back());
  }
  std::ranges::sort(ratios);
  fmt::print("median ratio {:.3f}\n", ratios[ratios.size() / 2]);
  return 0;
}
