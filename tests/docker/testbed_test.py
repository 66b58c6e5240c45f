"""A ring of eight with slow links: one is killed and comes back, one is held, and the ring is cut
in two and healed. All learn what they shall, and nothing is left."""
import json
import re
import subprocess
import unittest

from containers import BIN, SOURCE, TestbedTest, engine, testbeds
from testbed_lib import compose, images

ACCURACY = 0.92  # of every node


class Ring(TestbedTest):
    def test_a_ring_that_is_tormented_learns_and_leaves_nothing(self):
        said = self.call("up", str(self.run_file), "--rate", "20mbit", "--binaries", str(BIN),
                            "--detach")
        self.assertIn("8 containers, links rate 20mbit", said)
        self.assertIn("all edges are up (8)", said)
        self.look_at_isolation()
        self.look_at_links()
        self.look_at_shape(nodes=8)
        self.kill_and_restart("n3")
        self.hold("n5")
        self.cut_and_heal()
        self.until(lambda: self.container("n0")["State"]["Health"]["Status"] == "healthy",
                   "n0 is healthy")
        self.until(self.all_learned, f"accuracy {ACCURACY} of every node")
        self.look_at_end()
        self.call("down")
        self.assert_nothing_is_left()

    def look_at_isolation(self):
        host = self.container("n0")["HostConfig"]
        self.assertTrue(host["ReadonlyRootfs"])
        self.assertEqual(host["CapDrop"], ["ALL"])
        self.assertFalse(host["CapAdd"])
        self.call("kill", "n9", exit_code=2)

    def look_at_links(self):
        """TLS between keys that nobody but their nodes can read, and no stranger is let in."""
        fingerprints = set()
        for node in (f"n{i}" for i in range(8)):
            said = re.search(r"links are TLS 1.3 between pinned keys; this node's is (\S+)",
                             self.call("logs", node))
            fingerprints.add(said[1])
            key = f"{compose.STATE}/{node}/node.key"
            self.assertEqual(engine.docker("exec", self.container(node)["Id"], "stat", "--format",
                                           "%a %u", key).split(), ["600", "10001"])
        self.assertEqual(len(fingerprints), 8)
        seen = engine.docker("exec", self.container("n0")["Id"], "find", compose.STATE, "/input",
                             "-name", "*.key").split()
        self.assertEqual(seen, [f"{compose.STATE}/n0/node.key"])
        address = testbeds.Testbed(self.project).addresses["n0"]
        knock = f"exec 3<>/dev/tcp/{address}/7700; echo GET / HTTP/1.1 >&3; echo >&3; cat <&3"
        engine.call(["docker", "run", "--rm", "--network", f"{self.project}_flock", images.NETWORK,
                     "bash", "-c", knock])
        self.until(lambda: "no TLS is spoken there" in self.call("logs", "n0"),
                   "n0 refuses a stranger")

    def look_at_shape(self, nodes):
        """Down is shaped on this machine's end of each link, up on the container's."""
        pids = [str(self.container(f"n{i}")["State"]["Pid"]) for i in range(nodes)]
        script = "tc qdisc show; for p; do nsenter -t $p -n tc qdisc show dev eth0; done"
        shown = engine.docker("run", "--rm", "--network", "host", "--pid", "host", "--cap-add",
                              "NET_ADMIN", "--cap-add", "SYS_ADMIN", "--cap-add", "SYS_PTRACE",
                              images.NETWORK, "bash", "-c", script, "show", *pids)
        shaped = [line for line in shown.splitlines() if "tbf" in line and "rate 20Mbit" in line]
        self.assertGreaterEqual(len(shaped), 2 * nodes, shown)

    def kill_and_restart(self, node):
        before = self.asked("status")[node]["checkpoint_round"]
        self.until(lambda: self.asked("status")[node]["checkpoint_round"] > before, "a checkpoint")
        self.call("kill", node)
        self.until(lambda: self.edges("n2").get(node) not in ("up", None), f"n2 misses {node}")
        self.call("restart", node)
        self.call("wait", "--within", "60s")
        self.assertIn("resumed from", self.call("logs", node))

    def hold(self, node):
        """The others go on meanwhile."""
        with subprocess.Popen([SOURCE / "docker/testbed", "--project", self.project, "pause", node,
                               "8s"]) as pause:
            self.until(lambda: self.container(node)["State"]["Status"] == "paused", "it is paused")
            round_then = self.asked("status")["n0"]["round"]
            self.until(lambda: self.asked("status")["n0"]["round"] > round_then + 10, "n0 goes on")
            self.assertEqual(pause.wait(60), 0)
        self.call("wait", "--within", "60s")

    def cut_and_heal(self):
        self.call("partition", "n0,n1,n2,n3 | n4,n5,n6,n7")
        self.until(lambda: self.edges("n3").get("n4") not in ("up", None), "n3 misses n4")
        self.until(lambda: self.edges("n0").get("n7") not in ("up", None), "n0 misses n7")
        self.assertEqual(self.edges("n1"), {"n0": "up", "n2": "up"})
        self.assertIn("partition n0,n1,n2,n3 | n4,n5,n6,n7", self.call("status"))
        self.call("heal")
        self.call("wait", "--within", "60s")

    def all_learned(self):
        told = self.asked("status").values()
        return all(s and s.get("evaluation", {}).get("accuracy", 0) > ACCURACY for s in told)

    def look_at_end(self):
        self.call("wait", "--within", "60s")
        self.call("stop")
        said = self.call("follow", "--results", str(self.dir / "results"))
        self.assertIn("ring8", said)
        self.assertNotIn("no report", said)
        reports = [json.loads(file.read_text())
                   for file in (self.dir / "results/ring8").glob("n*.json")]
        self.assertEqual(len(reports), 8)
        for report in reports:
            self.assertGreater(report["accuracy"], ACCURACY, report["name"])
        self.assertEqual([r["name"] for r in reports if "resumed_at" in r], ["n3"])


if __name__ == "__main__":
    unittest.main()
