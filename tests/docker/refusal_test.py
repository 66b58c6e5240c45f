"""Bad words, bad files and a machine without an engine: one sentence and an exit code."""
import unittest

from containers import BIN, TestbedTest
from testbed_lib import faults


class Refusal(TestbedTest):
    def refused(self, *words, exit_code, says, **environment):
        text = self.call(*words, exit_code=exit_code, **environment)
        self.assertIn(says, text)
        self.assertEqual(len(text.splitlines()), 1, text)

    def test_a_machine_without_an_engine(self):
        self.refused("status", exit_code=3, says="no Docker engine answers",
                     DOCKER_HOST=f"unix://{self.dir}/no.sock")

    def test_words_that_are_none(self):
        self.refused("explode", exit_code=2, says="'explode'")
        self.refused("kill", exit_code=2, says="NODE")
        self.refused("up", "run.toml", "--rate", "fast", exit_code=2,
                     says="found 'fast', expected a number with kbit or mbit or gbit")
        self.refused("up", "run.toml", "--loss", "100%", exit_code=2, says="out of range")
        self.refused("--project", "No Good", "status", exit_code=2, says="found 'No Good'")

    def test_a_testbed_that_is_not_up(self):
        for words in (["status"], ["kill", "n0"], ["heal"], ["nemesis"], ["follow"]):
            self.refused(*words, exit_code=1, says="is not up")
        self.call("down")  # no harm

    def test_a_run_file_with_a_mistake(self):
        self.refused("up", str(self.dir / "none.toml"), "--binaries", str(BIN), exit_code=10,
                     says="there is no such file")
        self.run_file.write_text("[run]\nround = 7\n")
        self.refused("up", str(self.run_file), "--binaries", str(BIN), exit_code=10,
                     says=f"{self.run_file}:2:1: [run] round: unknown key")

    def test_data_that_is_not_there(self):
        self.refused("up", str(self.run_file), "--set", "data.path=nowhere", "--binaries", str(BIN),
                     exit_code=11, says=f"found nothing at {self.dir}/nowhere")

    def test_programs_that_are_not_there(self):
        self.refused("up", str(self.run_file), "--binaries", str(self.dir), exit_code=1,
                     says="found no 'starling' there")

    def test_an_image_that_no_registry_gives(self):
        self.refused("up", str(self.run_file), "--metrics", "--prometheus-image", "localhost:1/none",
                     exit_code=1, says="no image localhost:1/none and no registry gives it")


class Plan(unittest.TestCase):
    nodes = [f"n{i}" for i in range(8)]

    def test_the_same_seed_gives_the_same_faults_and_another_others(self):
        self.assertEqual(faults.plan(5, self.nodes, 600), faults.plan(5, self.nodes, 600))
        self.assertNotEqual(faults.plan(5, self.nodes, 600), faults.plan(6, self.nodes, 600))

    def test_each_fault_is_undone_before_the_next(self):
        undone = {"kill": "restart", "pause": "resume", "partition": "heal"}
        for seed in range(50):
            steps = faults.plan(seed, self.nodes, 600)
            self.assertEqual([at for at, *_ in steps], sorted(at for at, *_ in steps))
            self.assertLessEqual(steps[-1][0], 600)
            for (_, verb, what), (_, undo, of) in zip(steps[::2], steps[1::2], strict=True):
                self.assertEqual(undo, undone[verb])
                if verb == "partition":
                    self.assertEqual(sorted(what[0] + what[1]), self.nodes)
                    self.assertTrue(what[0] and what[1])
                else:
                    self.assertEqual(of, what)

    def test_one_node_is_never_parted_from_itself(self):
        self.assertNotIn("partition", [verb for _, verb, _ in faults.plan(1, ["n0"], 600)])


if __name__ == "__main__":
    unittest.main()
