"""What a round of each algorithm and operator would take: `starling advise`."""
import json
import unittest

from flock import ENDLESS, FlockTest

CONFIG = 10


class Advise(FlockTest):
    def advise(self, *words):
        return self.call("starling", "advise", self.run_file, "--state", self.state, *words)

    def told(self, *words):
        done = self.advise("--json", *words)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        return json.loads(done.stdout)

    def refused(self, done, part):
        self.assertEqual(done.returncode, CONFIG, done.stdout + done.stderr)
        self.assertEqual(done.stderr.count("\n"), 1, done.stderr)
        self.assertIn(part, done.stderr)

    def test_each_candidate_with_its_prediction_and_one_that_is_chosen(self):
        self.write_run({"run.rounds": 1000})
        told = self.told("--rate", "10mbit", "--delay", "10ms")
        self.assertEqual((told["rounds"], told["measured_rounds"]), (1000, 20))
        self.assertEqual(told["links"], {"delay_seconds": 0.01, "bytes_per_second": 1.25e6,
                                         "origin": "as given"})
        self.assertGreater(told["step_seconds"], 0)
        self.assertEqual(told["left_out"], [])
        named = [(one["algorithm"], one["operator"]) for one in told["candidates"]]
        self.assertEqual(named[0][0], "d-psgd")
        self.assertEqual(len(named), len(set(named)))
        self.assertEqual({algorithm for algorithm, _ in named},
                         {"d-psgd", "powergossip", "powergossip-exact", "choco", "def-atc", "cold"})
        self.assertEqual({coding.split()[0] for algorithm, coding in named if algorithm == "choco"},
                         {"top-k", "quantize", "sign"})
        for one in told["candidates"]:
            self.assertEqual(one["of_the_file"], one is told["candidates"][0])
            self.assertGreaterEqual(one["code_seconds"], 0)
            self.assertGreater(one["sent_bytes_per_round"], 0)
            self.assertGreater(one["seconds_per_round"], 0.01, "the delay")
            self.assertAlmostEqual(one["rounds_per_second"] * one["seconds_per_round"], 1)
            self.assertAlmostEqual(one["seconds"], 1000 * one["seconds_per_round"])
        chosen = named.index((told["choice"]["algorithm"], told["choice"]["operator"]))
        times = [one["seconds_per_round"] for one in told["candidates"]]
        self.assertLessEqual(times[chosen], 1.05 * min(times))

    def test_a_slow_link_makes_raw_models_slower_and_says_by_how_much(self):
        self.write_run()
        raw = self.told("--rate", "1mbit", "--delay", "0ms")["candidates"][0]
        # A node's uplink carries all that it sends in a round, two messages here, and the headers
        # of their packets.
        self.assertGreater(raw["seconds_per_round"], 1.04 * raw["sent_bytes_per_round"] / 125e3)
        self.assertLess(raw["seconds_per_round"], 1.5 * raw["sent_bytes_per_round"] / 125e3)

    def test_in_words_it_says_what_it_does_not_predict(self):
        self.write_run({"gossip.algorithm": "choco"})
        done = self.advise("--rate", "100mbit", "--delay", "1ms")
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        lines = done.stdout.splitlines()
        self.assertRegex(lines[0], r"^a local step takes [\d.]+ m?s here, by 20 rounds of 4 nodes; "
                                   r"links of 100mbit and 1 ms one way, as given$")
        self.assertRegex(lines[1], r"^algorithm +operator +code +sent a round +a round +rounds/s "
                                   r"+40 rounds$")
        self.assertRegex(lines[2], r"^choco \(the file's\) ")
        self.assertRegex(lines[-2], r"^choice: \S+ with .+, [\d.e+]+ rounds a second$")
        self.assertIn("predicts the time to the same number of rounds, not to the same accuracy",
                      lines[-1])

    def test_where_all_are_neighbors_methods_of_a_mesh_are_offered_too(self):
        self.write_run({"topology.kind": "complete"})
        told = self.told("--rate", "10mbit", "--delay", "10ms")
        sent = {(one["algorithm"], one["operator"].split()[0]): one["sent_bytes_per_round"]
                for one in told["candidates"]}
        for algorithm in ("econtrol", "doublesqueeze"):
            # A piece up and a piece down for each of three others, and not the model to each.
            self.assertLess(sent[algorithm, "sign"], sent["d-psgd", "identity"] / 8, sent)

    def test_what_does_not_go_with_the_graph_is_left_out_with_the_reason(self):
        self.write_run({"topology.kind": "one-peer-exponential", "gossip.algorithm": "sgp"})
        told = self.told("--rate", "100mbit", "--delay", "1ms")
        self.assertEqual(told["choice"]["algorithm"], "sgp")
        self.assertIn("choco", {one["algorithm"] for one in told["left_out"]})
        for one in told["left_out"]:
            self.assertIn("which needs weights that are the same in both directions", one["why"])

    def test_without_daemons_the_links_have_to_be_said(self):
        self.write_run()
        self.refused(self.advise(), "no daemon of run 'system' answers on this machine with a link "
                     "that is up, so nothing is known of its links; say what they are, such as "
                     "--rate 100mbit --delay 10ms")
        self.refused(self.advise("--rate", "1mbit"), "such as --delay 10ms")
        self.refused(self.advise("--rate", "1", "--delay", "10ms"), "--rate: ")
        self.refused(self.advise("--rate", "1mbit", "--delay", "soon"), "--delay: ")

    def test_of_running_daemons_the_delay_is_measured_and_an_idle_rate_is_not_guessed(self):
        self.write_run({"run.rounds": ENDLESS, "run.evaluate_every": 0, "topology.nodes": 2,
                        "topology.kind": "path", "train.local_steps": 50})
        for node in ("n0", "n1"):
            self.start_node(node)
        for node in ("n0", "n1"):
            self.training(node)
        told = self.told("--rate", "100mbit")
        self.assertEqual(told["links"]["origin"], "measured: the delay of 2 links by ping")
        self.assertTrue(0 < told["links"]["delay_seconds"] < 1, told["links"])
        done = self.advise("--rate", "100mbit", "--delay", "1ms")
        self.assertIn("daemons of this run are at work on this machine", done.stdout)
        self.refused(self.advise("--delay", "1ms"), "% of a second at most, so how fast they can be "
                     "is not known; say what it is, such as --rate 100mbit")

    def test_links_that_are_as_busy_as_they_can_be_tell_the_rate_of_their_node(self):
        self.write_run({"run.rounds": ENDLESS, "run.evaluate_every": 0, "topology.nodes": 3,
                        "model.hidden": [512], "limits.max_send": "8mbit"})
        nodes = ("n0", "n1", "n2")
        for node in nodes:
            self.start_node(node)
        for node in nodes:
            self.training(node, past_round=1)
        told = self.told()
        self.assertIn("the rate by what busy links carried", told["links"]["origin"])
        self.assertTrue(0.5e6 < told["links"]["bytes_per_second"] < 2e6, told["links"])


if __name__ == "__main__":
    unittest.main()
