#include "compress/kernels/read.h"

#include <doctest/doctest.h>

#include "guarded.h"
#include "targets.h"

using namespace starling;
using namespace starling::compress;
using test::for_each_target;

TEST_CASE("read: no float is left out, on every instruction set") {
  for (const std::size_t size : {0, 1, 3, 7, 8, 9, 31, 32, 33, 63, 64, 65, 127, 128, 129, 300}) {
    for (const std::size_t shift : {0, 1, 3}) {
      CAPTURE(size);
      CAPTURE(shift);
      test::GuardedFloats x(size, shift);
      std::ranges::fill(x.span(), 0.0f);
      for_each_target([&] { CHECK(read_all(x.span()) == 0); });
      for (std::size_t i = 0; i < size; ++i) {
        x.span()[i] = -0.0f;
        for_each_target([&] { CHECK(read_all(x.span()) == 0x80000000); });
        x.span()[i] = 0;
      }
      const auto normals = test::guarded_normals(size, shift, size);
      for_each_target([&] { CHECK(read_all(normals.span()) == ref::read_all(normals.span())); });
    }
  }
}
