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
# One that hangs does not answer; the one started in its place shares nothing with it.
engine_answers() { timeout 20 docker info >/dev/null 2>&1; }
if [[ " ${presets[*]} " == *" release "* ]] && ! engine_answers; then
  engine=$(mktemp -d -p /var/tmp)
  trap 'scripts/docker-engine.sh stop "$engine"' EXIT
  scripts/docker-engine.sh start "$engine"
  export DOCKER_HOST=unix://$engine/socket
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
