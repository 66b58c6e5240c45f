// Runs something once for every instruction set that this machine and this build have.
#pragma once

#include <doctest/doctest.h>

#define HWY_WANT_AVX3_DL  // some kernels have it
#include <hwy/targets.h>

namespace starling::test {

template <class Work>
void for_each_target(Work&& work) {
  for (const auto target : hwy::SupportedAndGeneratedTargets()) {
    CAPTURE(hwy::TargetName(target));
    hwy::SetSupportedTargetsForTest(target);
    work();
  }
  hwy::SetSupportedTargetsForTest(0);
}

}  // namespace starling::test
