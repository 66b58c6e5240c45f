"""A node loses its state in the middle of a run and comes back: it begins with a neighbor's model."""
import re
import shutil
import signal
import unittest

from flock import FlockTest, rounds

# Rounds that compute for some milliseconds: on a busy machine they slow down as the test does. The
# model has 270,000 parameters, so that it goes in more than one piece.
HEAVY = {"run.rounds": rounds(400), "run.evaluate_every": 0, "model.hidden": [512, 448],
         "train.batch": 64}
NODES = ("n0", "n1", "n2", "n3")


class Join(FlockTest):
    def lose(self, daemons, node):
        """Kills the node and removes all that it has kept."""
        daemons[node].kill()
        self.ended(daemons[node], -signal.SIGKILL)
        shutil.rmtree(self.state / node)

    def test_of_four_one_loses_its_state_and_fetches_a_model(self):
        self.write_run(HEAVY)
        daemons = {node: self.start_node(node) for node in NODES}
        self.training("n1")
        self.lose(daemons, "n1")
        self.until(lambda: "n1 is down, epoch 1" in self.log("n0"), "n0 notices")
        daemons["n1"] = self.start_node("n1")
        line = self.until(lambda: re.search(
            r"fetched the model of round (\d+) from (n0|n2): (\d+) KB in (\d+) pieces, "
            r"\d+\.\d s", self.log("n1")), "n1 fetches")
        self.assertGreater(int(line[1]), 10)
        self.assertEqual(int(line[3]), 1071)
        self.assertEqual(int(line[4]), 5)
        self.until(lambda: re.search(r"n1 is back after .* rounds apart: the models are .* from each "
                                     r"other, .*; the edge starts anew: .*; healing took \d+ bytes",
                                     self.log("n0")), "n0 tells of the edge that came back")
        for daemon in daemons.values():
            self.ended(daemon)
        self.assertEqual({self.report(node)["round"] for node in NODES}, {HEAVY["run.rounds"]})
        # All are in the same place, the one that was away too.
        losses = [self.report(node)["loss"] for node in NODES]
        self.assertLess(max(losses), 2 * min(losses) + 0.1)
        self.assertNotIn("broke the protocol", "".join(self.log(node) for node in NODES))

    def test_with_join_start_it_begins_with_the_start_model(self):
        self.write_run(HEAVY | {"run.join": "start"})
        daemons = {node: self.start_node(node) for node in NODES}
        self.training("n1")
        self.lose(daemons, "n1")
        daemons["n1"] = self.start_node("n1")
        for daemon in daemons.values():
            self.ended(daemon)
        self.assertNotIn("fetched", self.log("n1"))
        self.assertEqual(self.report("n1")["round"], HEAVY["run.rounds"])


if __name__ == "__main__":
    unittest.main()
