"""What a daemon saves outlives it: stops, kill -9, damage, and disks that are full."""
import contextlib
import json
import os
import random
import signal
import unittest

from flock import ENDLESS, FlockTest, SLOWNESS, rounds

IO = 15
SMALL = {"run.rounds": 120, "run.evaluate_every": 20, "topology.nodes": 4}
ALGORITHMS = [
    {"gossip.algorithm": "none", "train.optimizer": "adam", "train.learning_rate": 0.01},
    {"gossip.algorithm": "d-psgd"},
    {"gossip.algorithm": "choco", "compress.operator": "top-k", "compress.ratio": 0.1},
    {"gossip.algorithm": "powergossip", "gossip.rank": 2},
    {"gossip.algorithm": "cold", "compress.operator": "block-top-k"},
    {"gossip.algorithm": "deepsqueeze", "compress.operator": "sign"},
]


class Checkpoints(FlockTest):
    def models(self, report):
        return {node["name"]: node["parameters_sha256"] for node in report["nodes"]}

    def file(self, node, slot):
        return self.state / node / f"checkpoint-{slot}.safetensors"

    def resumed_at(self, node):
        """Rounds done when it last went on from a checkpoint; nothing where it never did."""
        lines = [line for line in self.log(node).splitlines() if "resumed from" in line]
        return int(lines[-1].split(" after ")[1].split()[0]) if lines else None

    def test_a_run_that_stopped_and_went_on_equals_the_run_that_never_did(self):
        for changes in ALGORITHMS:
            with self.subTest(changes["gossip.algorithm"]):
                self.write_run(SMALL | changes)
                self.state = self.dir / f"{changes['gossip.algorithm']}-whole"
                whole = self.starling("up", "--json")
                self.state = self.dir / f"{changes['gossip.algorithm']}-halves"
                half = self.starling("up", "--json", "--set", "run.rounds=60")
                self.assertEqual({node["round"] for node in half["nodes"]}, {60})
                other = self.starling("up", "--json")
                self.assertEqual({node["resumed_at"] for node in other["nodes"]}, {60})
                self.assertEqual(self.models(other), self.models(whole), self.logs())
                self.assertNotEqual(self.models(half), self.models(whole))
                for name in ("round", "loss", "accuracy", "sent_bytes", "received_bytes",
                             "sent_uncompressed_bytes"):
                    self.assertEqual([node[name] for node in other["nodes"]],
                                     [node[name] for node in whole["nodes"]], name)

    def test_a_run_that_is_done_says_so_and_begins_anew_when_told(self):
        self.write_run(SMALL | {"run.rounds": 20})
        first = self.starling("up", "--json")
        again = self.starling("up")
        self.assertIn("4 of 4 nodes went on from checkpoints of 20 rounds; --fresh begins anew",
                      again)
        self.assertIn("after 20 rounds, which is all", self.log("n0"))
        fresh = self.starling("up", "--json", "--fresh")
        self.assertEqual(self.models(fresh), self.models(first))
        self.assertNotIn("resumed_at", fresh["nodes"][0])
        self.assertIn("begins anew: an old checkpoint is now", self.log("n1"))
        self.assertTrue((self.state / "n1/checkpoint-0.old-1.safetensors").exists())

    def test_a_stop_saves_and_a_restart_goes_on_from_there(self):
        self.write_run({"run.rounds": ENDLESS, "gossip.algorithm": "none"})
        daemon = self.start_node("n0")
        self.training("n0")
        self.starling("stop", "--node", "n0")
        self.ended(daemon)
        stopped = self.report("n0")["round"]
        daemon = self.start_node("n0")
        self.until(lambda: self.resumed_at("n0"), "n0 has resumed")
        self.assertEqual(self.resumed_at("n0"), stopped)
        self.training("n0", past_round=stopped)
        daemon.send_signal(signal.SIGTERM)
        self.ended(daemon)
        self.assertGreater(self.report("n0")["round"], stopped)
        self.assertEqual(self.report("n0")["resumed_at"], stopped)

    def test_starling_checkpoint_answers_when_it_is_safe(self):
        self.write_run({"run.rounds": ENDLESS, "gossip.algorithm": "none",
                        "checkpoint.every_seconds": 0})
        daemon = self.start_node("n0")
        self.training("n0")
        self.assertFalse(self.file("n0", 0).exists())
        saved = self.starling("checkpoint", "--node", "n0", "--json")
        self.assertEqual(saved["file"], str(self.file("n0", 0)))
        self.assertEqual(saved["bytes"], self.file("n0", 0).stat().st_size)
        self.assertEqual(self.status("n0")["checkpoint_round"], saved["round"])
        self.assertIn(f"checkpoint of {saved['round']} rounds in ", self.log("n0"))
        text = self.starling("checkpoint")
        self.assertIn(f"rounds in {self.file('n0', 1)}, ", text)
        daemon.kill()
        self.ended(daemon, -signal.SIGKILL)
        daemon = self.start_node("n0")
        self.until(lambda: self.resumed_at("n0"), "n0 has resumed")
        self.assertGreater(self.resumed_at("n0"), saved["round"])

        off = self.call("starlingd", self.run_file, "--node", "n1", "--state", self.state,
                        "--set", "checkpoint.enabled=false", "--set", "run.rounds=5")
        self.assertEqual(off.returncode, 0, off.stderr)
        self.assertFalse(self.file("n1", 0).exists())

    def test_kill_9_at_any_instant_loses_and_damages_nothing(self):
        self.write_run({"run.rounds": ENDLESS, "gossip.algorithm": "none",
                        "checkpoint.every": 1, "model.hidden": [128, 64]})
        random.seed(18)
        logged = 0
        for _ in range(4 if SLOWNESS > 1 else 20):
            daemon = self.start_node("n0")
            goal = logged + random.randrange(1, 30)
            # The line is there, so the checkpoint was safe before it.
            self.until(lambda: self.last_saved("n0") >= goal or daemon.poll() is not None,
                       f"a checkpoint of {goal} rounds")
            daemon.kill()
            self.ended(daemon, -signal.SIGKILL)
            resumed = self.resumed_at("n0") or 0
            self.assertGreaterEqual(resumed, logged, "an acknowledged checkpoint was lost")
            self.assertNotIn("a checkpoint is not used", self.log("n0"))
            logged = self.last_saved("n0")

    def last_saved(self, node):
        """Rounds of the newest checkpoint that it has logged."""
        lines = [line for line in self.log(node).splitlines() if " checkpoint of " in line]
        return int(lines[-1].split(" checkpoint of ")[1].split()[0]) if lines else 0

    def saved_twice(self):
        """Checkpoints of 10 and 20 rounds of n0."""
        self.write_run({"run.rounds": 20, "gossip.algorithm": "none", "checkpoint.every": 10})
        self.ended(self.start_node("n0"))
        self.assertTrue(self.file("n0", 0).exists())
        self.assertTrue(self.file("n0", 1).exists())

    def damage(self, file, at=5000):
        content = bytearray(file.read_bytes())
        content[at] ^= 4
        file.write_bytes(content)

    def test_a_damaged_one_is_refused_and_the_one_before_is_used(self):
        self.saved_twice()
        self.damage(self.file("n0", 1))
        self.ended(self.start_node("n0"))
        self.assertEqual(self.resumed_at("n0"), 10)
        log = self.log("n0")
        self.assertIn(f"a checkpoint is not used: {self.file('n0', 1)}: its first ", log)
        self.assertIn("it is damaged; kept as ", log)
        self.assertEqual(self.report("n0")["round"], 20)

    def test_where_none_can_be_used_the_daemon_does_not_start(self):
        self.saved_twice()
        self.damage(self.file("n0", 0))
        os.truncate(self.file("n0", 1), 1000)
        before = [self.file("n0", slot).read_bytes() for slot in (0, 1)]
        words = (self.run_file, "--node", "n0", "--state", self.state)
        done = self.call("starlingd", *words)
        self.assertEqual(done.returncode, IO)
        self.assertEqual(len(done.stderr.splitlines()), 1, done.stderr)
        for part in ("no checkpoint can be used", str(self.file("n0", 0)), "it is damaged",
                     "it ends at byte 1000", "--fresh"):
            self.assertIn(part, done.stderr)
        self.assertEqual([self.file("n0", slot).read_bytes() for slot in (0, 1)], before)
        self.assertEqual(self.call("starlingd", *words, "--fresh").returncode, 0)

    def test_one_of_another_run_is_refused_with_both_values(self):
        self.saved_twice()
        done = self.call("starlingd", self.run_file, "--node", "n0", "--state", self.state,
                         "--set", "run.seed=8")
        self.assertEqual(done.returncode, IO)
        self.assertIn("it is of another run or node: its seed is '7', expected '8'", done.stderr)

    def test_a_disk_that_takes_none_does_not_stop_the_training(self):
        self.write_run({"run.rounds": ENDLESS, "gossip.algorithm": "none", "checkpoint.every": 5})
        daemon = self.start_node("n0")
        self.until(lambda: self.last_saved("n0") > 0, "a checkpoint")
        # What even root cannot make a file of: the name is taken by a directory.
        (self.dir / "in-the-way").mkdir()
        self.until(self.take_name, "checkpoint.new is between two checkpoints")
        self.until(lambda: "no checkpoint of" in self.log("n0"), "the failure is told")
        failed = self.status("n0")["round"]
        self.training("n0", past_round=failed + rounds(200))
        self.assertEqual(self.log("n0").count("no checkpoint of"), 1, "once a minute")
        asked = self.call("starling", "checkpoint", self.run_file, "--state", self.state)
        self.assertEqual(asked.returncode, IO)
        self.assertIn("checkpoint.new: cannot be removed", asked.stderr)
        (self.state / "n0/checkpoint.new").rmdir()
        saved = self.starling("checkpoint", "--json", "--node", "n0")
        self.assertGreater(saved["round"], failed)
        daemon.terminate()
        self.ended(daemon)

    def take_name(self):
        with contextlib.suppress(NotADirectoryError):  # one is being written
            os.rename(self.dir / "in-the-way", self.state / "n0/checkpoint.new")
            return True

    def test_a_directory_of_its_own_keeps_each_nodes_apart(self):
        place = self.dir / "kept"
        self.write_run(SMALL | {"run.rounds": 20, "checkpoint.directory": str(place)})
        self.starling("up", "--json")
        for node in ("n0", "n3"):
            self.assertTrue((place / node / "checkpoint-0.safetensors").exists())
            self.assertFalse(self.file(node, 0).exists())


class Format(FlockTest):
    """The file as any reader of the format sees it, without ours."""

    def test_tensors_lie_where_the_header_says(self):
        self.write_run({"run.rounds": 10, "train.optimizer": "adam", "train.learning_rate": 0.01})
        self.starling("up", "--json")
        raw = (self.state / "n1/checkpoint-0.safetensors").read_bytes()
        size = int.from_bytes(raw[:8], "little")
        header = json.loads(raw[8:8 + size])
        notes = header.pop("__metadata__")
        self.assertEqual(size % 8, 0)
        self.assertEqual((notes["format"], notes["round"], notes["fingerprint.node"]),
                         ("starling checkpoint", "10", "n1"))
        end = 0
        for name, tensor in sorted(header.items(), key=lambda item: item[1]["data_offsets"]):
            begin, end_of = tensor["data_offsets"]
            width = {"F32": 4, "U8": 1}[tensor["dtype"]]
            self.assertEqual((begin, end_of), (end, end + width * tensor["shape"][0]), name)
            end = end_of
        self.assertEqual(8 + size + end, len(raw))
        # The model in it is the model that was exported.
        exported = (self.state / "n1/model.safetensors").read_bytes()
        model = exported[8 + int.from_bytes(exported[:8], "little"):]
        self.assertIn(model, raw)
        moment = header["trainer.optimizer.second_moment"]["data_offsets"]
        self.assertEqual(moment[1] - moment[0], len(model))


if __name__ == "__main__":
    unittest.main()
