"""Who connects to a node's port without being a neighbor costs one log line, and nothing else."""
import random
import socket
import unittest

from flock import FlockTest
from frames import header

class Stranger(FlockTest):
    def setUp(self):
        super().setUp()
        self.write_run({"run.rounds": 30})
        # n3 is missing, so that the others wait: strangers come before the run has begun.
        self.daemons = [self.start_node(node) for node in ("n0", "n1", "n2")]
        self.until(lambda: self.status("n0"), "n0 listens")

    def connect(self):
        stranger = socket.create_connection(("127.0.0.1", self.base_port))
        stranger.settimeout(60)
        self.addCleanup(stranger.close)
        return stranger

    def send(self, data):
        """Sends, and waits until n0 has closed the connection."""
        stranger = self.connect()
        stranger.sendall(data)
        try:
            while stranger.recv(4096):
                pass
        except ConnectionResetError:
            pass
        host, port = stranger.getsockname()
        return f"{host}:{port}"

    def check_one_line(self, remote, *parts):
        def lines():
            return [line for line in self.log("n0").splitlines() if f" {remote}: " in line]
        line, = self.until(lines, f"n0 logs {remote}")
        for part in ("warn", "connection closed", *parts):
            self.assertIn(part, line)

    def check_flock_finishes(self):
        self.daemons.append(self.start_node("n3"))
        for daemon in self.daemons:
            self.ended(daemon)
        self.assertEqual(self.report("n0")["round"], 30)
        self.assertGreater(self.report("n0")["received_bytes"], 0)

    def test_the_header_of_this_test_is_that_of_the_format_document(self):
        self.assertEqual(header(4, message_bytes=3, payload_hash=0x162DDFD39A7247AB, epoch=2).hex(),
                         "5354524c010400000300000002000000" "00000000000000000000000000000000"
                         "0000000000000000000000003abae42b" "0000000000000000ab47729ad3df2d16")

    def test_http(self):
        remote = self.send(b"GET / HTTP/1.1\r\nHost: localhost\r\nUser-Agent: curl/8.0\r\n"
                           b"Accept: */*\r\n\r\n")
        self.check_one_line(remote, "frame magic is 0x20544547", "no Starling node")
        self.check_flock_finishes()

    def test_random_bytes(self):
        generator = random.Random(7)
        self.check_one_line(self.send(generator.randbytes(64)), "frame magic")
        # Of the same complaint one line passes every ten seconds.
        others = [self.send(generator.randbytes(size)) for size in (65, 1000, 100_000)]
        for remote in others[:2]:
            self.assertNotIn(f" {remote}: ", self.log("n0"))
        self.check_flock_finishes()

    def test_a_huge_length(self):
        remote = self.send(header(message_bytes=2 ** 32 - 1))
        self.check_one_line(remote, "frame message of 4294967295 bytes is over the limit of 4096")
        self.check_flock_finishes()

    def test_a_huge_body(self):
        remote = self.send(header(body_bytes=2 ** 63))
        self.check_one_line(remote, f"frame body of {2 ** 63} bytes is over the limit of 0")
        self.check_flock_finishes()

    def test_a_frame_that_is_no_hello(self):
        self.check_one_line(self.send(header(6)), "frame type is 6 in the handshake")
        self.check_flock_finishes()

    def test_a_port_scan_is_not_worth_a_line(self):
        ports = []
        for _ in range(50):
            stranger = self.connect()
            ports.append(stranger.getsockname()[1])
            stranger.close()
        self.check_one_line(self.send(bytes(64)), "frame magic is 0x00000000")
        for port in ports:
            self.assertNotIn(f"127.0.0.1:{port}:", self.log("n0"))
        self.check_flock_finishes()

    def test_connections_that_say_nothing_keep_nobody_out(self):
        for _ in range(100):
            self.connect()
        self.check_flock_finishes()


if __name__ == "__main__":
    unittest.main()
