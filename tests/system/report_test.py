"""`starling report`: what daemons of three nodes have left, as table, numbers and page."""
import csv
import json
import shutil
import unittest

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


if __name__ == "__main__":
    unittest.main()
