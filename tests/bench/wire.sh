#!/bin/sh
# wire.sh BENCH_WIRE [PAIRS] [SECONDS]: what one link moves on loopback, beside what iperf3 moves on
# one stream there, in alternation; prints GB/s of both and the median of the ratios.
set -eu

bench=${1:?usage: wire.sh path/to/bench_wire [pairs] [seconds]}
pairs=${2:-5}
time=${3:-3}
port=${IPERF_PORT:-5299}

if ! command -v iperf3 >/dev/null; then
  echo "iperf3 is missing; install the package iperf3 to compare with it" >&2
  exit 1
fi

iperf3 --server --bind 127.0.0.1 --port "$port" >/dev/null 2>&1 &
server=$!
trap 'kill "$server"' EXIT
tries=0
until iperf3 --client 127.0.0.1 --port "$port" --bytes 1M >/dev/null 2>&1; do
  tries=$((tries + 1))
  [ "$tries" -lt 50 ] || { echo "iperf3 does not serve on port $port" >&2; exit 1; }
done

echo "pair  iperf3 GB/s  link GB/s  ratio"
ratios=
pair=1
while [ "$pair" -le "$pairs" ]; do
  theirs=$(iperf3 --client 127.0.0.1 --port "$port" --time "$time" --json |
    python3 -c 'import json,sys; print("%.3f" % (json.load(sys.stdin)["end"]["sum_received"]["bits_per_second"] / 8e9))')
  ours=$("$bench" "$time")
  ratio=$(echo "$ours $theirs" | awk '{printf "%.3f", $1 / $2}')
  printf '%4d  %11s  %9s  %s\n' "$pair" "$theirs" "$ours" "$ratio"
  ratios="$ratios $ratio"
  pair=$((pair + 1))
done
echo "$ratios" | tr ' ' '\n' | grep . | sort -n |
  awk '{r[NR] = $1} END {m = NR % 2 ? r[(NR + 1) / 2] : (r[NR / 2] + r[NR / 2 + 1]) / 2; printf "median ratio %.3f\n", m}'
