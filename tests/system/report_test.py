"""`starling report`: what daemons of three nodes have left, as table, numbers and page."""
import csv
import json
import os
import shutil
import unittest

import browser
from flock import FlockTest


class Report(FlockTest):
    def test_a_run_of_three_daemons(self):
        self.write_run({"topology.nodes": 3})
        nodes = ("n0", "n1", "n2")
        for daemon in [self.start_node(node) for node in nodes]:
            self.ended(daemon)
        folder = self.dir / "by-hand"
        for node in nodes:
            shutil.copy(self.state / node / "model.safetensors", folder / f"{node}.safetensors")

        numbers, page = self.dir / "table.csv", self.dir / "page.html"
        done = self.call("starling", "report", folder, "--csv", numbers, "--html", page, "--json")
        self.assertEqual(done.returncode, 0, done.stderr)
        run, = json.loads(done.stdout)
        self.assertEqual((run["label"], run["rounds"]), ("by-hand", 40))
        reports = [self.report(node) for node in nodes]
        self.assertEqual(run["nodes"], reports)
        self.assertEqual(run["min_accuracy"], min(report["accuracy"] for report in reports))
        with numbers.open() as file:
            row, = csv.DictReader(file)
        self.assertEqual(float(row["consensus_distance"]), run["consensus_distance"])
        self.assertGreater(float(row["compute_share"]), 0)
        html = page.read_text()
        self.assertIn("Loss against seconds", html)
        self.assertNotIn("virtual", html)
        self.assertEqual(html.count("<svg class=\"chart\""), 7)

    def test_a_folder_without_reports(self):
        done = self.call("starling", "report", self.dir)
        self.assertEqual((done.returncode, done.stdout), (15, ""))
        self.assertEqual(len(done.stderr.splitlines()), 1)
        self.assertIn("found no report of a node", done.stderr)

    def test_the_page_of_three_algorithms_in_a_browser(self):
        self.write_run({"run.rounds": 60, "train.learning_rate": 0.05})
        page = self.dir / "page.html"
        self.starling("simulate", "--compare", "none,d-psgd,cold", "--report", page)
        for width in (1400, 420):  # a desk and a telephone
            seen, = browser.shown(page, width, 2800, keep=os.environ.get("STARLING_PICTURE"))
            self.assertGreater(seen["#ffffff"], width * 2800 / 2)
            for color in ("#3d7fe0", "#d9711f", "#2f9e5f"):  # of daemon/chart.cc
                self.assertGreater(seen.get(color, 0), 500, f"{color}, {width} wide")


if __name__ == "__main__":
    unittest.main()
