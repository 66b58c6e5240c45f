"""The peak resident memory of daemons under faults, against what they said at start and the bar:
4 d (2 degree + 6) bytes + 64 MiB for d parameters.

By hand all algorithms, with four neighbors as well and a larger model (two hidden layers of so many
units, 4.3 million parameters):

    STARLING_MEMORY_HIDDEN=2048 STARLING_MEMORY_DEGREES=2,4 STARLING_MEMORY_ALGORITHMS=all \\
        STARLING_BIN=build/release/daemon python3 tests/system/memory_test.py
"""
import os
import re
import signal
import unittest

from flock import ENDLESS, FlockTest, SLOWNESS

TOP_K = {"compress.operator": "top-k", "compress.ratio": 0.01}
# Of methods that keep moments themselves; an optimizer's would be a vector more.
ADAM = {"train.momentum": 0}
ALGORITHMS = {
    "d-psgd": {},
    "choco": TOP_K,
    "cold": {"compress.operator": "block-top-k"},
    "def-atc": TOP_K,
    "powergossip": {},
    "powergossip-exact": {},
    "dyna-cold": {},
    "nids": {},
    "sgp": {},
    "moniqua": {},
    "deepsqueeze": TOP_K,
    "gradient-tracking": {},
    "ad-psgd": {},
    "beer": TOP_K,
    "econtrol": TOP_K,
    "doublesqueeze": {"compress.operator": "sign"},
    "cd-adam": {"compress.operator": "sign"} | ADAM,
    "one-bit-adam": {"compress.operator": "sign", "gossip.freeze": 3,
                     "train.learning_rate": 1e-6} | ADAM,
    "zero-one-adam": {"compress.operator": "sign", "gossip.freeze": 3,
                      "train.learning_rate": 1e-6} | ADAM,
    "liec-sgd": {"compress.operator": "sign"},
    "neolithic": {"compress.operator": "sign"},
    "dore": {"compress.operator": "quantize", "compress.bits": 8},
    "birder": {"gossip.allow_unproven": True},
    "diloco": {"compress.operator": "sign"},
    "streaming-diloco": {"compress.operator": "sign"},
    "sketched-amsgrad": {"compress.operator": "count-sketch", "compress.width": 65536,
                         "compress.keep": 4096} | ADAM,
}
# Whose neighbors hold replicas of two vectors of d floats, the model and the tracker, which is their
# bar.
IN_PAIRS = ("beer",)
CHOSEN = os.environ.get("STARLING_MEMORY_ALGORITHMS",
                        "d-psgd,cold,zero-one-adam")
DEGREES = [int(d) for d in os.environ.get("STARLING_MEMORY_DEGREES", "2").split(",")]
HIDDEN = int(os.environ.get("STARLING_MEMORY_HIDDEN", "1024"))
PARAMETERS = 65 * HIDDEN + (HIDDEN + 1) * HIDDEN + (HIDDEN + 1) * 10
MIB = 1 << 20
FORECAST = re.compile(r"at most (\d+) MiB of memory")


def peak_bytes(pid):
    with open(f"/proc/{pid}/status") as status:
        return next(int(line.split()[1]) * 1024 for line in status if line.startswith("VmHWM"))


class Flock:
    """Daemons that are all neighbors, and the most that each node ever took."""

    def __init__(self, test, nodes):
        self.test = test
        self.nodes = [f"n{i}" for i in range(nodes)]
        self.daemons = {node: test.start_node(node) for node in self.nodes}
        self.peaks = dict.fromkeys(self.nodes, 0)

    def look(self, *nodes):
        for node in nodes or self.nodes:
            self.peaks[node] = max(self.peaks[node], peak_bytes(self.daemons[node].pid))

    def kill(self, node):
        self.look(node)
        self.daemons[node].kill()
        self.daemons[node].wait()

    def some_rounds(self, node="n0", count=3):
        self.test.training(node, past_round=self.test.status(node)["round"] + count)

    def restart(self, *nodes):
        for node in nodes:
            self.daemons[node] = self.test.start_node(node)
        for node in nodes:
            self.test.until(lambda: self.test.peers("n0").get(node, {}).get("state") == "up",
                            f"{node} is back")
        self.some_rounds()

    def pause(self, node):
        os.kill(self.daemons[node].pid, signal.SIGSTOP)
        self.test.until(lambda: self.test.peers("n0")[node]["state"] != "up", "n0 goes on alone")
        self.some_rounds()
        os.kill(self.daemons[node].pid, signal.SIGCONT)
        self.test.until(lambda: self.test.peers("n0")[node]["state"] == "up", f"{node} is back")
        self.some_rounds()

    def end(self):
        self.look()
        for daemon in self.daemons.values():
            daemon.terminate()
        for daemon in self.daemons.values():
            self.test.ended(daemon)


@unittest.skipIf(SLOWNESS > 1, "a sanitizer's memory says nothing about the daemon's")
class Memory(FlockTest):
    def test_no_fault_takes_more_than_was_said_nor_than_the_bar(self):
        names = list(ALGORITHMS) if CHOSEN == "all" else CHOSEN.split(",")
        for degree in DEGREES:
            for name in names:
                with self.subTest(algorithm=name, degree=degree):
                    self.check(name, degree)

    def check(self, name, degree):
        self.state = self.dir / f"{name}-{degree}"
        self.write_run({"run.rounds": ENDLESS, "run.evaluate_every": 0, "data.split": "iid",
                        "data.alpha": None, "topology.kind": "complete",
                        "topology.nodes": degree + 1, "model.hidden": [HIDDEN, HIDDEN],
                        "train.batch": 8, "train.learning_rate": 0.01, "checkpoint.every": 3,
                        "gossip.algorithm": name} | ALGORITHMS[name])
        flock = Flock(self, degree + 1)
        self.training("n0", past_round=3)
        flock.pause("n1")
        flock.kill("n1")
        flock.some_rounds()
        flock.kill("n2")
        flock.some_rounds()
        flock.restart("n1", "n2")
        flock.kill("n2")
        # Without what it knew: the edges to it begin anew.
        for slot in (0, 1):
            (self.state / f"n2/checkpoint-{slot}.safetensors").unlink(missing_ok=True)
        flock.restart("n2")
        flock.end()

        said = int(FORECAST.findall(self.log("n0"))[-1]) * MIB
        bar = 4 * (2 if name in IN_PAIRS else 1) * PARAMETERS * (2 * degree + 6) + 64 * MIB
        peak = max(flock.peaks.values())
        print(f"{name:18} degree {degree}, {PARAMETERS / 1e6:.2f} M parameters: peak "
              f"{peak / MIB:6.0f} MiB, said {said / MIB:6.0f}, bar {bar / MIB:6.0f}", flush=True)
        self.assertLessEqual(peak, said)
        self.assertLessEqual(peak, bar)

    def test_a_node_that_would_take_more_than_its_limit_is_not_started(self):
        self.write_run({"run.memory_limit": "40 MiB", "model.hidden": [1024, 1024]})
        done = self.call("starlingd", self.run_file, "--node", "n0", "--state", self.state)
        self.assertEqual(done.returncode, 10)
        self.assertEqual(len(done.stderr.splitlines()), 1, done.stderr)
        for part in ("[run] memory_limit: found 40 MiB, but n0 takes at most ", "MiB model and update",
                     "raise the limit"):
            self.assertIn(part, done.stderr)
        self.assertFalse((self.state / "n0").exists())
        checked = self.call("starling", "config", "check", self.run_file)
        self.assertEqual((checked.returncode, checked.stderr), (10, done.stderr))
        self.assertIn("takes at most", self.call("starling", "config", "check", self.run_file, "--set",
                                                 "run.memory_limit=0").stdout)


if __name__ == "__main__":
    unittest.main()
