"""What an operator asks of running daemons: ping, check, pause, resume, export, watch, and lines."""
import contextlib
import json
import os
import pathlib
import pty
import select
import signal
import socket
import struct
import subprocess
import time
import unittest

from control import Control, framed
from flock import ENDLESS, PATIENCE_SECONDS, FlockTest
from protobuf import field

NO_DAEMON, CONFIG, IO = 3, 10, 15
EXPORT = 10  # of Request and Reply
NAMES = ("n0", "n1", "n2", "n3")


class Operated(FlockTest):
    def setUp(self):
        super().setUp()
        # A step of some milliseconds, so that rounds do not race away.
        self.write_run({"run.rounds": ENDLESS, "run.evaluate_every": 0, "train.local_steps": 8})

    def start_flock(self, *names):
        daemons = {name: self.start_node(name) for name in names or NAMES}
        for name in daemons:
            self.training(name)
        return daemons

    def ask(self, verb, *words):
        return self.call("starling", verb, self.run_file, "--state", self.state, *words)

    def refused(self, done, code, part):
        self.assertEqual(done.returncode, code, done.stderr)
        self.assertEqual(done.stderr.count("\n"), 1, done.stderr)
        self.assertIn(part, done.stderr)

    def moves(self, *nodes):
        for node in nodes:
            self.training(node, past_round=self.status(node)["round"] + 3)

    def rests(self, node):
        self.until(lambda: self.status(node)["phase"] == "paused", f"{node} rests")

    def all_up(self, node):
        self.until(lambda: {peer["state"] for peer in self.peers(node).values()} == {"up"},
                   f"all links of {node} are up")


class Links(Operated):
    def test_ping_over_the_link_that_is_up(self):
        self.start_flock()
        told = json.loads(self.ask("ping", "n1", "--node", "n0", "--count", "5", "--json").stdout)
        self.assertEqual((told["node"], told["peer"], len(told["seconds"])), ("n0", "n1", 5))
        for seconds in told["seconds"]:
            self.assertTrue(0 < seconds < 5, told)
        self.assertRegex(self.ask("ping", "n1", "--node", "n0").stdout,
                         r"^n0 to n1 and back, 3 times: least [\d.]+ ms, median [\d.]+ ms, "
                         r"most [\d.]+ ms\n$")
        self.refused(self.ask("ping", "n2", "--node", "n0"), IO,
                     'n0 has no neighbor called "n2"; its neighbors are n1, n3')
        self.refused(self.ask("ping", "n1", "--node", "n7"), CONFIG, 'no node is called "n7"')

    def test_check_says_of_what_kind_the_trouble_is_and_when_it_is_tried_again(self):
        daemons = self.start_flock("n0", "n1", "n3")
        self.all_up("n0")
        good = self.ask("check", "--node", "n0")
        self.assertEqual((good.returncode, good.stdout), (0, "n0: n1 is up\nn0: n3 is up\n"))
        daemons["n1"].kill()
        self.ended(daemons["n1"], -signal.SIGKILL)

        def look():
            done = self.ask("check", "--node", "n0", "--json")
            told = {peer["name"]: peer for peer in json.loads(done.stdout)["peers"]}
            waits = "redial_seconds" in told["n1"]
            return (done.returncode, told) if told["n1"]["cause"] == "connection-refused" and waits \
                else None
        code, told = self.until(look, "n0 finds nobody at n1")
        self.assertEqual((code, told["n3"]["state"], told["n3"]["cause"]), (1, "up", "none"))
        self.assertIn("connection refused", told["n1"]["reason"])
        self.assertTrue(0 <= told["n1"]["redial_seconds"] <= 5, told)
        self.assertGreater(told["n1"]["dials"], 0)
        text = self.ask("check", "--node", "n0").stdout
        self.assertIn(f"n0: n1 (127.0.0.1:{self.base_port + 1}) is not up for ", text)
        self.assertIn("    nobody listens there: start its daemon, or correct the address\n", text)

    def test_check_names_the_field_in_which_two_runs_differ(self):
        self.start_node("n0")
        self.start_node("n1", "--set", "run.seed=8")
        def look():
            done = self.ask("check", "--node", "n0", "--json")
            peers = json.loads(done.stdout)["peers"] if done.stdout else []
            return [peer for peer in peers if peer["cause"] == "mismatch"]
        peer, = self.until(look, "n0 says that n1 runs another run")
        self.assertIn("seed is '7' here and '8' there", peer["reason"])

    def test_a_link_that_is_paused_and_comes_back(self):
        self.start_flock()
        self.all_up("n0")
        done = self.ask("pause", "--node", "n0", "--peer", "n1")
        self.assertRegex(done.stdout, r"^n0: the link to n1 rests after \d+ rounds\n$")
        self.until(lambda: self.peers("n1")["n0"]["state"] != "up", "n1 has no link to n0")
        self.assertIn("paused", self.peers("n0")["n1"]["reason"])
        self.until(lambda: "n0 has paused" in self.peers("n1")["n0"]["reason"], "n1 knows why")
        self.assertEqual(self.peers("n0")["n3"]["state"], "up")
        self.moves(*NAMES)
        self.assertIn("paused: paused here: its operator has paused this link",
                      self.ask("check", "--node", "n0").stdout)
        self.ask("resume", "--node", "n0", "--peer", "n1")
        self.all_up("n0")
        self.moves(*NAMES)
        self.refused(self.ask("pause", "--node", "n0", "--peer", "zz"), IO,
                     'n0 has no neighbor called "zz"')


class Pauses(Operated):
    def test_a_node_rests_while_the_others_go_on_and_goes_on_with_them(self):
        self.start_flock()
        done = self.ask("pause", "--node", "n0")
        self.assertRegex(done.stdout, r"^n0: rests at the end of the round it is in, after \d+ ")
        self.rests("n0")
        self.until(lambda: {p["state"] for p in self.peers("n0").values()} == {"down"}, "no links")
        rested = self.status("n0")["round"]
        self.moves("n1", "n2", "n3")
        self.assertEqual(self.status("n0")["round"], rested)
        saved = json.loads(self.ask("checkpoint", "--node", "n0", "--json").stdout)
        self.assertEqual(saved["round"], rested)
        flock = self.status("n1")["round"]
        self.ask("resume", "--node", "n0")
        self.all_up("n0")
        self.training("n0", past_round=flock)
        self.moves(*NAMES)
        # It has waited for its links, and did not race ahead of the flock meanwhile.
        self.assertLess(abs(self.status("n0")["round"] - self.status("n1")["round"]), 100)
        for name in NAMES:
            self.assertNotIn("broke the protocol", self.log(name))

    def test_all_of_a_flock_rest_and_go_on(self):
        self.start_flock()
        told = json.loads(self.ask("pause", "--json").stdout)["nodes"]
        self.assertEqual([one["node"] for one in told], list(NAMES))
        for name in NAMES:
            self.rests(name)
        before = {name: self.status(name)["round"] for name in NAMES}
        self.ask("resume")
        for name in NAMES:
            self.training(name, past_round=before[name] + 3)

    def test_a_node_that_rests_stops_at_once(self):
        daemons = self.start_flock()
        self.ask("pause", "--node", "n2")
        self.rests("n2")
        self.starling("stop", "--node", "n2")
        self.ended(daemons["n2"])
        self.assertGreater(self.report("n2")["round"], 0)
        self.moves("n0", "n1", "n3")


class Export(Operated):
    def header(self, file):
        data = file.read_bytes()
        size, = struct.unpack("<Q", data[:8])
        return json.loads(data[8:8 + size])

    def test_the_model_of_a_node_while_it_trains_while_it_rests_and_when_it_has_ended(self):
        daemons = self.start_flock()
        out = self.dir / "model.safetensors"
        done = self.ask("export", out, "--node", "n0")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertRegex(done.stdout, r": the model of n0 after \d+ rounds\n$")
        first = self.header(out)
        self.assertEqual(first["__metadata__"]["node"], "n0")
        self.assertEqual(sorted(path.name for path in (self.state / "n0").glob("export*")), [])
        self.ask("pause", "--node", "n0")
        self.rests("n0")
        told = json.loads(self.ask("export", out, "--node", "n0", "--json").stdout)
        self.assertEqual(told["round"], self.status("n0")["round"])
        self.assertEqual(self.header(out)["__metadata__"]["rounds"], str(told["round"]))
        at_rest = out.read_bytes()
        self.starling("stop", "--node", "n0")
        self.ended(daemons["n0"])
        done = self.ask("export", out, "--node", "n0")
        self.assertIn("as it ended; no daemon answers", done.stdout)
        self.assertEqual(out.read_bytes(), at_rest)

    def test_two_who_ask_at_a_time_have_a_file_each_and_what_nobody_fetches_is_cleaned(self):
        daemon = self.start_node("n0", "--set", "gossip.algorithm=none")
        self.training("n0")
        path = self.state / "n0/control.sock"
        with Control(path) as one, Control(path) as other:
            files = [pathlib.Path(dict(control.ask(EXPORT)[1])[2].decode())
                     for control in (one, other)]
        self.assertNotEqual(*files)
        files[0].unlink()
        self.assertEqual(self.header(files[1])["__metadata__"]["node"], "n0")
        out = self.dir / "model.safetensors"
        self.assertEqual(self.ask("export", out, "--node", "n0").returncode, 0)
        self.assertEqual(list((self.state / "n0").glob("export*")), [files[1]], "its own alone")
        self.starling("stop", "--node", "n0")
        self.ended(daemon)
        self.start_node("n0", "--set", "gossip.algorithm=none")
        self.training("n0")
        self.assertEqual(list((self.state / "n0").glob("export*")), [])

    def test_a_file_that_has_gone_is_named_and_not_the_one_that_was_to_be(self):
        (self.state / "n0").mkdir(parents=True)
        gone, out = self.dir / "export-1.safetensors", self.dir / "m"
        with socket.socket(socket.AF_UNIX) as daemon:
            daemon.bind(str(self.state / "n0/control.sock"))
            daemon.listen()
            daemon.settimeout(PATIENCE_SECONDS)
            asking = self.start("starling", "export", self.run_file, out, "--state", self.state,
                                "--node", "n0", stderr=subprocess.PIPE, text=True)
            connection, _ = daemon.accept()
            with connection:
                connection.sendall(framed(field(EXPORT, field(1, 3) + field(2, str(gone)))))
                _, said = asking.communicate(timeout=PATIENCE_SECONDS)
        self.assertEqual((asking.returncode, said),
                         (IO, f"{gone}: cannot be read: No such file or directory\n"))
        self.assertEqual(sorted(path.name for path in self.dir.glob("m*")), [])

    def test_places_that_cannot_be_written_and_nodes_that_are_not_there(self):
        self.refused(self.ask("export", self.dir / "m", "--node", "n0"), NO_DAEMON,
                     "and it has left no model at")
        self.start_node("n0", "--set", "gossip.algorithm=none")
        self.training("n0")
        self.refused(self.ask("export", self.dir / "none/m", "--node", "n0"), IO,
                     "none/m.new: cannot be written: No such file or directory")


class Watch(Operated):
    def read_frames(self, *words, frames=3):
        """What stands on a terminal after so many drawings."""
        master, slave = pty.openpty()
        self.addCleanup(os.close, master)
        child = self.start("starling", *words, stdout=slave, stderr=slave)
        os.close(slave)
        text = ""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while text.count("\x1b[J") < frames:
            ready, _, _ = select.select([master], [], [], deadline - time.monotonic())
            self.assertTrue(ready, text)
            text += os.read(master, 65536).decode()
        child.send_signal(signal.SIGTERM)
        self.ended(child, -signal.SIGTERM)
        return text.split("\x1b[J")

    def test_links_live_with_what_they_carry(self):
        self.start_flock()
        frames = self.read_frames("peers", self.run_file, "--state", self.state, "--watch")
        self.assertRegex(frames[0], r"^node +peer +state +for s +round +apart +out +in ")
        self.assertRegex(frames[-2], r"n0 +n1 +up +\d+ +\d+ +[\d.e-]+ +[\d.]+ k?M?B/s +[\d.]+ k?M?B/s ")

    def test_nodes_live_as_up_shows_them(self):
        self.start_flock()
        frames = self.read_frames("watch", self.run_file, "--state", self.state)
        self.assertRegex(frames[-2], r"^d-psgd [█░]{30} \d+/\d+ ")
        self.assertIn("waits for", frames[-2])

    def test_it_ends_when_nobody_answers_any_more(self):
        daemons = self.start_flock()
        with (self.dir / "watched").open("w") as out:
            watch = self.start("starling", "watch", self.run_file, "--state", self.state, "--json",
                               stdout=out)
        self.until(lambda: (self.dir / "watched").read_text(), "a line")
        self.starling("stop")
        for daemon in daemons.values():
            self.ended(daemon)
        self.ended(watch)
        line = json.loads((self.dir / "watched").read_text().splitlines()[0])
        self.assertEqual([node["node"] for node in line["nodes"]], list(NAMES))
        self.refused(self.ask("watch"), NO_DAEMON, "no daemon answers")


class Lines(Operated):
    def talk(self, text, node="n0"):
        """What is answered to lines, until the other end closes or ours is shut."""
        with socket.socket(socket.AF_UNIX) as talker:
            talker.settimeout(PATIENCE_SECONDS)
            talker.connect(str(self.state / node / "control.sock"))
            said = b""
            # Whoever says too much finds the other end closed.
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                talker.sendall(text.encode())
                talker.shutdown(socket.SHUT_WR)
            with contextlib.suppress(ConnectionResetError):
                while part := talker.recv(65536):
                    said += part
        return said.decode()

    def test_words_in_place_of_messages(self):
        self.start_flock()
        status = self.talk("status\n").splitlines()
        self.assertEqual(status[0], "run system")
        self.assertIn("phase training", status)
        self.assertEqual(status[-1], "ok")
        peers = self.talk("peers").splitlines()  # the end of the words is an end of a line
        self.assertEqual(peers[0], "node n0")
        self.assertTrue(peers[1].startswith("peers name=n1 address=127.0.0.1:"), peers)
        self.assertRegex(self.talk("ping n1\n"), r"^seconds [\d.e-]+\nok\n$")
        self.assertIn("\nstarling_rounds_done{", self.talk("metrics\n"))
        both = self.talk("status\npeers\n")
        self.assertEqual(both.count("\nok\n"), 2)

    def test_what_is_no_request_is_answered_with_a_sentence(self):
        self.start_flock()
        self.assertRegex(self.talk("halt\n"), "^error found halt, expected one of status, peers, ")
        self.assertEqual(self.talk("status n1\n"),
                         "error found 1 words behind status, expected none\n")
        self.assertEqual(self.talk("ping n2\n"),
                         'error n0 has no neighbor called "n2"; its neighbors are n1, n3\n')
        self.assertRegex(self.talk("a" * 100_000), "^error found aaaa")
        self.moves("n0")

    def test_who_asks_for_more_than_to_look_in_words_is_logged_too(self):
        daemons = self.start_flock()
        self.talk("metrics\n")
        self.assertNotIn("asked for by user", self.log("n0"))
        self.assertRegex(self.talk("stop\n"), r"^round \d+\nok\n$")
        self.ended(daemons["n0"])
        self.assertIn("control.sock: stop, asked for by user", self.log("n0"))


if __name__ == "__main__":
    unittest.main()
