"""The verbs of `starling` that start no flock, and runs that end early."""
import json
import tomllib
import unittest

from flock import ENDLESS, SOURCE, FlockTest


class Questions(FlockTest):
    def test_topology_of_a_ring_of_eight(self):
        self.write_run({"topology.nodes": 8})
        told = self.starling("topology", "--json")
        self.assertEqual(told["kind"], "ring")
        self.assertEqual([node["name"] for node in told["nodes"]], [f"n{i}" for i in range(8)])
        self.assertEqual({node["degree"] for node in told["nodes"]}, {2})
        self.assertEqual(len(told["edges"]), 8)
        for edge in told["edges"]:
            self.assertAlmostEqual(edge["weight"], 1 / 3)
        # 1 - (1 + 2 cos 45°) / 3, and 2 / (2 - λ2 - λn).
        self.assertAlmostEqual(told["spectral_gap"], 0.19526, places=5)
        self.assertAlmostEqual(told["optimal_relaxation"], 1.3084, places=4)
        text = self.starling("topology")
        for part in ("ring of 8 nodes, 8 edges", "0.19526", "1.3084", "n7"):
            self.assertIn(part, text)

    def test_topology_of_a_directed_graph_says_who_sends_to_whom(self):
        self.write_run({"topology.kind": "one-peer-exponential", "topology.nodes": 8})
        told = self.starling("topology", "--json")
        self.assertEqual(told["period"], 3)
        self.assertEqual(len(told["ways"]), 24)
        self.assertIn({"from": "n7", "to": "n1", "turn": 1, "share": 0.5}, told["ways"])
        self.assertNotIn("spectral_gap", told)
        text = self.starling("topology")
        for part in ("n0 0.1667, n1 0.1667, n3 0.1667", "24 ways, each used once in 3 rounds"):
            self.assertIn(part, text)

    def test_config_check_tells_the_fingerprint(self):
        self.write_run()
        told = json.loads(self.call("starling", "config", "check", self.run_file, "--json").stdout)
        self.assertTrue(told["ok"])
        self.assertEqual(list(told["fingerprint"]),
                         ["run", "seed", "topology", "model", "algorithm", "compressor"])
        self.assertTrue(told["operator"].startswith("operator "), told)
        text = self.call("starling", "config", "check", self.run_file).stdout
        self.assertTrue(text.startswith(f"{self.run_file} is good\n"), text)
        self.assertIn(told["operator"], text.splitlines())
        self.assertIn("n0 takes at most ", text.splitlines()[-1])
        self.assertFalse(self.state.exists())

    def test_config_keys_knows_every_key_of_the_examples(self):
        known = {(key["section"], key["key"])
                 for key in json.loads(self.call("starling", "config", "keys", "--json").stdout)}
        text = self.call("starling", "config", "keys").stdout
        for file in (SOURCE / "configs").glob("*.toml"):
            for section, table in tomllib.loads(file.read_text()).items():
                for key in (table[0] if isinstance(table, list) else table):
                    self.assertIn((section, key), known)
                    self.assertIn(f"  {key} (", text)

    def test_results_and_sentences_keep_to_their_streams(self):
        self.write_run({"run.rounds": 3})
        for verb in ("simulate", "up"):
            done = self.call("starling", verb, self.run_file, "--state", self.state, "--json")
            self.assertEqual(done.returncode, 0, done.stderr)
            self.assertEqual(done.stdout.count("\n"), 1)
            json.loads(done.stdout)


class Early(FlockTest):
    def setUp(self):
        super().setUp()
        self.write_run({"run.rounds": ENDLESS, "model.hidden": [32]})

    def check(self, verb):
        report = self.starling(verb, "--json", "--until-accuracy", "0.8")
        self.assertGreaterEqual(report["min_accuracy"], 0.8)
        self.assertEqual(report["reached"]["round"] % 10, 0)
        self.assertLessEqual(report["reached"]["round"], report["rounds"])
        self.assertLess(report["rounds"], ENDLESS)
        return report

    def test_the_simulator_stops_at_the_wanted_accuracy(self):
        report = self.check("simulate")
        # The evaluation before was not good enough.
        self.write_run({"run.rounds": report["reached"]["round"] - 10, "model.hidden": [32]})
        self.assertLess(self.starling("simulate", "--json")["min_accuracy"], 0.8)

    def test_the_flock_stops_at_the_wanted_accuracy(self):
        report = self.check("up")
        self.assertGreater(report["reached"]["train_seconds"], 0)
        self.assertEqual(len(report["nodes"]), 4)

    def test_a_run_that_never_gets_there_has_nothing_reached(self):
        self.write_run({"run.rounds": 20})
        for verb in ("simulate", "up"):
            report = self.starling(verb, "--json", "--until-accuracy", "1.0")
            self.assertNotIn("reached", report)
            self.assertEqual(report["rounds"], 20)


class Compared(FlockTest):
    def test_several_algorithms_one_after_the_other(self):
        self.write_run({"run.compare": ["none", "d-psgd", "powergossip"]})
        simulated, real = self.starling("simulate", "--json"), self.starling("up", "--json")
        for report in (simulated, real):
            self.assertEqual(report["algorithm"], "d-psgd", "the run file's own")
            self.assertEqual([run["algorithm"] for run in report["compared"]],
                             ["none", "d-psgd", "powergossip"])
        self.assertEqual(*[[[node["parameters_sha256"] for node in run["nodes"]]
                            for run in report["compared"]] for report in (simulated, real)])


if __name__ == "__main__":
    unittest.main()
