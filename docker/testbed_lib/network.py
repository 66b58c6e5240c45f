"""Slow links and cut links. Everything is done from a container of its own that enters the daemons'
network namespaces; theirs have no rights over the network."""
import dataclasses
import re

from .engine import docker
from .images import NETWORK
from .problem import USAGE, Problem

UNITS = {"rate": {"kbit": 1e3, "mbit": 1e6, "gbit": 1e9}, "delay": {"us": 1e-6, "ms": 1e-3, "s": 1},
         "loss": {"%": 0.01}}
EXAMPLES = {"rate": "100mbit", "delay": "10ms", "loss": "1%"}


def parsed(kind, text):
    """Bits a second, seconds, or a share."""
    match = re.fullmatch(r"(\d+(?:\.\d+)?)([a-z%]+)", text)
    if not match or match[2] not in UNITS[kind]:
        raise Problem(f"testbed: --{kind}: found '{text}', expected a number with "
                      f"{' or '.join(UNITS[kind])}, such as {EXAMPLES[kind]}", USAGE)
    value = float(match[1]) * UNITS[kind][match[2]]
    least, most = {"rate": (8e3, 1e11), "delay": (0, 60), "loss": (0, 0.99)}[kind]
    if not least <= value <= most:
        raise Problem(f"testbed: --{kind}: found {text}, which is out of range; expected something "
                      f"like {EXAMPLES[kind]}", USAGE)
    return value


@dataclasses.dataclass
class Shape:
    """Of every node's link to the others, as it was typed; empty: left as it is."""
    rate: str = ""   # up and, apart from it, down
    delay: str = ""  # one way
    loss: str = ""   # of the packets that arrive

    def check(self):
        for kind in UNITS:
            if text := getattr(self, kind):
                parsed(kind, text)
        return self

    def __bool__(self):
        return bool(self.rate or self.delay or self.loss)

    def __str__(self):
        return " ".join(f"{kind} {getattr(self, kind)}" for kind in UNITS if getattr(self, kind))


# Makes one container's link what it shall be, from whatever it is. $1: its process, $2: bits a
# second, $3: seconds of delay, $4: share of packets lost, $5…: addresses that it is cut from. 0
# is none. Prints a word for each thing that this kernel cannot do.
SCRIPT = r"""
link() {
  inside="nsenter -t $1 -n" rate=$2 delay=$3 loss=$4; shift 4
  outside=$($inside ip -o link show eth0 | sed -n 's/^[0-9]*: eth0@if\([0-9]*\):.*/\1/p')
  outside=$(ip -o link | sed -n "s/^$outside: \([^@:]*\).*/\1/p")
  $inside tc qdisc del dev eth0 root 2>/dev/null
  tc qdisc del dev "$outside" root 2>/dev/null
  burst=$((rate / 800 + 16000))  # bytes of 10 ms
  if [ "$delay" != 0 ]; then
    full="delay ${delay}s limit 10000"; [ "$rate" = 0 ] || full="$full rate ${rate}bit"
    $inside tc qdisc add dev eth0 root netem $full 2>/dev/null && up=done || { up=; echo netem; }
  else
    up=
  fi
  if [ "$rate" != 0 ]; then
    tbf="tbf rate ${rate}bit burst $burst latency 100ms"
    [ -n "$up" ] || $inside tc qdisc add dev eth0 root $tbf 2>/dev/null || echo tbf
    tc qdisc add dev "$outside" root $tbf 2>/dev/null || echo tbf
  fi
  $inside ip route flush type blackhole
  if $inside iptables -w -F INPUT 2>/dev/null; then
    for address; do $inside iptables -w -A INPUT -s "$address" -j DROP; done
    [ "$loss" = 0 ] ||
      $inside iptables -w -A INPUT -i eth0 -m statistic --mode random --probability "$loss" \
        -j DROP 2>/dev/null || echo loss
  else
    for address; do $inside ip route add blackhole "$address/32"; done
    [ "$loss" = 0 ] || echo loss
  fi
}
# The containers wait for this.
open_gates() {
  for process; do nsenter -t "$process" -n ip link set dev eth0 alias open; done
}
"""

CANNOT = {
    "netem": "this kernel has no netem: --delay {shape.delay} is not applied",
    "tbf": "this kernel has no tbf: --rate {shape.rate} is not applied",
    "loss": "this kernel cannot drop packets by chance: --loss {shape.loss} is not applied",
}


def apply(shape, links):
    """`links`: for each container its process and the addresses that it is cut from. Returns a
    sentence for each thing that could not be done."""
    numbers = [f"{parsed(kind, text):.10g}" if (text := getattr(shape, kind)) else "0"
               for kind in UNITS]
    numbers[0] = str(int(float(numbers[0])))  # the shell's arithmetic is whole
    links = [(str(pid), cut) for pid, cut in links if pid]
    if not links:
        return []
    calls = [" ".join(["link", pid, *numbers, *cut]) for pid, cut in links]
    calls.append(" ".join(["open_gates", *(pid for pid, _ in links)]))
    out = docker("run", "--rm", "--interactive", "--network", "host", "--pid", "host",
                 "--cap-add", "NET_ADMIN", "--cap-add", "SYS_ADMIN", "--cap-add", "SYS_PTRACE",
                 "--security-opt", "apparmor=unconfined", NETWORK, "bash", "-s",
                 input=SCRIPT + "\n".join(calls) + "\n")
    missing = set(out.split())
    return [CANNOT[word].format(shape=shape) for word in CANNOT if word in missing]
