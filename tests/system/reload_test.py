"""Nodes and edges come and go while daemons train: SIGHUP, `starling reload`, all or nothing."""
import re
import signal
import unittest

from flock import ENDLESS, FlockTest

CONFIG, IO = 10, 15
# A step of some milliseconds, so that rounds do not race away while one node is alone.
SLOW = {"run.rounds": ENDLESS, "run.evaluate_every": 0, "train.local_steps": 8,
        "topology.nodes": None, "topology.base_port": None, "gossip.algorithm": "cold",
        "compress.operator": "block-top-k"}


class Reload(FlockTest):
    def write(self, names, left=(), changes=None):
        self.write_run(SLOW | (changes or {}))
        with self.run_file.open("a") as out:
            for place, name in enumerate(names):
                out.write(f'[[node]]\nname = "{name}"\n'
                          f'address = "127.0.0.1:{self.base_port + place}"\n')
                if name in left:
                    out.write("left = true\n")

    def start_flock(self, names, changes=None):
        self.write(names, changes=changes)
        daemons = {name: self.start_node(name) for name in names}
        for name in names:
            self.training(name)
        return daemons

    def all_up(self, node, *neighbors):
        """Waits until exactly these are its neighbors, and connected."""
        def look():
            peers = self.peers(node)
            return peers if set(peers) == set(neighbors) and all(
                peer["state"] == "up" for peer in peers.values()) else None
        return self.until(look, f"{node} is connected to {neighbors}")

    def test_a_fifth_node_joins_four_and_one_leaves(self):
        four = ["n0", "n1", "n2", "n3"]
        daemons = self.start_flock(four)
        five = [*four, "n4"]
        self.write(five)
        replies = self.starling("reload", "--json")["nodes"]
        self.assertEqual([reply["node"] for reply in replies], four)
        self.assertIn("n4 joins", replies[1]["changes"])
        self.assertNotIn("the edge to n4 is new", replies[1]["changes"])
        self.assertIn("the edge to n4 is new", replies[0]["changes"])
        self.assertIn("the edge to n3 is gone", replies[0]["changes"])
        self.goes_on(*four)
        daemons["n4"] = self.start_node("n4")
        self.all_up("n0", "n1", "n4")
        self.all_up("n4", "n0", "n3")
        self.goes_on(*five)

        self.starling("stop", "--node", "n1")
        self.ended(daemons.pop("n1"))
        self.write(five, left=["n1"])
        text = self.starling("reload")
        self.assertIn("n1 leaves", text)
        weights = self.all_up("n0", "n2", "n4")
        self.assertAlmostEqual(weights["n2"]["weight"], 1 / 3)
        self.all_up("n2", "n0", "n3")
        self.goes_on(*daemons)
        again = self.call("starlingd", self.run_file, "--node", "n1", "--state", self.state)
        self.assertEqual(again.returncode, CONFIG)
        self.assertIn('node "n1" has left the run', again.stderr)
        for name, daemon in daemons.items():
            self.assertIsNone(daemon.poll(), name)
            self.assertNotIn("broke the protocol", self.log(name))

    def test_a_mesh_that_loses_a_node_has_larger_shards_and_goes_on(self):
        """An owner tells its whole shard after a reload, the largest message that there is; larger
        models than that of these tests have a larger share of it."""
        mesh = {"topology.kind": "complete", "gossip.algorithm": "econtrol",
                "compress.operator": "top-k", "compress.ratio": 0.01, "model.hidden": [256]}
        names = ["n0", "n1", "n2", "n3"]
        daemons = self.start_flock(names, changes=mesh)
        self.assertIn("each node owns 1/4 of the model, which rests while its owner is away",
                      self.log("n0"))
        self.starling("stop", "--node", "n3")
        self.ended(daemons.pop("n3"))
        self.write(names, left=["n3"], changes=mesh)
        self.starling("reload")
        for name in daemons:
            self.all_up(name, *(other for other in daemons if other != name))
        self.goes_on(*daemons)
        for name, daemon in daemons.items():
            self.assertIsNone(daemon.poll(), name)
            counted = {peer: told["counted"] for peer, told in self.peers(name).items()}
            self.until(lambda: all(told["counted"] > counted[peer] + 3
                                   for peer, told in self.peers(name).items()),
                       f"exchanges of {name} count")
            self.assertNotIn("expected at most", self.log(name))
            self.assertNotIn("broke the protocol", self.log(name))

    def test_a_file_that_may_not_be_taken_up_changes_nothing(self):
        names = ["n0", "n1", "n2"]
        daemons = self.start_flock(names)
        epochs = {name: peer["epoch"] for name, peer in self.all_up("n0", "n1", "n2").items()}
        self.write(names, changes={"train.batch": 64, "gossip.gamma": 0.25})
        refused = self.call("starling", "reload", self.run_file, "--state", self.state)
        self.assertEqual(refused.returncode, IO)
        self.assertIn("[gossip] gamma: found 0.25, and the run goes on with nothing; a reload "
                      "changes [topology], [[node]] and [limits] alone", refused.stderr)
        self.write(["n0", "n2"])
        gone = self.call("starling", "reload", self.run_file, "--state", self.state, "--node", "n0")
        self.assertEqual(gone.returncode, IO)
        self.assertIn('found "n2" as number 1, and the run goes on with "n1" there', gone.stderr)
        self.run_file.write_text("[run\n")
        daemons["n0"].send_signal(signal.SIGHUP)
        self.until(lambda: "the run file is not taken up" in self.log("n0"), "a line in the log")
        self.write(names)
        self.goes_on(*names)
        self.assertEqual({name: peer["epoch"] for name, peer in
                          self.all_up("n0", "n1", "n2").items()}, epochs)

    def test_sighup_at_one_node_after_the_other(self):
        names = ["n0", "n1", "n2", "n3"]
        daemons = self.start_flock(names)
        self.write(names, changes={"topology.kind": "complete", "run.rounds": 5})
        daemons["n0"].send_signal(signal.SIGHUP)
        self.until(lambda: "the edge to n2 is new" in self.log("n0"), "n0 has reloaded")
        self.assertIn("takes effect at the next start: [run] rounds: 5, ", self.log("n0"))
        self.until(lambda: "the topology differs" in str(self.peers("n1").get("n0")),
                   "n1 says why n0 is down")
        self.goes_on("n1", "n2", "n3")
        for name in names[1:]:
            daemons[name].send_signal(signal.SIGHUP)
        for name in names:
            self.all_up(name, *(other for other in names if other != name))
        self.goes_on(*names)

    def test_the_memory_that_is_forecast_is_that_of_the_new_graph(self):
        names = ["n0", "n1", "n2", "n3"]
        self.start_flock(names)

        def forecast():
            text = self.starling("metrics", "--node", "n0")
            return float(re.search(r"\nstarling_memory_forecast_bytes\{.*\} (\S+)", text)[1])

        before = forecast()
        self.write(names, changes={"limits.max_send": "1gbit"})
        self.starling("reload")
        self.assertEqual(forecast(), before)
        self.assertEqual(self.log("n0").count(" of memory: "), 1, "at the start")
        self.write(names, changes={"topology.kind": "complete", "limits.max_send": "1gbit"})
        self.starling("reload")
        self.assertGreater(forecast(), before, "three neighbors and not two")
        said = re.findall(r"at most (\d+) MiB of memory: ", self.log("n0"))
        self.assertEqual(len(said), 2)

    def test_a_checkpoint_goes_on_under_another_graph(self):
        names = ["n0", "n1", "n2", "n3"]
        daemons = self.start_flock(names)
        self.starling("stop")
        for daemon in daemons.values():
            self.ended(daemon)
        done = {name: self.report(name)["round"] for name in names}
        self.write(names, left=["n3"])
        for name in names[:3]:
            self.start_node(name)
        for name in names[:3]:
            self.training(name, past_round=max(done.values()))
            self.assertIn("resumed from", self.log(name))
        self.assertIn("the run file has no edge to n3 any more", self.log("n0"))
        self.all_up("n0", "n1", "n2")


if __name__ == "__main__":
    unittest.main()
