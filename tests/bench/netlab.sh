#!/usr/bin/env bash
# The whole, against what a user would pick instead: PyTorch DistributedDataParallel and eight
# starlingd, one after the other on the same eight hosts of a slow network, each until it has 86 %
# test accuracy on Fashion-MNIST (Starling: its worst node). Prints both times, evaluation left out
# of both, and their ratio.
#   tests/bench/netlab.sh [--only-starling]
#   tests/bench/netlab.sh --compare [ROUNDS]   in place of both: README.md's table of algorithms on
#                                              these links, each for so many rounds (200)
# NETLAB, YARDSTICK, DATA name the network's script, the DDP script and the data; RATE and DELAY the
# links. Needs root, python3-torch and python3-numpy. Builds the release if it is not there.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$here/../.." && pwd)
netlab=${NETLAB:-$root/../shared/netlab/netlab.sh}
yardstick=${YARDSTICK:-$root/../shared/yardstick/ddp.sh}
data=${DATA:-$root/../shared/data/fashion-mnist}
link="--rate-mbit ${RATE:-100} --delay-ms ${DELAY:-10}"
target=0.86
for file in "$netlab" "$yardstick" "$data/train-images-idx3-ubyte.gz"; do
  [[ -e $file ]] || { echo "netlab.sh: $file is missing; name its place with NETLAB, YARDSTICK or DATA" >&2; exit 1; }
done
starling=$root/build/release/daemon/starling
[[ -x $starling ]] || { cmake --preset release -S "$root" >/dev/null && cmake --build "$root/build/release" --target starling starlingd; }

ddp_seconds=
if [[ ${1:-} == --compare ]]; then
  state=$(mktemp -d)
  # shellcheck disable=SC2086
  "$netlab" up 8 $link
  trap '"$netlab" down; rm -rf "$state"' EXIT
  echo "$(date -I), $(nproc) cores for all eight nodes, $link"
  "$starling" up "$here/netlab.toml" --set "data.path=\"$(realpath "$data")\"" --state "$state" \
    --launcher 'ip netns exec node{i}' --set "run.rounds=${2:-200}" \
    --set 'run.compare=["none","d-psgd","powergossip","powergossip-exact","dyna-cold"]'
  exit
fi

if [[ ${1:-} != --only-starling ]]; then
  echo "== PyTorch DistributedDataParallel ($link)"
  line=$("$yardstick" 8 "$link" "$data" --target "$target" --seconds 600 --every 50 | tee /dev/stderr | tail -1)
  ddp_seconds=$(sed -n 's/^t=\([0-9.]*\)s.*/\1/p' <<<"$line")
fi

echo "== Starling ($link)"
state=$(mktemp -d)
# shellcheck disable=SC2086
"$netlab" up 8 $link
trap '"$netlab" down; rm -rf "$state"' EXIT
"$starling" up "$here/netlab.toml" --set "data.path=\"$(realpath "$data")\"" --state "$state" \
  --launcher 'ip netns exec node{i}' --until-accuracy "$target" --json >"$state/result.json"
DDP=$ddp_seconds python3 - "$state/result.json" <<'P'
import json, os, sys
r = json.loads(open(sys.argv[1]).read().splitlines()[-1])
if "reached" not in r:
    sys.exit(f"the worst node ended at {r['min_accuracy']:.4f}, below the target")
seconds = r["reached"]["train_seconds"]
sent = max(n["sent_bytes"] for n in r["nodes"])
wait = sum(n["wait_seconds"] for n in r["nodes"]) / sum(n["train_seconds"] for n in r["nodes"])
print(f"starling: worst node reached the target in round {r['reached']['round']}, {seconds:.2f} s, "
      f"{sent / 1e6:.1f} MB sent a host, {100 * wait:.0f} % of the time waiting")
if os.environ["DDP"]:
    ddp = float(os.environ["DDP"])
    print(f"DDP: {ddp:.1f} s")
    print(f"ratio starling/DDP: {seconds / ddp:.4f} (1/{ddp / seconds:.1f})")
P
