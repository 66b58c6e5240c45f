"""Two daemons of one pair with different run files do not mix."""
import time
import unittest

from flock import ENDLESS, FlockTest


class Mismatch(FlockTest):
    def check(self, override, field, ours, theirs):
        self.write_run({"topology.kind": "path", "topology.nodes": 2, "run.rounds": ENDLESS,
                        "gossip.algorithm": "powergossip"})
        begin = time.monotonic()
        daemons = [self.start_node("n0"), self.start_node("n1", "--set", override)]
        for node, peer, here, there in (("n0", "n1", ours, theirs), ("n1", "n0", theirs, ours)):
            sentence = (f"the run of {peer} is another one: {field} is '{here}' here and "
                        f"'{there}' there")
            self.until(lambda: sentence in self.log(node), f"{node} logs: {sentence}")
            self.until(lambda: self.peers(node)[peer]["reason"] == sentence, f"peers of {node}")
            self.assertNotEqual(self.peers(node)[peer]["state"], "up")
            self.assertEqual(self.peers(node)[peer]["epoch"], 0)
        for node in ("n0", "n1"):
            status = self.status(node)
            self.assertEqual((status["sent_bytes"], status["received_bytes"]), (0, 0))
            said = self.log(node).count("link refused")  # once in ten seconds, not each time
            self.assertLessEqual(said, 1 + (time.monotonic() - begin) // 10)
            self.starling("stop", "--node", node)
        for daemon in daemons:
            self.ended(daemon)

    def test_another_rank(self):
        text = "powergossip rank={} iterations=1 overlap=true relaxation=1"
        self.check("gossip.rank=2", "algorithm", text.format(1), text.format(2))

    def test_another_seed(self):
        self.check("run.seed=8", "seed", "7", "8")

    def test_another_model(self):
        text = "layer0.weight:{0}x64 layer0.bias:{0} layer1.weight:10x{0} layer1.bias:10"
        self.check("model.hidden=[20]", "model", text.format(16), text.format(20))


if __name__ == "__main__":
    unittest.main()
