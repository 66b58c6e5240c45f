"""The control socket belongs to its user, and nothing that is written to it hurts the daemon."""
import contextlib
import grp
import os
import pathlib
import random
import resource
import shutil
import signal
import socket
import stat
import struct
import subprocess
import unittest

from control import ERROR, PEERS, STATUS, STOP, Control, framed
from protobuf import field
from flock import BIN, ENDLESS, FlockTest, die_with_parent

REQUEST_BYTES_MAX = 64 * 1024
CONNECTIONS_MAX = 8  # daemon/control_server.h
CONNECTIONS = 20
NOBODY = 65534
IO = 15


class OneNode(FlockTest):
    def setUp(self):
        super().setUp()
        self.write_run({"run.rounds": ENDLESS, "gossip.algorithm": "none"})
        self.daemon = self.start_node("n0")
        self.training("n0")
        self.path = self.state / "n0/control.sock"


class ControlSocket(OneNode):
    def connect(self):
        control = Control(self.path)
        self.addCleanup(control.close)
        return control

    def check_lives(self):
        self.assertIsNone(self.daemon.poll(), self.logs())
        self.assertEqual(self.until(lambda: self.status("n0"), "n0 answers")["node"], "n0")

    def check_error(self, reply, part):
        self.assertIsNotNone(reply, "closed without a word")
        verb, fields = reply
        self.assertEqual(verb, ERROR)
        self.assertIn(part, dict(fields)[1].decode())

    def test_only_its_user_may_ask(self):
        self.assertEqual(stat.S_IMODE(self.path.stat().st_mode), 0o600)
        self.assertEqual(stat.S_IMODE(self.path.parent.stat().st_mode), 0o700)

    def test_who_asks_for_more_than_to_look_is_logged(self):
        control = self.connect()
        for verb in (STATUS, PEERS, STOP):
            self.assertEqual(control.ask(verb)[0], verb)
        asked = f"control.sock: stop, asked for by user {os.geteuid()}, process {os.getpid()}"
        self.until(lambda: asked in self.log("n0"), "n0 logs who asked")
        self.assertEqual(self.log("n0").count("asked for by user"), 1)

    def test_one_connection_may_ask_again_and_again(self):
        control = self.connect()
        for verb in (STATUS, PEERS, STATUS):
            self.assertEqual(control.ask(verb)[0], verb)

    def test_a_verb_that_does_not_exist(self):
        control = self.connect()
        self.check_error(control.ask(99), "no verb")
        self.assertEqual(control.ask(STATUS)[0], STATUS)

    def test_a_request_that_is_no_message(self):
        control = self.connect()
        control.socket.sendall(framed(b"\xff" * 40))
        self.check_error(control.reply(), "no message of control.proto")
        self.assertIsNone(control.reply(), "closed")
        self.assertIn("control socket: the request is no message of control.proto (40 bytes); the "
                      "connection is closed", self.log("n0"))
        self.check_lives()

    def test_a_request_that_is_too_large(self):
        for size in (REQUEST_BYTES_MAX + 1, 2 ** 31, 2 ** 32 - 1):
            control = self.connect()
            control.socket.sendall(struct.pack("<I", size))
            self.check_error(control.reply(), f"request of {size} bytes")
            self.assertIsNone(control.reply(), "closed")
        self.assertEqual(self.log("n0").count("control socket: request of "), 1, "once in 10 s")
        self.check_lives()

    def test_the_largest_request_is_read(self):
        unknown = field(100, b"x" * (REQUEST_BYTES_MAX - 5))
        self.assertEqual(len(unknown), REQUEST_BYTES_MAX)
        control = self.connect()
        control.socket.sendall(framed(unknown))
        self.check_error(control.reply(), "no verb")

    def test_random_bytes(self):
        generator = random.Random(7)
        for size in range(1, 200, 7):
            control = self.connect()
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                control.socket.sendall(generator.randbytes(size))
                control.socket.shutdown(socket.SHUT_WR)
            while control.reply():
                pass
        self.check_lives()

    def test_a_request_that_never_ends_is_closed(self):
        control = self.connect()
        control.socket.sendall(struct.pack("<I", 100) + b"half")
        self.assertIsNone(control.reply())
        self.check_lives()

    def test_twenty_connections_at_once(self):
        silent = [self.connect() for _ in range(CONNECTIONS)]
        self.assertIsNone(self.daemon.poll())
        for control in silent:
            control.close()
        self.check_lives()

    def test_without_a_descriptor_left_it_waits_for_one(self):
        limits = resource.prlimit(self.daemon.pid, resource.RLIMIT_NOFILE)
        resource.prlimit(self.daemon.pid, resource.RLIMIT_NOFILE, (3, limits[1]))
        self.connect()
        self.until(lambda: "cannot accept a connection: Too many open files" in self.log("n0"),
                   "n0 says what it lacks")
        resource.prlimit(self.daemon.pid, resource.RLIMIT_NOFILE, limits)
        self.check_lives()

    def test_twenty_questions_at_once(self):
        asking = [self.connect() for _ in range(CONNECTIONS)]
        for control in asking:
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                control.socket.sendall(framed(field(STATUS)))
        answers = [control.reply() for control in asking]
        self.assertTrue(any(answers), "some of them are answered, the others closed")
        for control in asking:
            control.close()
        self.check_lives()


class Unanswered(OneNode):
    """What `starling` says where the daemon hangs up on it."""

    def check_unanswered(self, done):
        self.assertEqual((done.returncode, done.stdout), (IO, ""), done.stderr)
        self.assertEqual(done.stderr,
                         f"the daemon on {self.path} closed the connection unanswered: it answers "
                         "its own user, root and the members of its --monitor-group, on "
                         f"{CONNECTIONS_MAX} connections at a time, and nobody while it ends; its "
                         "log says which\n")

    def ask(self, verb, *words, program=BIN / "starling", **popen):
        return subprocess.run([program, verb, self.run_file, "--state", self.state, *words],
                              stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=120,
                              preexec_fn=die_with_parent, **popen)

    def test_one_connection_more_than_it_takes(self):
        # One after the other, so that all have a place.
        taken = [Control(self.path) for _ in range(CONNECTIONS_MAX)]
        for control in taken:
            self.addCleanup(control.close)
            self.assertEqual(control.ask(STATUS)[0], STATUS)
        self.check_unanswered(self.ask("status", "--node", "n0"))
        self.check_unanswered(self.ask("monitor", "--node", "n0"))
        self.check_unanswered(self.ask("monitor"))
        taken[0].close()
        self.until(lambda: self.status("n0"), "there is room again")

    @unittest.skipUnless(os.geteuid() == 0, "only root can become somebody else")
    def test_a_user_who_may_not_ask(self):
        for folder in (self.dir, self.state, self.state / "n0"):
            folder.chmod(0o711)
        self.run_file.chmod(0o644)
        self.path.chmod(0o666)
        # Where they may run it.
        program = pathlib.Path(shutil.copy(BIN / "starling", self.dir))
        somebody = {"program": program, "user": NOBODY, "group": NOBODY, "extra_groups": []}
        self.check_unanswered(self.ask("status", "--node", "n0", **somebody))
        self.check_unanswered(self.ask("monitor", "--node", "n0", **somebody))

    def test_a_daemon_that_does_not_answer_is_waited_for(self):
        self.daemon.send_signal(signal.SIGSTOP)
        done = self.ask("status", "--node", "n0")
        self.daemon.send_signal(signal.SIGCONT)
        self.assertEqual((done.returncode, done.stderr),
                         (IO, f"the daemon on {self.path} gave no answer within 5.0 s\n"))




@unittest.skipUnless(os.geteuid() == 0, "only root can become somebody else")
class OtherUsers(FlockTest):
    """The daemon is root's here, and the folders are open, so that it alone decides."""

    def start_open(self, *words):
        self.write_run({"run.rounds": ENDLESS, "gossip.algorithm": "none"})
        self.start_node("n0", *words)
        self.training("n0")
        for folder in (self.dir, self.state, self.state / "n0"):
            folder.chmod(0o711)

    def ask_as(self, path, group=NOBODY):
        """What a process of another user hears of status and stop, in one text."""
        read, write = os.pipe()
        child = os.fork()
        if child == 0:
            said = "None"
            try:
                os.setgroups([])
                os.setgid(group)
                os.setuid(NOBODY)
                with Control(path) as control:
                    said = f"{control.ask(STATUS)} {control.ask(STOP)}"
            except PermissionError as error:
                said = repr(error)
            except (BrokenPipeError, ConnectionResetError):
                pass
            finally:
                os.write(write, said.encode())
                os._exit(0)
        os.close(write)
        with open(read) as pipe:
            said = pipe.read()
        os.waitpid(child, 0)
        return said

    def test_another_user_is_refused_even_where_the_modes_would_let_it(self):
        self.start_open()
        path = self.state / "n0/control.sock"
        self.assertIn("PermissionError", self.ask_as(path))
        path.chmod(0o666)
        self.assertIn(self.ask_as(path), ("None", "None None"))
        self.until(lambda: f"user {NOBODY} (process " in self.log("n0"), "n0 logs it")

    def test_the_group_of_the_monitoring_socket_may_look_and_no_more(self):
        group = grp.getgrgid(1)
        path = self.dir / "monitor.sock"
        self.start_open("--monitor-socket", path, "--monitor-group", group.gr_name)
        self.assertEqual(stat.S_IMODE(path.stat().st_mode), 0o660)
        self.assertEqual(path.stat().st_gid, 1)
        answered = self.ask_as(path, group=1)
        self.assertTrue(answered.startswith(f"({STATUS}, "), answered)
        self.assertIn("this socket answers status, peers, metrics and monitor alone, not stop", answered)
        self.assertIn("PermissionError", self.ask_as(path))
        path.chmod(0o666)
        self.assertIn(self.ask_as(path), ("None", "None None"))
        self.assertIsNotNone(self.status("n0"))


class MonitoringSocket(FlockTest):
    def refused(self, *words):
        self.write_run()
        daemon = self.call("starlingd", self.run_file, "--node", "n0", "--state", self.state, *words)
        return daemon.returncode, daemon.stderr

    def test_a_file_that_is_no_socket_is_left_alone(self):
        path = self.dir / "precious"
        path.write_text("precious")
        code, said = self.refused("--monitor-socket", path)
        self.assertEqual(code, 15)
        self.assertIn(f"{path}: found a file that is no socket", said)
        self.assertEqual(path.read_text(), "precious")

    def test_a_group_that_does_not_exist(self):
        code, said = self.refused("--monitor-socket", self.dir / "m", "--monitor-group", "no-such")
        self.assertEqual(code, 10)
        self.assertIn("found the group 'no-such'", said)


if __name__ == "__main__":
    unittest.main()
