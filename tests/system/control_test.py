"""The control socket belongs to its user, and nothing that is written to it hurts the daemon."""
import contextlib
import random
import socket
import stat
import struct
import unittest

from control import ERROR, PEERS, STATUS, Control, field, framed
from flock import ENDLESS, FlockTest

REQUEST_BYTES_MAX = 64 * 1024
CONNECTIONS = 20


class ControlSocket(FlockTest):
    def setUp(self):
        super().setUp()
        self.write_run({"run.rounds": ENDLESS, "gossip.algorithm": "none"})
        self.daemon = self.start_node("n0")
        self.training("n0")
        self.path = self.state / "n0/control.sock"

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

    def test_one_connection_may_ask_again_and_again(self):
        control = self.connect()
        for verb in (STATUS, PEERS, STATUS):
            self.assertEqual(control.ask(verb)[0], verb)

    def test_a_verb_that_does_not_exist(self):
        control = self.connect()
        self.check_error(control.ask(9), "no verb")
        self.assertEqual(control.ask(STATUS)[0], STATUS)

    def test_a_request_that_is_no_message(self):
        control = self.connect()
        control.socket.sendall(framed(b"\xff" * 40))
        self.check_error(control.reply(), "no message of control.proto")
        self.assertIsNone(control.reply(), "closed")
        self.check_lives()

    def test_a_request_that_is_too_large(self):
        for size in (REQUEST_BYTES_MAX + 1, 2 ** 31, 2 ** 32 - 1):
            control = self.connect()
            control.socket.sendall(struct.pack("<I", size))
            self.check_error(control.reply(), f"request of {size} bytes")
            self.assertIsNone(control.reply(), "closed")
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


if __name__ == "__main__":
    unittest.main()
