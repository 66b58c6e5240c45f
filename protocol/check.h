// INVARIANT(condition): for our own bugs only. A broken invariant prints the place and aborts;
// input from a file, a peer or a user is answered with a Result instead.
// (The usual name, CHECK, belongs to doctest.)
#pragma once

#include <cstdio>
#include <cstdlib>

namespace starling {

[[noreturn]] inline void invariant_broken(const char* file, int line, const char* condition) {
  std::fprintf(stderr, "%s:%d: broken invariant: %s\n", file, line, condition);
  std::abort();
}

}  // namespace starling

#define INVARIANT(condition)                                                        \
  do {                                                                              \
    if (!(condition)) ::starling::invariant_broken(__FILE__, __LINE__, #condition); \
  } while (false)
