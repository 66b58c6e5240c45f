#!/usr/bin/env bash
# Installs what is missing, builds, and passes every test: as released, then under the address and
# undefined-behaviour sanitizers, then what has threads under the thread sanitizer.
#   ./test.sh            all three
#   ./test.sh release    one of them (release, asan, tsan)
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
presets=("$@")
((${#presets[@]})) || presets=(asan tsan release)
scripts/install-packages.sh build test
for preset in "${presets[@]}"; do
  # The benchmarks are built, so that they keep up with what they measure; they are not run.
  cmake --preset "$preset" -DSTARLING_BUILD_TESTS=ON -DSTARLING_WERROR=ON \
    -DSTARLING_BUILD_BENCHMARKS="$([[ $preset == release ]] && echo ON || echo OFF)" >/dev/null
  cmake --build --preset "$preset"
done
failed=()
for preset in "${presets[@]}"; do
  echo "== $preset"
  ctest --preset "$preset" -j"$(nproc)" --progress || failed+=("$preset")
done
if ((${#failed[@]})); then
  echo "test.sh: tests failed under: ${failed[*]}" >&2
  exit 1
fi
