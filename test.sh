#!/usr/bin/env bash
# Installs what is missing, builds, and passes every test: under the address and undefined-behaviour
# sanitizers, then what has threads under the thread sanitizer, then the fuzz targets' committed
# inputs under clang's address and undefined-behaviour sanitizers, then everything as released.
#   ./test.sh            all four
#   ./test.sh release    one of them (asan, tsan, clang, release)
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
presets=("$@")
((${#presets[@]})) || presets=(asan tsan clang release)
groups=(build test)
[[ " ${presets[*]} " != *" clang "* ]] || groups+=(fuzz)
# The tests of docker/ need an engine; one that is there already is left as it is.
[[ " ${presets[*]} " != *" release "* ]] || command -v docker >/dev/null || groups+=(docker)
scripts/install-packages.sh "${groups[@]}"
engine_answers() { timeout 20 docker info >/dev/null 2>&1; }  # one that hangs does not
if [[ " ${presets[*]} " == *" release "* ]] && ! engine_answers; then
  engine=$(mktemp -d)
  dockerd --pidfile "$engine/pid" >"$engine/log" 2>&1 &
  trap 'kill "$(cat "$engine/pid")"; wait; rm -rf "$engine"' EXIT
  for ((second = 0; second < 60; ++second)); do
    ! engine_answers || break
    sleep 1
  done
  if ((second == 60)); then
    echo "test.sh: no Docker engine answers, and dockerd does not start; the end of its log:" >&2
    tail -5 "$engine/log" >&2
    exit 1
  fi
fi
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
