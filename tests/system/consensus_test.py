"""How far the models of neighbors are apart, while they train."""
import unittest

from flock import ENDLESS, FlockTest

NAMES = ("n0", "n1", "n2")


class Consensus(FlockTest):
    def start_flock(self):
        self.write_run({"run.rounds": ENDLESS, "run.evaluate_every": 0, "topology.nodes": 3})
        return {name: self.start_node(name) for name in NAMES}

    def known(self, node):
        status = self.status(node)
        return status if status and "consensus_distance" in status else None

    def test_it_is_told_of_nodes_and_of_their_links(self):
        self.start_flock()
        for node in NAMES:
            status = self.until(lambda: self.known(node), f"{node} knows how far it is apart")
            self.assertTrue(0 < status["consensus_distance"] < 1, status)
            self.assertGreaterEqual(status["consensus_round"], 16)
        def all_known():
            peers = self.peers("n0")
            return peers if all("distance" in peer for peer in peers.values()) else None
        for peer in self.until(all_known, "n0 knows both").values():
            self.assertTrue(0 < peer["distance"] < 1, peer)
        self.assertRegex(self.starling("status").splitlines()[0], r" test +apart +sent ")
        self.assertRegex(self.starling("peers").splitlines()[0], r" weight +apart +sent ")
        text = self.starling("metrics", "--node", "n0")
        self.assertIn('starling_consensus_distance_ratio{node="n0"} 0.', text)
        self.assertIn('starling_peer_distance_ratio{node="n0",peer="n1"} ', text)

    def test_of_a_neighbor_that_is_gone_nothing_is_known(self):
        daemons = self.start_flock()
        self.until(lambda: "distance" in self.peers("n0").get("n1", {}), "n0 knows n1")
        daemons["n1"].kill()
        def gone():
            n1 = self.peers("n0")["n1"]
            return n1 if n1["state"] != "up" else None
        self.assertNotIn("distance", self.until(gone, "n1 is down"))
        self.until(lambda: "distance" in self.peers("n0")["n2"], "n0 knows n2")

    def test_a_node_without_neighbors_says_nothing(self):
        self.write_run({"run.rounds": ENDLESS, "gossip.algorithm": "none"})
        self.start_node("n0")
        self.training("n0", past_round=100)
        self.assertNotIn("consensus_distance", self.status("n0"))
        row = self.starling("status", "--node", "n0").splitlines()[1]
        self.assertRegex(row, r"^n0 +training +\d+/\d+ +[\d.]+ +\S+( %)? +- ")
        self.assertNotIn("consensus", self.starling("metrics", "--node", "n0"))


if __name__ == "__main__":
    unittest.main()
