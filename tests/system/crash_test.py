"""A daemon dies of kill -9 in the middle of a run; the others go on."""
import json
import os
import signal
import unittest

from flock import FlockTest, rounds

# Rounds that compute for some milliseconds: on a busy machine they slow down as the test does.
HEAVY = {"run.rounds": rounds(2000), "run.evaluate_every": 0, "model.hidden": [128],
         "train.batch": 0}


class Crash(FlockTest):
    def test_of_eight_one_is_killed_and_seven_finish(self):
        self.write_run(HEAVY | {"topology.nodes": 8})
        up = self.start_up("--json")
        os.kill(self.training("n3")["pid"], signal.SIGKILL)

        def lost():
            peer = self.peers("n2").get("n3")
            if not peer:
                self.assertIsNone(up.poll(), f"the run is over: give it more rounds{self.logs()}")
            return peer if peer and peer["state"] != "up" else None
        peer = self.until(lost, "n2 says that n3 is not up")
        self.assertNotEqual(peer["reason"], "")
        self.assertGreaterEqual(peer["since_seconds"], 0)
        self.assertEqual(self.peers("n2")["n1"]["state"], "up")

        self.ended(up)
        report = json.loads((self.dir / "up.out").read_text())
        self.assertEqual(report["missing"], ["n3"])
        self.assertEqual([node["name"] for node in report["nodes"]],
                         ["n0", "n1", "n2", "n4", "n5", "n6", "n7"])
        self.assertEqual({node["round"] for node in report["nodes"]}, {HEAVY["run.rounds"]})
        self.assertIn("no report from n3", (self.dir / "up.err").read_text())

    def test_of_four_one_is_killed_and_comes_back(self):
        self.write_run(HEAVY)
        daemons = {node: self.start_node(node) for node in ("n0", "n1", "n2", "n3")}
        self.training("n0")
        self.assertEqual(self.peers("n0")["n1"]["epoch"], 1)
        daemons["n1"].kill()
        self.ended(daemons["n1"], -signal.SIGKILL)
        self.until(lambda: "n1 is down, epoch 1" in self.log("n0"), "n0 notices")

        daemons["n1"] = self.start_node("n1")
        self.until(lambda: "n1 is up, epoch 2" in self.log("n0"), "n1 is back")
        peer = self.until(lambda: self.peers("n0").get("n1"), "n0 answers")
        self.assertEqual((peer["state"], peer["epoch"], peer["reason"]), ("up", 2, ""))

        for daemon in daemons.values():
            self.ended(daemon)
        self.assertEqual({self.report(node)["round"] for node in daemons}, {HEAVY["run.rounds"]})
        self.assertGreater(self.report("n1")["received_bytes"], 0)


if __name__ == "__main__":
    unittest.main()
