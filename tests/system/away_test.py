"""A node of a mesh dies: the others agree, take its shard over, and give it back."""
import re
import signal
import unittest

from flock import ENDLESS, FlockTest

MESH = {"run.rounds": ENDLESS, "run.evaluate_every": 0, "train.local_steps": 8,
        "topology.nodes": 4, "topology.kind": "complete", "gossip.algorithm": "econtrol",
        "compress.operator": "top-k", "compress.ratio": 0.01}
NAMES = ["n0", "n1", "n2", "n3"]


class Away(FlockTest):
    def start_flock(self, hand_over_seconds=1):
        self.write_run(MESH | {"run.hand_over_seconds": hand_over_seconds})
        daemons = {name: self.start_node(name) for name in NAMES}
        for name in NAMES:
            self.training(name, past_round=5)
        return daemons

    def in_log(self, node, what):
        self.until(lambda: what in self.log(node), f"{node} says: {what}")

    def all_up(self, *nodes):
        def look():
            return all(peer["state"] == "up" for node in nodes
                       for name, peer in self.peers(node).items() if name in nodes)
        self.until(look, f"{nodes} are connected")

    def test_the_others_take_its_shard_over_and_give_it_back(self):
        daemons = self.start_flock()
        self.assertIn("each node owns 1/4 of the model, which rests while its owner is away; after "
                      "1 s it is the others'", self.log("n0"))
        daemons["n3"].send_signal(signal.SIGKILL)
        daemons.pop("n3").wait()
        others = NAMES[:3]
        for name in others:
            self.in_log(name, "n3 is away, shards move, 3 in place of 4")
        self.all_up(*others)
        self.goes_on(*others)
        gone = self.peers("n0")["n3"]
        self.assertNotEqual(gone["state"], "up")
        self.assertTrue(gone["reason"].startswith("away, its shard is the others': "), gone["reason"])

        # One that restarts meanwhile goes on among the three.
        self.starling("checkpoint", "--node", "n1")
        self.starling("stop", "--node", "n1")
        self.ended(daemons.pop("n1"))
        lines = self.log("n1").count("n3 is away")
        daemons["n1"] = self.start_node("n1")
        self.all_up(*others)
        self.goes_on(*others)
        self.assertEqual(self.log("n1").count("n3 is away"), lines)

        daemons["n3"] = self.start_node("n3")
        for name in others:
            self.in_log(name, "n3 is back, shards move, 4 in place of 3")
        self.in_log("n3", "this node was away and begins with the model of a neighbor")
        self.until(lambda: re.search(r"fetched the model of round \d+ from n[012]", self.log("n3")),
                   "n3 has the others' model")
        self.all_up(*NAMES)
        self.goes_on(*NAMES)
        for name, daemon in daemons.items():
            self.assertIsNone(daemon.poll(), name)
            self.assertNotIn("broke the protocol", self.log(name))
            self.assertNotIn("is another one", self.log(name))

    def test_the_shards_of_those_who_leave_move_at_once(self):
        daemons = self.start_flock(hand_over_seconds=86400)
        self.starling("leave", "--node", "n3")
        self.ended(daemons.pop("n3"))
        for name in NAMES[:3]:
            self.in_log(name, "n3 is away, shards move, 3 in place of 4")
        self.all_up(*NAMES[:3])
        self.goes_on(*NAMES[:3])
        daemons["n3"] = self.start_node("n3")
        self.in_log("n3", "this node was away and begins with the model of a neighbor")
        self.all_up(*NAMES)
        self.goes_on(*NAMES)

    def test_half_of_a_flock_waits_for_the_other_half(self):
        daemons = self.start_flock()
        for name in ("n2", "n3"):
            daemons[name].send_signal(signal.SIGKILL)
            daemons.pop(name).wait()
        self.training("n0", past_round=self.status("n0")["round"] + 200)
        self.assertNotIn("is away,", self.log("n0"))


if __name__ == "__main__":
    unittest.main()
