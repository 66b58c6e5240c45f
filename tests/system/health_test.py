"""`starling status --check` tells a monitor how a node is by its exit code."""
import os
import signal
import unittest

from flock import ENDLESS, FlockTest

HEALTHY, DEGRADED, BAD = 0, 1, 2
NAMES = ("n0", "n1", "n2", "n3")


class Health(FlockTest):
    def setUp(self):
        super().setUp()
        self.write_run({"run.rounds": ENDLESS, "run.evaluate_every": 0})

    def check(self, *words):
        return self.call("starling", "status", self.run_file, "--state", self.state, "--check", *words)

    def until_it_ends_with(self, code, *words):
        def look():
            done = self.check(*words)
            return done if done.returncode == code else None
        return self.until(look, f"exit code {code}")

    def test_from_healthy_over_degraded_to_down(self):
        daemons = {node: self.start_node(node) for node in NAMES}
        n0 = ("--node", "n0")
        self.assertEqual(self.until_it_ends_with(HEALTHY, *n0).stdout, "healthy\n")
        daemons["n1"].kill()
        said = self.until_it_ends_with(DEGRADED, *n0).stdout
        self.assertIn("n0: n1 is ", said)
        self.assertNotIn("n3 is", said)
        self.assertTrue(said.endswith("\ndegraded\n"), said)
        daemons["n3"].kill()
        self.assertTrue(self.until_it_ends_with(BAD, *n0).stdout.endswith("\ndown\n"))
        daemons["n0"].kill()
        self.ended(daemons["n0"], -9)
        gone = self.check(*n0)
        self.assertEqual(gone.returncode, BAD)
        self.assertRegex(gone.stdout, r"^n0: no daemon answers on .*control\.sock: .*\ndown\n$")

    def test_a_node_whose_round_does_not_end_is_stalled_though_it_answers(self):
        # One step of this run takes longer than anybody waits.
        self.write_run({"run.rounds": ENDLESS, "gossip.algorithm": "none",
                        "train.local_steps": 1_000_000, "model.hidden": [512]})
        self.start("starlingd", self.run_file, "--node", "n0", "--state", self.state,
                   env=os.environ | {"WATCHDOG_USEC": "300000"},
                   stderr=(log := (self.dir / "up.log").open("w")))
        self.addCleanup(log.close)
        self.until(lambda: self.status("n0"), "n0 answers")
        said = self.until_it_ends_with(BAD, "--node", "n0").stdout
        self.assertRegex(said, r"^n0: trains, and no round has ended for \d+ s, 0\.3 s at most; it "
                         r"waits for its own step\nstalled\n$")
        status = self.status("n0")
        self.assertEqual(status["standstill_seconds_max"], 0.3)
        self.assertGreater(status["standstill_seconds"], 0.3)

    def test_a_node_that_ends_its_rounds_does_not_stand_still_and_one_that_is_paused_is_well(self):
        for node in NAMES:
            self.start_node(node)
        for node in NAMES:
            self.training(node)
        self.assertLess(self.status("n0")["standstill_seconds"], 60)
        self.starling("pause", "--node", "n0")
        self.until(lambda: self.status("n0")["phase"] == "paused", "n0 rests")
        self.until(lambda: {peer["state"] for peer in self.peers("n0").values()} == {"down"},
                   "it has no links")
        self.assertEqual(self.status("n0")["standstill_seconds"], 0)
        done = self.check("--node", "n0")
        self.assertEqual(done.returncode, HEALTHY)
        self.assertRegex(done.stdout, r"^n0: is paused by its operator, after \d+ rounds\nhealthy\n$")

    def test_of_several_nodes_one_that_does_not_answer_is_down_and_one_that_lives_elsewhere_is_not(self):
        daemons = {node: self.start_node(node) for node in ("n0", "n1")}
        for node in daemons:
            self.training(node)
        # Both miss a neighbor that was never here.
        self.assertNotIn("control.sock", self.until_it_ends_with(DEGRADED).stdout)
        daemons["n1"].send_signal(signal.SIGSTOP)
        said = self.check()
        daemons["n1"].send_signal(signal.SIGCONT)
        self.assertEqual(said.returncode, BAD)
        socket = self.state / "n1/control.sock"
        self.assertIn(f"n1: the daemon on {socket} gave no answer within 5.0 s\n", said.stdout)
        self.assertTrue(said.stdout.endswith("\ndown\n"), said.stdout)
        daemons["n1"].kill()
        self.ended(daemons["n1"], -9)
        said = self.check().stdout
        self.assertIn(f"n1: no daemon answers on {socket}: ", said)
        self.assertNotRegex(said, r"(?m)^n[23]: ")

    def test_where_no_node_lives(self):
        done = self.check()
        self.assertEqual((done.returncode, done.stdout), (BAD, ""))
        self.assertIn("no daemon answers on ", done.stderr)


if __name__ == "__main__":
    unittest.main()
