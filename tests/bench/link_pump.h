// What one link moves on loopback, for the programs that measure it.
#pragma once

#include <chrono>
#include <cstdint>

namespace starling::bench {

// Two nodes, each on a thread and an io_context of its own; large bodies one way, a receipt back
// for each. GB/s of bodies. Under TLS with keys made for it. A link that goes down ends the
// program, with the reason on standard error.
double link_gigabytes_per_second(std::chrono::steady_clock::duration time, std::uint64_t body_bytes,
                                 bool tls);

}  // namespace starling::bench
