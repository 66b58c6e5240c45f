#!/usr/bin/env bash
# A Docker engine of one's own, beside any that the machine has: its socket (DIR/socket), images,
# state and log lie in DIR. It keeps what the machine's daemon.json says (storage driver, mtu, …).
#   docker-engine.sh start DIR    returns when it answers; fails with the end of its log
#   docker-engine.sh stop DIR     ends it and removes DIR
set -euo pipefail
(($# == 2)) || { echo "docker-engine.sh: expected 'start DIR' or 'stop DIR', found '$*'" >&2; exit 2; }
dir=$(realpath "$2")
case $1 in
  start)
    python3 - "$dir" >"$dir/config.json" <<'PY'
import json, pathlib, sys
own, given = sys.argv[1], pathlib.Path("/etc/docker/daemon.json")
config = json.loads(given.read_text()) if given.exists() else {}
print(json.dumps(config | {"data-root": f"{own}/data", "exec-root": f"{own}/exec",
                           "pidfile": f"{own}/pid", "hosts": [f"unix://{own}/socket"]}))
PY
    setsid dockerd --config-file "$dir/config.json" >"$dir/log" 2>&1 </dev/null &
    for ((second = 0; second < 120; ++second)); do
      ! DOCKER_HOST=unix://$dir/socket timeout 20 docker info >/dev/null 2>&1 || exit 0
      [[ -d /proc/$! ]] || break
      sleep 1
    done
    echo "docker-engine.sh: dockerd does not answer after $second s; the end of its log:" >&2
    tail -5 "$dir/log" >&2
    exit 1
    ;;
  stop)
    if [[ -s $dir/pid ]]; then
      pid=$(<"$dir/pid")
      kill "$pid" 2>/dev/null || true
      timeout 60 tail --pid="$pid" -f /dev/null || kill -KILL "$pid"
    fi
    umount "$dir"/exec/netns/* 2>/dev/null || true
    rm -rf --one-file-system "$dir"
    ;;
  *) echo "docker-engine.sh: expected start or stop, found '$1'" >&2; exit 2 ;;
esac
