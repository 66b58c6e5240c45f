// bench_wire SECONDS [MiB]: one plain link on loopback between two nodes. Prints GB/s of bodies.
// wire.sh runs it beside iperf3.
#include <fmt/format.h>

#include <cstdlib>

#include "link_pump.h"

int main(int argc, char** argv) {
  const int time = argc > 1 ? std::atoi(argv[1]) : 3;
  const int mebibytes = argc > 2 ? std::atoi(argv[2]) : 32;
  if (time <= 0 || mebibytes <= 0) {
    fmt::print(stderr, "usage: bench_wire SECONDS [MiB of a body]\n");
    return 2;
  }
  const double rate = starling::bench::link_gigabytes_per_second(
      std::chrono::seconds{time}, static_cast<std::uint64_t>(mebibytes) << 20, false);
  fmt::print("{:.3f}\n", rate);
  return 0;
}
