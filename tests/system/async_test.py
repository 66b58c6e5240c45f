"""Nodes that do not go through rounds together, over TCP: one of them slow, one that stands still."""
import os
import signal
import unittest

from flock import ENDLESS, FlockTest, rounds

STALENESS = 4
NODES = [f"n{i}" for i in range(6)]
SLOW, PAUSED = "n1", "n4"
OTHERS = [node for node in NODES if node not in (SLOW, PAUSED)]


class Async(FlockTest):
    def start_flock(self):
        # A step of the slow node has sixteen times the rows of another one's.
        self.write_run({"run.rounds": ENDLESS, "run.evaluate_every": 0, "topology.nodes": 6,
                        "gossip.algorithm": "ad-psgd", "gossip.staleness": STALENESS,
                        "model.hidden": [256], "train.batch": 16, "data.split": "iid",
                        "data.alpha": None, "checkpoint.enabled": False})
        return {node: self.start_node(node, *(["--set", "train.batch=256"] if node == SLOW else []))
                for node in NODES}

    def test_a_slow_node_and_one_that_stands_still_cost_the_others_little(self):
        daemons = self.start_flock()
        begun = {node: self.training(node, past_round=30) for node in NODES}
        self.slow_and_fast(begun)

        os.kill(daemons[PAUSED].pid, signal.SIGSTOP)
        for node in ("n3", "n5"):
            self.until(lambda: self.peers(node)[PAUSED]["state"] != "up", f"{node} gives up on it")
        # Nobody waits for it any more, and all go on.
        at = {node: self.status(node)["round"] for node in OTHERS}
        for node in OTHERS:
            self.training(node, past_round=at[node] + 20 * STALENESS)
        counted = {node: self.peers(node)[PAUSED]["counted"] for node in ("n3", "n5")}
        os.kill(daemons[PAUSED].pid, signal.SIGCONT)
        for node in ("n3", "n5"):
            peer = self.until(lambda: self.exchanges_again(node, counted[node]),
                              f"{node} exchanges with it again")
            self.assertEqual(peer["reopened"], 0, "both ends knew where they were")

        self.finish_together(daemons)

    def slow_and_fast(self, begun):
        """Steps of the slow node take longer, and the others do not wait for each of them."""
        fast, slow = self.status("n3"), self.status(SLOW)
        steps = {node: status["compute_seconds"] for node, status in (("n3", fast), (SLOW, slow))}
        self.assertGreater(steps[SLOW] / slow["round"], steps["n3"] / fast["round"])
        for node, status in begun.items():
            self.assertGreater(status["received_bytes"], 0, node)

    def exchanges_again(self, node, counted):
        peer = self.peers(node).get(PAUSED)
        return peer if peer and peer["state"] == "up" and peer["counted"] > counted else None

    def finish_together(self, daemons):
        """A stop saves nothing here: all begin anew, and the run has an end. It is long enough for one
        that is started a second later, which goes on where the others are."""
        for daemon in daemons.values():
            self.assertIsNone(daemon.poll(), self.logs())
            daemon.terminate()
        for daemon in daemons.values():
            self.ended(daemon)
        last = rounds(2000)
        done = [self.start_node(node, "--set", f"run.rounds={last}",
                                *(["--set", "train.batch=256"] if node == SLOW else []))
                for node in NODES]
        for daemon in done:
            self.ended(daemon)
        reports = {node: self.report(node) for node in NODES}
        self.assertEqual({report["round"] for report in reports.values()}, {last})
        for node, report in reports.items():
            self.assertGreater(report["accuracy"], 0.8, node)


if __name__ == "__main__":
    unittest.main()
