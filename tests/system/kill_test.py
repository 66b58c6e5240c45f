"""Eight daemons that train, one of which dies of kill -9 again and again, at any instant.

STARLING_KILLS: how many times; 16 unless it is set. By hand, with 200:

    STARLING_KILLS=200 STARLING_BIN=build/release/daemon python3 tests/system/kill_test.py
"""
import os
import random
import re
import signal
import time
import unittest

from flock import ENDLESS, FlockTest, SLOWNESS

KILLS = int(os.environ.get("STARLING_KILLS", "16" if SLOWNESS == 1 else "4"))
SEED = int(os.environ.get("STARLING_KILL_SEED", "18"))
NODES = [f"n{i}" for i in range(8)]
SAVED = re.compile(r"checkpoint of (\d+) rounds in ")
RESUMED = re.compile(r"resumed from .* after (\d+) rounds")
ROUND = re.compile(r"round=(\d+) ")


class Follower:
    """What a log says that only grows; each line is read once."""

    def __init__(self, file):
        self.file = file
        self.at = 0
        self.rest = ""
        self.saved = 0        # rounds in the newest checkpoint that it has acknowledged
        self.resumed = None   # where the newest process went on; none: it has not said yet
        self.round = None     # the newest that this process has done
        self.wrong = []       # lines that must not be there

    def look(self):
        with self.file.open(errors="replace") as log:
            log.seek(self.at)
            text = self.rest + log.read()
            self.at = log.tell()
        *lines, self.rest = text.split("\n")
        for line in lines:
            if found := RESUMED.search(line):
                self.resumed = int(found[1])
            elif found := SAVED.search(line):
                self.saved = max(self.saved, int(found[1]))
            elif found := ROUND.search(line):
                self.round = int(found[1])
            elif "a checkpoint is not used" in line or "no checkpoint of" in line:
                self.wrong.append(line)

    def restarted(self):
        self.look()
        self.resumed = self.round = None
        # A line that its writer did not finish ends where the next process begins.
        self.rest = ""


class Kills(FlockTest):
    def test_of_eight_that_train_any_may_die_at_any_instant(self):
        """0 checkpoints lost or damaged; each comes back where it was acknowledged, or later."""
        self.write_run({"run.rounds": ENDLESS, "run.evaluate_every": 0, "topology.nodes": 8,
                        "gossip.algorithm": "choco", "compress.operator": "top-k",
                        "compress.ratio": 0.1, "checkpoint.every": 2, "data.split": "iid",
                        "data.alpha": None})
        daemons = {node: self.start_node(node) for node in NODES}
        logs = {node: Follower(self.dir / "by-hand" / f"{node}.log") for node in NODES}
        dice = random.Random(SEED)
        lost = 0
        for _ in range(KILLS):
            node = dice.choice(NODES)
            log = logs[node]
            self.trains(node, log, daemons[node])
            # The instant is drawn, and not where a poll of the log would find it.
            instant = time.monotonic() + dice.uniform(0, 0.2 * SLOWNESS)
            self.until(lambda: time.monotonic() >= instant, "the instant to kill")
            daemons[node].kill()
            self.ended(daemons[node], -signal.SIGKILL)
            log.restarted()
            acknowledged = log.saved
            daemons[node] = self.start_node(node)
            self.trains(node, log, daemons[node])
            resumed = log.resumed or 0
            lost += resumed < acknowledged
            self.assertGreaterEqual(resumed, acknowledged, f"{node} lost a checkpoint{self.logs()}")
        for node in NODES:
            logs[node].look()
            self.assertEqual(logs[node].wrong, [], node)
        self.end_well(daemons)
        print(f"{KILLS} kills, {lost} checkpoints lost, 0 damaged", flush=True)

    def trains(self, node, log, daemon):
        def look():
            log.look()
            self.assertIsNone(daemon.poll(), f"{node} has ended{self.logs()}")
            return log.round is not None
        self.until(look, f"{node} trains")

    def end_well(self, daemons):
        """All stop, go on from what they saved and finish a run that has an end."""
        for daemon in daemons.values():
            daemon.terminate()
        for daemon in daemons.values():
            self.ended(daemon)
        done = max(self.report(node)["round"] for node in NODES)
        last = {node: self.start_node(node, "--set", f"run.rounds={done + 150}") for node in NODES}
        for daemon in last.values():
            self.ended(daemon)
        reports = [self.report(node) for node in NODES]
        self.assertEqual({report["round"] for report in reports}, {done + 150})
        for report in reports:
            self.assertGreater(report["accuracy"], 0.85, report["name"])


if __name__ == "__main__":
    unittest.main()
