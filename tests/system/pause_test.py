"""A daemon is stopped (kill -STOP) for a while in the middle of a run, and goes on.

STARLING_PAUSE_SECONDS: how long; a little more than the others wait for it unless it is set. By
hand, with 20:

    STARLING_PAUSE_SECONDS=20 STARLING_BIN=build/release/daemon python3 tests/system/pause_test.py
"""
import datetime
import os
import re
import signal
import statistics
import time
import unittest

from flock import ENDLESS, FlockTest

# A neighbor that is late is left out after three seconds and something (gossip/arrivals.h).
PAUSE_SECONDS = float(os.environ.get("STARLING_PAUSE_SECONDS", "6"))
NODES = [f"n{i}" for i in range(8)]
PAUSED = "n3"
OTHERS = [node for node in NODES if node != PAUSED]
NEIGHBORS = ["n2", "n4"]
LINE = re.compile(r"^\[?(\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d\.\d+)")


class Pause(FlockTest):
    def test_a_node_that_stands_still_costs_one_deadline_and_is_back_at_once(self):
        # Steps of some milliseconds: there is something that could get longer.
        self.write_run({"run.rounds": ENDLESS, "run.evaluate_every": 0, "topology.nodes": 8,
                        "gossip.algorithm": "choco", "compress.operator": "top-k",
                        "compress.ratio": 0.1, "model.hidden": [128], "train.batch": 64})
        daemons = {node: self.start_node(node) for node in NODES}
        for node in NODES:
            self.training(node, past_round=40)
        epochs = {node: self.peers(node)[PAUSED]["epoch"] for node in NEIGHBORS}
        before = {node: self.status(node)["round"] for node in OTHERS}

        os.kill(daemons[PAUSED].pid, signal.SIGSTOP)
        stopped = time.monotonic()
        for node in NEIGHBORS:
            self.until(lambda: f"{PAUSED} is down" in self.log(node), f"{node} goes on without it")
        # All of them: a round that waits for n3 makes waves around the ring.
        out = {node: self.status(node)["round"] for node in OTHERS}
        self.until(lambda: time.monotonic() - stopped > PAUSE_SECONDS, "the end of the pause")
        still = {node: self.training(node, past_round=out[node] + 20)["round"] for node in OTHERS}
        at = {node: self.status(node)["round"] for node in NEIGHBORS}
        counted = {node: self.peers(node)[PAUSED]["counted"] for node in NEIGHBORS}
        os.kill(daemons[PAUSED].pid, signal.SIGCONT)
        self.woken = datetime.datetime.now()

        for node in NEIGHBORS:
            peer = self.until(lambda: self.exchanges_again(node, counted[node]), "it exchanges")
            self.assertEqual(peer["reopened"], 0, "both ends knew where they were")
            self.assertGreater(peer["epoch"], epochs[node])
        back = self.training(PAUSED, past_round=max(at.values()))
        self.assertGreater(back["round"], max(at.values()))
        for daemon in daemons.values():
            self.assertIsNone(daemon.poll(), self.logs())
            daemon.terminate()
        for daemon in daemons.values():
            self.ended(daemon)
        self.tell(before, out, still)

    def exchanges_again(self, node, counted):
        peer = self.peers(node).get(PAUSED)
        return peer if peer and peer["state"] == "up" and peer["counted"] > counted else None

    def tell(self, before, out, still):
        """For people: the figures depend on the machine."""
        ratios = []
        for node in OTHERS:
            steps = self.step_seconds(node)
            usual = statistics.median(seconds for r, seconds in steps.items()
                                      if 10 < r < before[node])
            during = statistics.median(seconds for r, seconds in steps.items()
                                       if out[node] < r < still[node])
            ratios.append(during / usual)
        print(f"pause of {PAUSE_SECONDS:.0f} s: median step of the others during it "
              f"{statistics.median(ratios):.3f} times the one before (worst {max(ratios):.3f})")
        for node in NEIGHBORS:
            print(f"{node}: {self.way_back(node)}")

    def step_seconds(self, node):
        times = {}
        for line in self.log(node).splitlines():
            if found := re.search(r"round=(\d+) ", line):
                times[int(found[1])] = moment_of(line)
        return {r: (times[r] - times[r - 1]).total_seconds() for r in times if r - 1 in times}

    def way_back(self, node):
        """From SIGCONT to the new link, and to the end of the first round after it."""
        lines = self.log(node).splitlines()
        up = max(i for i, line in enumerate(lines) if f"{PAUSED} is up" in line)
        linked = (moment_of(lines[up]) - self.woken).total_seconds()
        round_after = next(line for line in lines[up:] if "round=" in line)
        done = (moment_of(round_after) - self.woken).total_seconds()
        return (f"linked {1e3 * linked:.0f} ms after SIGCONT, the round under way then was done after "
                f"{1e3 * done:.0f} ms; the edge takes part from the next one on")


def moment_of(line):
    return datetime.datetime.fromisoformat(LINE.search(line)[1].replace(" ", "T"))


if __name__ == "__main__":
    unittest.main()
