"""What cannot be run is refused with one sentence and its exit code, before anything is opened."""
import shutil
import socket
import struct
import unittest

from flock import ENDLESS, SOURCE, FlockTest, processes_that_name

CONFIG, DATA, ADDRESS_IN_USE, STATE_LOCKED, DIVERGED, NO_DAEMON = 10, 11, 12, 13, 14, 3


class Refusal(FlockTest):
    def setUp(self):
        super().setUp()
        # Whoever opened a socket for a run that is refused would say that it is in use.
        self.taken = socket.create_server(("127.0.0.1", self.base_port))
        self.addCleanup(self.taken.close)
        self.write_run()

    def check_refused(self, done, exit_code, *parts):
        """One sentence on standard error that holds the parts; nothing on standard output."""
        self.assertEqual(done.returncode, exit_code, done.stderr)
        self.assertEqual(done.stdout, "")
        self.assertRegex(done.stderr, r"\A[^\n]+\n\Z")
        for part in parts:
            self.assertIn(part, done.stderr)
        return done.stderr

    def refused_everywhere(self, changes, exit_code, *parts):
        """By the daemon, by up, by the simulator and by config check, in the same words."""
        self.write_run(changes)
        words = {self.check_refused(self.call(*command), exit_code, *parts) for command in (
            ("starlingd", self.run_file, "--node", "n0", "--state", self.state),
            ("starling", "up", self.run_file, "--state", self.state),
            ("starling", "simulate", self.run_file),
            ("starling", "config", "check", self.run_file))}
        self.assertEqual(len(words), 1, words)
        self.assertFalse(self.state.exists(), "state was made for a run that is refused")


class RunFile(Refusal):
    def test_an_unknown_key_with_the_nearest_one(self):
        self.refused_everywhere({"gossip.rnak": 2}, CONFIG, f"{self.run_file}:",
                                "[gossip] rnak: unknown key; did you mean 'rank'?")

    def test_a_rank_of_zero(self):
        self.refused_everywhere({"gossip.rank": 0}, CONFIG, "[gossip] rank: found 0, expected",
                                "from 1 to 4096")

    def test_a_graph_in_two_parts(self):
        self.refused_everywhere({"topology.kind": "edges", "topology.edges": [[0, 1], [2, 3]]},
                                CONFIG, "not connected", "n0", "n2")

    def test_an_override_is_named_as_it_was_typed(self):
        self.check_refused(self.call("starlingd", self.run_file, "--node", "n0", "--set",
                                     "gossip.rank=0"), CONFIG, "--set gossip.rank=0: ", "found 0")

    def test_a_node_that_the_file_does_not_name(self):
        self.check_refused(self.call("starlingd", self.run_file, "--node", "n9"), CONFIG, '"n9"',
                           "n0, n1, n2, n3")

    def test_a_file_that_is_not_there(self):
        self.check_refused(self.call("starling", "up", "nowhere.toml"), CONFIG, "nowhere.toml")

    def test_a_file_that_is_no_toml(self):
        self.run_file.write_text("[run\nname = 3")
        self.check_refused(self.call("starling", "simulate", self.run_file), CONFIG,
                           f"{self.run_file}:1:")


class Data(Refusal):
    def test_a_folder_that_is_not_there(self):
        self.refused_everywhere({"data.path": "/nowhere"}, DATA, "/nowhere/optdigits.tra",
                                "data.path must name the folder")

    def test_a_file_that_was_cut_short(self):
        folder = self.dir / "digits"
        shutil.copytree(SOURCE / "data/uci-optdigits", folder)
        text = (folder / "optdigits.tra").read_text()
        (folder / "optdigits.tra").write_text(text[:len(text) // 2].rstrip("0123456789"))
        line = text[:len(text) // 2].count("\n") + 1
        self.refused_everywhere({"data.path": str(folder)}, DATA,
                                f"{folder}/optdigits.tra:{line}: ", "expected")

    def make_idx(self):
        folder = self.dir / "idx"
        folder.mkdir()
        for part in ("train", "t10k"):
            images = struct.pack(">IIII", 0x803, 8, 2, 2) + bytes(32)
            labels = struct.pack(">II", 0x801, 8) + bytes([0, 1] * 4)
            (folder / f"{part}-images-idx3-ubyte").write_bytes(images)
            (folder / f"{part}-labels-idx1-ubyte").write_bytes(labels)
        return folder, {"data.kind": "idx", "data.path": str(folder), "data.split": "iid"}

    def test_idx_with_another_magic(self):
        folder, changes = self.make_idx()
        self.write_run(changes)
        self.starling("simulate")  # as made it is good
        (folder / "train-labels-idx1-ubyte").write_bytes(struct.pack(">II", 0x803, 8) + bytes(8))
        self.refused_everywhere(changes, DATA, f"{folder}/train-labels-idx1-ubyte: magic "
                                "0x00000803 found", "expected 0x00000801")

    def test_idx_that_was_cut_short(self):
        folder, changes = self.make_idx()
        images = folder / "t10k-images-idx3-ubyte"
        images.write_bytes(images.read_bytes()[:-5])
        self.refused_everywhere(changes, DATA, f"{images}: 43 bytes found", "expected 48")


class Place(Refusal):
    def test_a_port_that_is_in_use(self):
        address = f"127.0.0.1:{self.base_port}"
        self.check_refused(self.call("starlingd", self.run_file, "--node", "n0", "--state",
                                     self.state), ADDRESS_IN_USE, address, "another process")
        done = self.call("starling", "up", self.run_file, "--state", self.state, "--json")
        self.assertEqual((done.returncode, done.stdout), (ADDRESS_IN_USE, ""))
        self.assertIn(address, done.stderr.splitlines()[-1])
        self.assertEqual(processes_that_name(self.state), [])

    def test_a_state_that_another_daemon_works_on(self):
        self.taken.close()
        self.write_run({"run.rounds": ENDLESS})
        first = self.start_node("n0")
        self.until(lambda: self.status("n0"), "n0 answers")
        self.check_refused(self.call("starlingd", self.run_file, "--node", "n0", "--state",
                                     self.state), STATE_LOCKED, str(self.state / "n0"),
                           f"process {first.pid}")
        self.assertTrue(self.status("n0"), "the first one goes on")

    def test_a_second_flock_takes_nothing_from_the_first(self):
        self.taken.close()
        self.write_run({"run.rounds": ENDLESS})
        first = self.start_up()
        self.training("n0")
        before = self.log("n0")
        done = self.call("starling", "up", self.run_file, "--state", self.state)
        self.assertEqual(done.returncode, STATE_LOCKED, done.stderr)
        self.assertRegex(done.stderr, r"\A[^\n]+ another daemon \(process \d+\) [^\n]+\n\Z")
        self.assertTrue(self.log("n0").startswith(before), "its log is whole")
        self.assertIsNone(first.poll())
        self.training("n0", self.status("n0")["round"])

    def test_a_state_that_cannot_be_made(self):
        blocked = self.dir / "file"
        blocked.write_text("")
        self.taken.close()
        for done in (self.call("starlingd", self.run_file, "--node", "n0", "--state", blocked),
                     self.call("starling", "up", self.run_file, "--state", blocked, "--json")):
            self.assertEqual(done.returncode, 15, done.stderr)
            self.assertIn(f"{blocked}/n0", done.stderr.splitlines()[-1])

    def test_a_state_whose_path_is_too_long_for_a_socket(self):
        self.taken.close()
        long = self.dir / ("x" * 120)
        done = self.call("starlingd", self.run_file, "--node", "n0", "--state", long)
        self.check_refused(done, 15, "at most 107 characters", "--state")

    def test_nobody_there(self):
        for verb in ("status", "peers", "stop"):
            done = self.call("starling", verb, self.run_file, "--state", self.state)
            self.check_refused(done, NO_DAEMON, str(self.state / "n0/control.sock"))

    def test_a_socket_that_a_dead_daemon_left(self):
        (self.state / "n0").mkdir(parents=True)
        dead = socket.socket(socket.AF_UNIX)
        dead.bind(str(self.state / "n0/control.sock"))
        dead.close()
        done = self.call("starling", "status", self.run_file, "--state", self.state)
        self.check_refused(done, NO_DAEMON, str(self.state / "n0/control.sock"))


class Diverged(Refusal):
    def setUp(self):
        super().setUp()
        self.taken.close()
        self.write_run({"train.learning_rate": 1000, "model.hidden": [128, 64]})

    def test_in_the_simulator(self):
        self.check_refused(self.call("starling", "simulate", self.run_file, "--json"), DIVERGED,
                           "training diverged in round", "learning_rate")

    def test_by_daemons_the_flock_ends(self):
        done = self.call("starling", "up", self.run_file, "--state", self.state)
        self.assertEqual(done.returncode, DIVERGED, done.stderr)
        self.assertRegex(done.stderr, r"\An\d: training diverged in round \d+: [^\n]*\n\Z")
        self.assertEqual(processes_that_name(self.state), [])
        node = done.stderr.split(":")[0]
        self.assertTrue((self.state / node / "model.safetensors").exists(), "as it stood")


if __name__ == "__main__":
    unittest.main()
