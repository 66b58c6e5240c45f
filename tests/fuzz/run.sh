#!/usr/bin/env bash
# Fuzzes every target with libFuzzer and clang, and says what came of it, one line a target.
#   tests/fuzz/run.sh [SECONDS [JOBS [TARGET…]]]   600 seconds each, as many at a time as processors
# Begins with the committed corpus, which stays as it is; what is new goes to build/fuzz-corpus/ and
# is where the next run begins, too. Exit 1 if anything crashed; the input is kept and named.
# A target that plays events against a model is run without sanitizers, which is seven to eleven
# times as many, and what it collects is played again with them.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
seconds=${1:-600}
jobs=${2:-$(nproc)}
targets=("${@:3}")
for number in "$seconds" "$jobs"; do
  [[ $number =~ ^[1-9][0-9]*$ ]] || {
    echo "run.sh: found '$number', expected a whole number: run.sh [SECONDS [JOBS [TARGET…]]]" >&2
    exit 2
  }
done
scripts/install-packages.sh build test fuzz
cmake --preset fuzz -DSTARLING_BUILD_TESTS=ON >/dev/null
cmake --preset fuzz-plain -DSTARLING_BUILD_TESTS=ON >/dev/null
if ((${#targets[@]} == 0)); then
  mapfile -t targets < <(cmake --build build/fuzz --target help |
    sed -n 's/^fuzz_\([a-z0-9_]*\): phony$/\1/p' | grep -vx targets | sort)
fi
((${#targets[@]})) || { echo "run.sh: found no target, expected some in tests/fuzz/CMakeLists.txt" >&2; exit 2; }
cmake --build build/fuzz -j"$jobs" --target "${targets[@]/#/fuzz_}" >/dev/null

plays_events() { [[ $1 =~ ^(control|edge|links|parcel|session)$ ]]; }
plain=()
for target in "${targets[@]}"; do
  ! plays_events "$target" || plain+=("fuzz_$target")
done
((${#plain[@]} == 0)) ||
  cmake --build build/fuzz-plain -j"$jobs" --target "${plain[@]}" >/dev/null

export UBSAN_OPTIONS=halt_on_error=1:print_stacktrace=1
# What a million small executions free is not worth 256 MiB of cold memory.
export ASAN_OPTIONS=malloc_context_size=2:quarantine_size_mb=16
# The sockets of a target: a disk takes longer to make one than the target to try it.
[[ ! -w /dev/shm ]] || export TMPDIR=/dev/shm
export results=$PWD/build/fuzz-results corpora=$PWD/build/fuzz-corpus seconds
rm -rf "$results"
mkdir -p "$results"

# As long as an input of the target has anything to say; longer ones repeat it. Where it is a
# sequence of events, one to four bytes each, about thirty of them.
longest() {
  case $1 in
    edge | links) echo 64 ;;
    session | control) echo 128 ;;
    parcel) echo 300 ;;
    handshake | key_text | safetensors) echo 600 ;;
    sparse | ternary) echo 4096 ;;
    *) echo 1500 ;;
  esac
}

# One target: its log, and a line that sums it up. Without -entropic, which counts the features of
# every input after each execution and takes longer than most of them.
fuzz_one() {
  local name=$1 log=$results/$1.log crashes code=0 build=fuzz
  local words=(-timeout=20 -rss_limit_mb=4096 -artifact_prefix="$results/$name/")
  ! plays_events "$name" || build=fuzz-plain
  mkdir -p "$corpora/$name" "$results/$name"
  "build/$build/tests/fuzz/fuzz_$name" "${words[@]}" -max_total_time="$seconds" \
    -print_final_stats=1 -max_len="$(longest "$name")" -entropic=0 -reload=0 \
    "$corpora/$name" "tests/fuzz/corpus/$name" >"$log" 2>&1 || code=$?
  if [[ $code == 0 && $build == fuzz-plain ]]; then
    "build/fuzz/tests/fuzz/fuzz_$name" "${words[@]}" -runs=0 "$corpora/$name" >>"$log" 2>&1 ||
      code=$?
  fi
  told() { sed -n "s/^stat::$1: *//p" "$log" | tail -1; }
  crashes=$(find "$results/$name" -type f | wc -l)
  # A target that ended without leaving an input counts as well.
  ((code == 0 || crashes > 0)) || crashes=1
  printf '%-20s %12s executions %6s s %6s new units %3d crashes\n' "$name" \
    "$(told number_of_executed_units)" \
    "$(sed -n 's/^Done .* runs in \([0-9]*\) second.*/\1/p' "$log" | head -1)" \
    "$(told new_units_added)" "$crashes"
  ((crashes == 0)) || find "$results/$name" "$log" -type f -printf "  %p\n"
  return $((crashes > 0))
}
export -f fuzz_one longest plays_events

failed=0
printf '%s\0' "${targets[@]}" | xargs -0 -P "$jobs" -I{} bash -c 'fuzz_one {}' || failed=1
((failed == 0)) || echo "run.sh: replay an input with build/fuzz/tests/fuzz/fuzz_NAME INPUT" >&2
exit $failed
