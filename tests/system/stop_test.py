"""Signals and `starling stop`: daemons end soon, in order, and leave their models."""
import json
import os
import re
import signal
import struct
import time
import unittest

from flock import ENDLESS, PATIENCE_SECONDS, SLOWNESS, FlockTest, processes_that_name

NODES = ("n0", "n1", "n2", "n3")
IO = 15
STOP_SECONDS = 3  # what `starling up` promises; a sanitizer costs more


class Stop(FlockTest):
    def setUp(self):
        super().setUp()
        self.write_run({"run.rounds": ENDLESS})

    def check_model(self, node):
        """The exported file by its bytes: an 8-byte length, a JSON header, the floats."""
        raw = (self.state / node / "model.safetensors").read_bytes()
        size, = struct.unpack("<Q", raw[:8])
        header = json.loads(raw[8:8 + size])
        meta = header.pop("__metadata__")
        self.assertEqual((meta["run"], meta["node"]), ("system", node))
        self.assertGreater(int(meta["rounds"]), 0)
        self.assertEqual({tensor["dtype"] for tensor in header.values()}, {"F32"})
        self.assertEqual(sorted(tensor["shape"] for tensor in header.values()),
                         [[10], [10, 16], [16], [16, 64]])  # 64 pixels, 16 hidden, 10 digits
        spans = sorted(tensor["data_offsets"] for tensor in header.values())
        self.assertEqual([begin for begin, _ in spans], [0] + [end for _, end in spans[:-1]])
        self.assertEqual(len(raw), 8 + size + spans[-1][1])

    def start_all(self):
        daemons = {node: self.start_node(node) for node in NODES}
        self.training("n0")
        return daemons

    def check_why(self, node, peer):
        """`node` says why `peer` left, in its log and in peers."""
        self.until(lambda: f"{peer} is down, epoch 1: {peer} was stopped" in self.log(node),
                   f"{node} logs why {peer} left")
        told = self.until(lambda: self.peers(node).get(peer), f"{node} answers")
        self.assertNotEqual(told["state"], "up")
        self.assertRegex(told["reason"], f"^{peer} was stopped(; redialling: .*)?$")


class OneDaemon(Stop):
    def test_sigterm_finishes_the_round_and_exports(self):
        daemons = self.start_all()
        daemons["n1"].send_signal(signal.SIGTERM)
        self.ended(daemons["n1"])
        self.check_model("n1")
        self.assertIn("finishing the round", self.log("n1"))
        for neighbor in ("n0", "n2"):
            self.check_why(neighbor, "n1")
        self.assertFalse((self.state / "n1/control.sock").exists())
        self.assertGreater(self.report("n1")["round"], 0)
        before = self.status("n0")["round"]
        self.training("n0", before + 10)  # the others go on

    def test_starling_stop_does_the_same(self):
        daemons = self.start_all()
        said = self.starling("stop", "--node", "n2")
        self.assertRegex(said, r"^n2: stopping in round \d+\n$")
        self.check_why("n1", "n2")
        self.ended(daemons["n2"])
        self.check_model("n2")
        everybody_else = self.starling("stop", "--json")
        self.assertEqual([answer["node"] for answer in everybody_else["nodes"]],
                         ["n0", "n1", "n3"])
        for daemon in daemons.values():
            self.ended(daemon)

    def test_one_that_does_not_hear_starling_stop_is_an_error_and_the_others_stop(self):
        daemons = self.start_all()
        daemons["n1"].send_signal(signal.SIGSTOP)
        done = self.call("starling", "stop", self.run_file, "--state", self.state)
        self.assertEqual(done.returncode, IO)
        self.assertIn("n1/control.sock gave no answer within 5.0 s\n", done.stderr)
        self.assertEqual(re.findall(r"(?m)^(n\d): stopping in round ", done.stdout),
                         ["n0", "n2", "n3"])
        for node in ("n0", "n2", "n3"):
            self.ended(daemons[node])
        daemons["n1"].kill()

    def test_a_node_that_leaves_is_missed_by_nobody(self):
        daemons = self.start_all()
        self.assertRegex(self.starling("leave", "--node", "n2"), r"^n2: leaving in round \d+\n$")
        self.ended(daemons["n2"])
        self.check_model("n2")
        told = self.until(lambda: (p := self.peers("n1")["n2"])["state"] != "up" and p, "n2 is gone")
        self.assertEqual(told["reason"], "n2 has left")
        self.training("n1", self.status("n1")["round"] + 10)
        self.assertEqual(self.starling("status", "--check", "--node", "n1"), "healthy\n")
        said = self.starling("check", "--node", "n1")
        self.assertRegex(said, r"n2 \(.*\) is not up for .* s: left: n2 has left\n")
        back = self.start_node("n2")
        self.until(lambda: self.peers("n1")["n2"]["state"] == "up", "n2 is back")
        for daemon in [*(d for n, d in daemons.items() if n != "n2"), back]:
            daemon.terminate()
            self.ended(daemon)

    def test_a_second_signal_ends_it_at_once(self):
        daemons = self.start_all()
        daemons["n1"].send_signal(signal.SIGSTOP)  # n0's round will not end by itself
        self.until(lambda: "n1" in (self.status("n0") or {}).get("waiting_for", []), "n0 waits")
        daemons["n0"].send_signal(signal.SIGTERM)
        self.until(lambda: "finishing the round" in self.log("n0"), "n0 has heard it")
        daemons["n0"].send_signal(signal.SIGTERM)
        self.ended(daemons["n0"], 128 + signal.SIGTERM)
        self.assertFalse((self.state / "n0/model.safetensors").exists())

    def test_a_neighbor_that_hangs_does_not_hold_up_the_stop(self):
        daemons = self.start_all()
        daemons["n1"].send_signal(signal.SIGSTOP)
        self.until(lambda: "n1" in (self.status("n0") or {}).get("waiting_for", []), "n0 waits")
        begin = time.monotonic()
        daemons["n0"].send_signal(signal.SIGTERM)
        self.ended(daemons["n0"])
        self.assertLess(time.monotonic() - begin, STOP_SECONDS * SLOWNESS)
        self.check_model("n0")


class Up(Stop):
    def start_training(self):
        up = self.start_up()
        for node in NODES:
            self.training(node, 0)
        return up

    def none_left(self):
        return not processes_that_name(self.state)

    def test_ctrl_c_stops_everything_within_three_seconds(self):
        up = self.start_training()
        begin = time.monotonic()
        os.killpg(up.pid, signal.SIGINT)
        self.ended(up, 130)
        self.assertLess(time.monotonic() - begin, STOP_SECONDS * SLOWNESS)
        self.assertTrue(self.none_left(), "a daemon outlived `starling up`")
        for node in NODES:
            self.check_model(node)
        self.assertIn("d-psgd", (self.dir / "up.out").read_text().splitlines()[-1])

    def test_ctrl_c_does_not_wait_for_a_daemon_that_hangs(self):
        up = self.start_training()
        os.kill(self.status("n2")["pid"], signal.SIGSTOP)
        begin = time.monotonic()
        os.killpg(up.pid, signal.SIGINT)
        self.ended(up, 130)
        self.assertLess(time.monotonic() - begin, STOP_SECONDS * SLOWNESS)
        self.assertTrue(self.none_left(), "a daemon outlived `starling up`")
        for node in ("n0", "n1", "n3"):
            self.check_model(node)
        self.assertIn("no report from n2", (self.dir / "up.out").read_text())

    def test_daemons_do_not_outlive_a_killed_up(self):
        up = self.start_training()
        up.kill()
        self.ended(up, -signal.SIGKILL)
        self.until(self.none_left, "the daemons end", PATIENCE_SECONDS)
        for node in NODES:
            self.check_model(node)


if __name__ == "__main__":
    unittest.main()
