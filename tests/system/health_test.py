"""`starling status --check` tells a monitor how a node is by its exit code."""
import unittest

from flock import ENDLESS, FlockTest


class Health(FlockTest):
    def test_from_healthy_over_degraded_to_down(self):
        self.write_run({"run.rounds": ENDLESS, "run.evaluate_every": 0})
        daemons = {node: self.start_node(node) for node in ("n0", "n1", "n2", "n3")}
        check = ("status", self.run_file, "--state", self.state, "--node", "n0", "--check")

        def until_it_ends_with(code):
            def look():
                done = self.call("starling", *check)
                return done if done.returncode == code else None
            return self.until(look, f"exit code {code}")

        self.assertEqual(until_it_ends_with(0).stdout, "healthy\n")
        daemons["n1"].kill()
        said = until_it_ends_with(1).stdout
        self.assertIn("n0: n1 is ", said)
        self.assertNotIn("n3 is", said)
        self.assertTrue(said.endswith("\ndegraded\n"), said)
        daemons["n3"].kill()
        self.assertTrue(until_it_ends_with(2).stdout.endswith("\ndown\n"))
        daemons["n0"].kill()
        self.ended(daemons["n0"], -9)
        gone = self.call("starling", *check)
        self.assertEqual((gone.returncode, gone.stdout), (2, ""))
        self.assertIn("control.sock", gone.stderr)


if __name__ == "__main__":
    unittest.main()
