"""Two algorithms one after the other in containers, and what is written about them."""
import csv
import unittest

from containers import BIN, TestbedTest


class Compare(TestbedTest):
    def test_a_table_as_text_numbers_and_page(self):
        out = self.dir / "results"
        said = self.call("compare", str(self.run_file), "--algorithms", "alone,powergossip",
                         "--set", "run.rounds=60", "--set", "topology.nodes=4", "--rate", "20mbit",
                         "--binaries", str(BIN), "--results", str(out))
        text = (out / "comparison.txt").read_text()
        self.assertIn(text, said)
        with (out / "comparison.csv").open() as file:
            alone, powergossip = csv.DictReader(file)
        self.assertEqual((alone["run"], powergossip["run"]), ("alone", "powergossip"))
        for run in (alone, powergossip):
            self.assertEqual((run["nodes"], run["rounds"]), ("4", "60"))
            self.assertGreater(float(run["wall_seconds"]), 0)
        self.assertEqual(float(alone["sent_bytes_mean"]), 0)
        self.assertGreater(float(powergossip["sent_bytes_mean"]), 1000)
        # Who exchanges ends nearer to each other than who does not.
        self.assertLess(float(powergossip["consensus_distance"]),
                        float(alone["consensus_distance"]))
        page = (out / "comparison.html").read_text()
        self.assertIn("rate 20mbit", page)
        self.assertIn("Accuracy against seconds", page)
        self.assertEqual(len(list((out / "powergossip").glob("n?.safetensors"))), 4)
        self.assert_nothing_is_left()


if __name__ == "__main__":
    unittest.main()
