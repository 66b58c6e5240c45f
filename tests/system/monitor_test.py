"""Following the log of daemons while they run."""
import json
import re
import signal
import socket
import struct
import unittest

from control import ERROR, Control, framed
from flock import ENDLESS, PATIENCE_SECONDS, FlockTest
from protobuf import field, fields_of

NO_DAEMON, CONFIG, IO = 3, 10, 15
MONITOR = 11
DROPPED = 5  # of MonitorReply
MOST = 4
LINE = re.compile(r"^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3} (n\d) (debug|info|warning|error) (.*)$")


class Monitor(FlockTest):
    def setUp(self):
        super().setUp()
        self.write()
        self.outputs = 0

    def write(self, local_steps=20):
        """Rounds of some milliseconds, a line each: whoever follows keeps up."""
        self.write_run({"run.rounds": ENDLESS, "run.evaluate_every": 0, "gossip.algorithm": "none",
                        "train.local_steps": local_steps})

    def begin(self, node="n0", *words):
        daemon = self.start_node(node, *words)
        self.training(node)
        return daemon

    def follow(self, *words):
        """`starling monitor`, and the file that has what it printed."""
        self.outputs += 1
        path = self.dir / f"monitor-{self.outputs}"
        with path.open("w") as out, path.with_suffix(".err").open("w") as err:
            child = self.start("starling", "monitor", self.run_file, "--state", self.state, *words,
                               stdout=out, stderr=err)
        return child, path

    def has(self, path, part):
        return self.until(lambda: part in path.read_text() and path.read_text(), f"{part} in {path}")

    def test_lines_as_they_are_written_at_a_level_that_the_daemons_own_log_has_not(self):
        self.begin("n0", "--log-level", "error")
        child, path = self.follow("--node", "n0")
        lines = self.has(path, " round=").splitlines()
        self.assertEqual(LINE.match(lines[0]).groups()[:2], ("n0", "info"), lines[0])
        self.assertNotIn("round=", self.log("n0"))
        child.send_signal(signal.SIGINT)
        self.ended(child, -signal.SIGINT)
        self.assertEqual(path.with_suffix(".err").read_text(), "")

    def test_no_line_below_the_level_that_was_asked_for(self):
        self.begin()
        child, path = self.follow("--node", "n0", "--log-level", "warn")
        debug, all_lines = self.follow("--node", "n0", "--log-level", "debug")
        self.has(all_lines, " round=")
        self.starling("stop", "--node", "n0")
        self.ended(child)
        self.ended(debug)
        self.assertEqual(path.read_text(), "")

    def test_of_all_nodes_until_the_last_has_ended(self):
        daemons = [self.begin("n0"), self.begin("n1")]
        child, path = self.follow()
        self.has(path, " n0 info round=")
        self.has(path, " n1 info round=")
        self.starling("stop", "--node", "n0")
        self.ended(daemons[0])
        self.assertIsNone(child.poll())
        self.starling("stop", "--node", "n1")
        self.ended(daemons[1])
        self.ended(child)
        self.assertIn("n1 info stop asked for on the control socket", path.read_text())

    def test_as_json(self):
        daemon = self.begin()
        child, path = self.follow("--node", "n0", "--json")
        self.has(path, "round=")
        self.starling("stop", "--node", "n0")
        self.ended(daemon)
        self.ended(child)
        for line in path.read_text().splitlines():
            told = json.loads(line)
            self.assertEqual(told["node"], "n0")
            self.assertIn(told["level"], ("info", "warning"))
            self.assertGreater(told["time_ms"], 1.6e12)

    def test_when_nobody_is_there(self):
        done = self.call("starling", "monitor", self.run_file, "--state", self.state)
        self.assertEqual(done.returncode, NO_DAEMON)
        self.assertRegex(done.stderr, r"^no daemon answers on .*control.sock: .*\n$")
        done = self.call("starling", "monitor", self.run_file, "--log-level", "loud")
        self.assertGreater(done.returncode, 99)

    def monitor_by_hand(self, level=""):
        control = Control(self.state / "n0/control.sock")
        self.addCleanup(control.close)
        control.socket.sendall(framed(field(MONITOR, field(1, level) if level else b"")))
        return control

    def test_a_reader_that_is_too_slow_is_told_how_many_lines_it_missed(self):
        self.write(local_steps=1)
        self.begin()
        control = self.monitor_by_hand()
        control.reply()
        # What sockets and the daemon hold for it is some thousand lines.
        self.training("n0", past_round=self.status("n0")["round"] + 20000)
        dropped = 0
        while not dropped:
            verb, fields = control.reply()
            self.assertEqual(verb, MONITOR)
            dropped = dict(fields).get(DROPPED, 0)
        self.assertGreater(dropped, 100)
        verb, fields = control.reply()
        self.assertIn(b"round=", dict(fields)[4], "it goes on behind the gap")

    def test_so_many_may_follow_at_a_time_and_others_may_ask_all_the_same(self):
        self.begin()
        following = [self.monitor_by_hand() for _ in range(MOST)]
        for control in following:
            self.assertEqual(control.reply()[0], MONITOR)
        verb, fields = self.monitor_by_hand().reply()
        self.assertEqual(verb, ERROR)
        self.assertIn(b"4 already follow the log, which is the most", dict(fields)[1])
        self.training("n0")
        following[0].close()
        self.until(lambda: self.monitor_by_hand().reply()[0] == MONITOR, "there is room again")

    def test_a_level_that_does_not_exist(self):
        self.begin()
        verb, fields = self.monitor_by_hand("loud").reply()
        self.assertEqual(verb, ERROR)
        self.assertEqual(dict(fields)[1],
                         b"found the log level 'loud', expected debug, info, warn or error")

    def test_in_words_and_where_one_may_only_look(self):
        path = self.dir / "look.sock"
        self.begin("n0", "--monitor-socket", path)
        with socket.socket(socket.AF_UNIX) as talker:
            talker.settimeout(PATIENCE_SECONDS)
            talker.connect(str(path))
            talker.sendall(b"monitor info\n")
            said = b""
            while said.count(b"\n") < 3:
                said += talker.recv(65536)
        for line in said.decode().splitlines()[:3]:
            self.assertRegex(line, LINE)


if __name__ == "__main__":
    unittest.main()
