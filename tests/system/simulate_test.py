"""starling simulate: comparisons and sweeps, traces and reports, machines and links, refusals."""
import csv
import json
import re
import unittest

from flock import SOURCE, FlockTest

CONFIG, DIVERGED, IO, BROKEN = 10, 14, 15, 16


class Simulate(FlockTest):
    def setUp(self):
        super().setUp()
        self.write_run()

    def simulate(self, *words):
        return self.starling("simulate", "--json", *words)

    def check_refused(self, exit_code, words, sentence):
        """That sentence alone on standard error; nothing on standard output."""
        done = self.call("starling", "simulate", self.run_file, *words)
        self.assertEqual(done.stderr, sentence + "\n")
        self.assertEqual(done.returncode, exit_code)
        self.assertEqual(done.stdout, "")


class Several(Simulate):
    def test_compare_replaces_the_run_files_own_list(self):
        self.write_run({"run.rounds": 5, "run.compare": ["none", "d-psgd"]})
        report = self.simulate("--compare", "d-psgd,choco")
        self.assertEqual(report["algorithm"], "d-psgd")
        self.assertEqual([run["algorithm"] for run in report["compared"]], ["d-psgd", "choco"])
        self.assertNotIn("label", report)

    def test_a_sweep_runs_each_value_as_set_would(self):
        self.write_run({"run.rounds": 5})
        report = self.simulate("--sweep", "train.learning_rate=0.1,0.01")
        self.assertEqual([run["label"] for run in report["compared"]],
                         ["train.learning_rate=0.1", "train.learning_rate=0.01"])
        alone = self.simulate("--set", "train.learning_rate=0.01")
        self.assertEqual([node["parameters_sha256"] for node in report["compared"][1]["nodes"]],
                         [node["parameters_sha256"] for node in alone["nodes"]])

    def test_a_sweep_may_change_data_and_graph(self):
        self.write_run({"run.rounds": 5})
        report = self.simulate("--sweep", "topology.nodes=3,5")
        self.assertEqual([len(run["nodes"]) for run in report["compared"]], [3, 5])

    def test_every_algorithm_with_every_value(self):
        self.write_run({"run.rounds": 3})
        report = self.simulate("--compare", "choco,cold", "--sweep", "gossip.gamma=0.1,0.2")
        self.assertEqual([run["label"] for run in report["compared"]],
                         ["choco gossip.gamma=0.1", "cold gossip.gamma=0.1",
                          "choco gossip.gamma=0.2", "cold gossip.gamma=0.2"])

    def test_one_that_diverges_does_not_stop_the_others(self):
        self.write_run({"run.rounds": 20, "model.hidden": [128, 64]})
        done = self.call("starling", "simulate", self.run_file, "--json", "--sweep",
                         "train.learning_rate=1000,0.1")
        self.assertEqual(done.returncode, DIVERGED)
        self.assertIn("train.learning_rate=1000: n", done.stderr)
        self.assertIn("training diverged", done.stderr)
        self.assertEqual(json.loads(done.stdout)["label"], "train.learning_rate=0.1")

    def test_what_is_wrong_with_the_last_is_said_before_the_first(self):
        self.check_refused(
            CONFIG, ["--sweep", "train.batch=32,-1"],
            "--sweep train.batch=-1: [train] batch: found -1, expected a whole number from 0 to "
            "1000000")
        self.check_refused(
            CONFIG, ["--sweep", "gossip.gama=1"],
            "--sweep gossip.gama=1: [gossip] gama: unknown key; did you mean 'gamma'?")
        self.check_refused(
            CONFIG, ["--sweep", "batch"],
            "--sweep batch: expected section.key=value,value, such as gossip.gamma=0.1,0.3")
        done = self.call("starling", "simulate", self.run_file, "--compare", "d-psgd,chocco")
        self.assertEqual(done.returncode, CONFIG)
        self.assertRegex(done.stderr, r'\A--compare d-psgd,chocco: \[run\] compare: found "chocco", '
                                      r'expected an array of [^\n]+; did you mean "choco"\?\n\Z')


class Told(Simulate):
    def test_speed_and_bytes_at_the_end(self):
        report = self.simulate()
        self.assertGreater(report["node_rounds_per_second"], 0)
        sent = [node["sent_bytes"] for node in report["nodes"]]
        self.assertEqual(report["sent_bytes_mean"], sum(sent) / len(sent))
        text = self.starling("simulate")
        self.assertRegex(text, r"d-psgd: 40 rounds, 0\.000 virtual seconds, "
                               r"\d+ node-rounds a second, [\d.]+ kB a node\n")


class Traces(Simulate):
    WORDS = ["--step", "4ms", "--delay", "10ms"]

    def test_a_line_a_round_and_run(self):
        file = self.dir / "trace.csv"
        report = self.simulate(*self.WORDS, "--compare", "none,d-psgd", "--trace", file)
        lines = list(csv.DictReader(file.read_text().splitlines()))
        self.assertEqual([(line["run"], int(line["round"])) for line in lines],
                         [(run, r) for run in ("none", "d-psgd") for r in range(1, 41)])
        for line in lines:
            self.assertEqual(line["nodes"], "4")
            self.assertGreaterEqual(float(line["step_loss_max"]), float(line["step_loss_mean"]))
            self.assertEqual(line["consensus_distance"] != "", int(line["round"]) % 10 == 0)
            self.assertEqual(line["accuracy_mean"] != "", int(line["round"]) % 10 == 0)
        for last, run in ((lines[39], report["compared"][0]), (lines[79], report["compared"][1])):
            self.assertAlmostEqual(float(last["virtual_seconds"]), run["virtual_seconds"])
            self.assertAlmostEqual(float(last["accuracy_mean"]), run["mean_accuracy"])
            self.assertAlmostEqual(float(last["accuracy_worst"]), run["min_accuracy"])
            self.assertAlmostEqual(float(last["loss_mean"]), run["mean_loss"])
            self.assertAlmostEqual(float(last["sent_bytes_mean"]), run["sent_bytes_mean"])
            self.assertAlmostEqual(float(last["consensus_distance"]) / run["consensus_distance"], 1)
        # The same bytes in every round.
        self.assertAlmostEqual(float(lines[49]["sent_bytes_mean"]) * 4,
                               report["sent_bytes_mean"])
        self.assertEqual(sorted(self.dir.glob("trace*")), [file])

    def test_consensus_of_a_round_in_the_middle_is_that_of_a_run_that_ends_there(self):
        file = self.dir / "trace.jsonl"
        constant = ["--set", "train.schedule=constant"]
        self.simulate(*self.WORDS, *constant, "--jitter", "20ms", "--trace", file)
        lines = [json.loads(line) for line in file.read_text().splitlines()]
        self.assertEqual(len(lines), 40)
        short = self.simulate(*constant, "--set", "run.rounds=20")
        self.assertEqual(lines[19]["round"], 20)
        self.assertAlmostEqual(lines[19]["consensus_distance"] / short["consensus_distance"], 1)
        self.assertAlmostEqual(lines[19]["accuracy_mean"], short["mean_accuracy"])
        self.assertEqual(lines[19]["sent_bytes_mean"], short["sent_bytes_mean"])
        self.assertNotIn("consensus_distance", lines[18])

    def test_refused_before_the_run(self):
        self.check_refused(CONFIG, ["--trace", "t.txt"],
                           "--trace t.txt: expected a file that ends in .csv or .jsonl")
        self.check_refused(IO, ["--trace", "/nowhere/t.csv"],
                           "/nowhere/t.csv.new: cannot be written: No such file or directory")
        folder = self.dir / "folder.csv"
        folder.mkdir()
        self.check_refused(IO, ["--trace", folder],
                           f"{folder}: cannot be replaced: it is a directory")


class Reports(Simulate):
    def test_one_page_with_all_runs(self):
        text = self.run_file.read_text() + "# <script>alert(1)</script> & more\n"
        self.run_file.write_text(text)
        file = self.dir / "report.html"
        self.simulate("--compare", "none,d-psgd", "--step", "4ms", "--report", file)
        html = file.read_text()
        self.assertEqual(html.count('<svg class="chart"'), 7)
        self.assertIn("# &lt;script&gt;alert(1)&lt;/script&gt; &amp; more", html)
        self.assertNotIn("<script", html)
        self.assertNotIn("no data", html.split("Consensus distance against")[-1])
        for part in ("<td>d-psgd</td>", "<code>--step 4ms</code>", "none, worst node"):
            self.assertIn(part, html)
        for part in ("http:", "https:", "src="):
            self.assertNotIn(part, html)

    def test_refused_before_the_run(self):
        self.check_refused(CONFIG, ["--report", "r.pdf"],
                           "--report r.pdf: expected a file that ends in .html")
        self.check_refused(IO, ["--report", "/nowhere/r.html"],
                           "/nowhere/r.html.new: cannot be written: No such file or directory")


class Machines(Simulate):
    def seconds(self, *words):
        return self.simulate("--set", "run.rounds=10", "--step", "4ms", "--delay", "10ms",
                             *words)["virtual_seconds"]

    def test_a_slow_node_a_far_link_and_jitter_cost_time(self):
        self.assertAlmostEqual(self.seconds(), 0.1)
        self.assertAlmostEqual(self.seconds("--slow", "n1=5", "--slow", "n2=2.5"), 0.2)
        self.assertAlmostEqual(self.seconds("--link", "n1-n0:delay=30ms"), 0.3)
        self.assertGreater(self.seconds("--link", "n1-n0:rate=1mbit"), 0.2)
        self.assertGreater(self.seconds("--jitter", "10ms"), 0.12)
        self.assertLess(self.seconds("--jitter", "10ms"), 0.2)

    def test_refused_slow_nodes(self):
        step = ["--step", "4ms"]
        for word, sentence in {
            "n1": "--slow n1: expected node=factor, such as n3=4",
            "n9=2": "--slow n9=2: no node is called 'n9'; the nodes are n0, n1, n2, n3",
            "n1=0": "--slow n1=0: found the factor '0', expected a number above 0 and at most "
                    "1000000",
            "n1=fast": "--slow n1=fast: found the factor 'fast', expected a number above 0 and at "
                       "most 1000000",
        }.items():
            self.check_refused(CONFIG, [*step, "--slow", word], sentence)
        self.check_refused(CONFIG, ["--slow", "n1=2"],
                           "--slow: a local step takes no time, however many times; add --step, "
                           "such as --step 4ms")

    def test_refused_links_and_times(self):
        time = "found the time '5', expected a number with us, ms, s or min, such as 10ms"
        for word, sentence in {
            "n0-n1": "expected A-B:delay=TIME,rate=RATE, such as n0-n1:delay=80ms",
            "n0:delay=5ms": "found the link 'n0', expected the names of two nodes with '-' between, "
                            "such as n0-n1",
            "n0-n2:delay=5ms": "the graph has no edge n0-n2; `starling topology` lists those that "
                               "it has",
            "n0-n1:delay=5": time,
            "n0-n1:rate=1": "found the rate '1', expected a number with kbit, mbit or gbit, such as "
                            "100mbit",
            "n0-n1:loss=5": "found 'loss=5', expected delay=TIME or rate=RATE",
            "n0-n1:": "found '', expected delay=TIME or rate=RATE",
        }.items():
            self.check_refused(CONFIG, ["--link", word], f"--link {word}: {sentence}")
        for flag in ("--jitter", "--delay", "--step"):
            self.check_refused(CONFIG, [flag, "5"], f"{flag}: {time}")

    def test_names_with_dashes(self):
        nodes = [("lab-a", 0), ("lab", 1), ("a-lab", 2)]
        text = self.write_run({"topology.nodes": None, "topology.base_port": None}).read_text()
        for name, port in nodes:
            text += f'[[node]]\nname = "{name}"\naddress = "127.0.0.1:{self.base_port + port}"\n'
        self.run_file.write_text(text)
        self.assertAlmostEqual(self.seconds("--link", "lab-lab-a:delay=30ms"), 0.3)
        self.check_refused(CONFIG, ["--link", "lab-a-lab:delay=30ms"],
                           "--link lab-a-lab:delay=30ms: found the link 'lab-a-lab', which can be "
                           "read in two ways; name its other end first")


class Examples(FlockTest):
    def test_every_example_that_needs_no_download_simulates_a_round(self):
        for name in ("quickstart", "quadratic", "algorithms", "compress", "two-nodes"):
            done = self.call("starling", "simulate", SOURCE / f"configs/{name}.toml", "--set",
                             "run.rounds=1")
            self.assertEqual(done.returncode, 0, f"{name}: {done.stderr}")


class Faults(Simulate):
    FEW = {"run.rounds": 30, "run.evaluate_every": 0}

    def test_seeds_that_break_nothing_are_summed_up(self):
        self.write_run(self.FEW | {"gossip.algorithm": "powergossip"})
        summary = self.simulate("--faults", "0..9")
        self.assertEqual((summary["seeds"], summary["broken"]), (10, []))
        # Rounds and edges, less what faults took.
        self.assertGreater(summary["exchanges"], 10 * 30 * 4 // 3)
        self.assertLess(summary["exchanges"], 10 * 30 * 4)
        self.assertGreater(summary["made_up"] + summary["reopened"], 0)
        self.assertGreater(summary["faults"]["cut"]["times"], summary["faults"]["cut"]["seeds"])
        self.assertLess(summary["slowest_recovery"]["seed"], 10)
        text = self.starling("simulate", "--faults", "0..9")
        self.assertIn("system: 10 seeds, none of them broke an invariant\n", text)
        self.assertRegex(text, r"\ncut +\d+ +\d+\n")

    def test_a_seed_alone_is_the_same_as_among_others(self):
        self.write_run(self.FEW)
        alone = [self.simulate("--faults", seed)["exchanges"] for seed in ("3", "4")]
        self.assertEqual(self.simulate("--faults", "3..4")["exchanges"], sum(alone))

    def test_the_algorithm_is_the_files_own_whatever_is_to_be_compared(self):
        self.write_run(self.FEW | {"run.compare": ["none", "choco"], "run.until_accuracy": 0.1})
        self.assertGreater(self.simulate("--faults", "1")["exchanges"], 0)

    # Models that a partition has let go apart are further from each other than theta.
    def test_a_run_that_gives_up_under_faults_alone_says_how_to_see_it_again(self):
        self.write_run(self.FEW | {"run.rounds": 100, "gossip.algorithm": "moniqua",
                                   "gossip.theta": 0.2, "data.alpha": 0.1})
        self.starling("simulate")
        done = self.call("starling", "simulate", self.run_file, "--set", "run.seed=7",
                         "--faults", "0..19", "--step", "2ms")
        self.assertEqual(done.returncode, BROKEN)
        self.assertRegex(done.stdout, r"\Asystem: \d+ seeds, 3 of them broke an invariant\n")
        seed = re.search(r"to see it again: starling simulate .*/run.toml --set run.seed=7 "
                         r"--step 2ms --faults (\d+)\n", done.stderr).group(1)
        self.assertRegex(done.stderr, rf"\nseed {seed}: loss ")
        again = self.call("starling", "simulate", self.run_file, "--set", "run.seed=7",
                          "--faults", seed, "--step", "2ms")
        self.assertEqual(again.returncode, BROKEN)
        self.assertIn(again.stderr.strip(), done.stderr)
        self.assertIn("raise [gossip] theta", again.stderr)

    def test_what_is_no_range_of_seeds_is_refused(self):
        expected = ("expected a seed or a range of them from the lower to the higher, such as 17 "
                    "or 0..99")
        for wrong in ("x", "3..", "..3", "5..4", "1-3", "-1"):
            self.check_refused(CONFIG, [f"--faults={wrong}"],
                               f"--faults {wrong}: {expected}")
        self.check_refused(CONFIG, ["--faults", "0..1000000"],
                           "--faults 0..1000000: these are more than 1000000 seeds; take "
                           "them in parts")

    def test_what_looks_at_one_run_does_not_go_with_many(self):
        for flag, value in (("--compare", "choco"), ("--sweep", "run.seed=1,2"),
                            ("--trace", self.dir / "trace.csv"),
                            ("--report", self.dir / "page.html"), ("--until-accuracy", "0.5")):
            done = self.call("starling", "simulate", self.run_file, "--faults", "1", flag, value)
            self.assertGreaterEqual(done.returncode, 100)
            self.assertRegex(done.stderr, rf"(--faults excludes {flag}|{flag} excludes --faults)")


class Attacks(Simulate):
    def setUp(self):
        super().setUp()
        self.write_run({"run.rounds": 30, "gossip.algorithm": "d-psgd", "topology.kind": "complete",
                        "topology.nodes": 5, "data.alpha": 100})

    def test_each_attack_is_run_with_and_without_clipping_beside_honest_nodes(self):
        rows = self.simulate("--attack", "sign-flip,constant", "--attack-seeds", "1..2")
        self.assertEqual([(row["attack"], row["clip"]) for row in rows],
                         [(attack, clip) for clip in (False, True)
                          for attack in ("none", "sign-flip", "constant")])
        self.assertEqual(rows[0]["lost_points_mean"], 0)
        by_name = {(row["attack"], row["clip"]): row for row in rows}
        self.assertGreater(by_name["sign-flip", False]["lost_points_mean"],
                           by_name["sign-flip", True]["lost_points_mean"])
        self.assertEqual(by_name["none", True]["refused"], 0)
        # Three of each of its four neighbors, for each seed: then it is left out.
        self.assertEqual(by_name["constant", True]["refused"], 2 * 4 * 3)
        text = self.starling("simulate", "--attack", "alie", "--liar", "n0")
        self.assertRegex(text, r"\nalie +on +\d")

    def test_what_is_no_attack_or_has_no_accuracy_is_refused(self):
        self.check_refused(CONFIG, ["--attack", "alie,flip"],
                           "--attack alie,flip: expected all, or some of sign-flip, "
                           "constant, alie and dissensus with commas between")
        self.check_refused(CONFIG, ["--attack", "alie", "--attack-seeds", "3.."],
                           "--attack-seeds 3..: expected a seed or a range of them from "
                           "the lower to the higher, such as 17 or 0..99")
        done = self.call("starling", "simulate", self.run_file, "--attack", "alie", "--set",
                         "gossip.algorithm=nids")
        self.assertEqual(done.returncode, CONFIG)
        self.assertIn("--set robust.clip=true: [robust] clip: found true, but the duals of nids",
                      done.stderr)
        done = self.call("starling", "simulate", self.run_file, "--attack", "alie", "--faults", "1")
        self.assertGreaterEqual(done.returncode, 100)


if __name__ == "__main__":
    unittest.main()
