"""Strangers at the port of a node under TLS: what they get, and what they cost.

STARLING_STRANGERS connections of six kinds; CI makes a few hundred. By hand, on a quiet machine:

    STARLING_BIN=build/release/daemon STARLING_STRANGERS=10000 \\
        python3 tests/system/tls_stranger_test.py Strangers.test_six_kinds

prints the figures, and holds the neighbors' round time to the bar too.
"""
import contextlib
import os
import random
import re
import socket
import ssl
import statistics
import threading
import time
import unittest
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime

from flock import ENDLESS, SLOWNESS, FlockTest
from tls import Identity, client

STRANGERS = int(os.environ.get("STARLING_STRANGERS", "240"))
BY_HAND = STRANGERS >= 10_000
GROWTH_BYTES_MAX = 8 << 20
HANDSHAKE_SECONDS_MAX = 10
ALERT, HANDSHAKE, CHANGE_CIPHER_SPEC = 21, 22, 20


def percentile(values, share):
    return sorted(values)[min(len(values) - 1, int(share * len(values)))]


class Strangers(FlockTest):
    def setUp(self):
        super().setUp()
        # Rounds of some milliseconds, so that the clock of the log can measure them.
        self.write_run({"run.rounds": ENDLESS, "run.evaluate_every": 0, "topology.nodes": 3,
                        "train.batch": 512, "model.hidden": [256]})
        self.up = self.start_up()
        self.training("n0")
        self.unknown = Identity(self.dir, "unknown")
        self.contexts = {
            "tls12": client(self.unknown, version=ssl.TLSVersion.TLSv1_2),
            "no certificate": client(),
            "unknown key": client(self.unknown),
        }

    def connect(self, source="127.0.0.1"):
        stranger = socket.create_connection(("127.0.0.1", self.base_port), timeout=60,
                                            source_address=(source, 0))
        self.addCleanup(stranger.close)
        return stranger

    # ---- the six kinds; each returns the application bytes that it was given -------------------

    def scan(self, stranger):
        return 0

    def raw(self, stranger, data):
        """Sends that and reads to the end: nothing but TLS's own alerts may come."""
        got = b""
        with contextlib.suppress(ConnectionError):
            stranger.sendall(data)
            while part := stranger.recv(4096):
                got += part
        application = 0
        while got:
            if got[0] not in (ALERT, HANDSHAKE, CHANGE_CIPHER_SPEC) or len(got) < 5:
                return application + len(got)
            got = got[5 + int.from_bytes(got[3:5], "big"):]
        return application

    def http(self, stranger):
        return self.raw(stranger, b"GET / HTTP/1.1\r\nHost: n0\r\n\r\n")

    def noise(self, stranger):
        return self.raw(stranger, random.randbytes(512))

    def tls(self, stranger, context):
        application = 0
        with contextlib.suppress(ssl.SSLError, ConnectionError):
            with context.wrap_socket(stranger) as wrapped:
                wrapped.sendall(bytes(64))
                while part := wrapped.recv(4096):
                    application += len(part)
        return application

    def one(self, number):
        kinds = [self.scan, self.http, self.noise,
                 *(lambda s, c=context: self.tls(s, c) for context in self.contexts.values())]
        source = f"127.0.{1 + number % 50}.{1 + number % 200}"
        with socket.create_connection(("127.0.0.1", self.base_port), timeout=60,
                                      source_address=(source, 0)) as stranger:
            return kinds[number % len(kinds)](stranger)

    def on_other_processors(self):
        """What it costs strangers to be strangers is their own: it has what the flock leaves."""
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), 19)

    # ---- what the daemon shows ---------------------------------------------------------------

    def descriptors(self):
        return len(os.listdir(f"/proc/{self.pid}/fd"))

    def round_seconds(self, text):
        stamps = [datetime.fromisoformat(match).timestamp() for match in
                  re.findall(r"^(\S+ \S+) \S+ \S+ round=", text, re.MULTILINE)]
        return [after - before for before, after in zip(stamps, stamps[1:])]

    def test_six_kinds(self):
        self.pid = self.status("n0")["pid"]
        log = self.state / "n0" / "starlingd.log"
        quiet_from = log.stat().st_size
        self.training("n0", self.status("n0")["round"] + (600 if BY_HAND else 50))
        memory, descriptors = self.resident_bytes(self.pid), self.descriptors()
        attack_from = log.stat().st_size
        begun = time.monotonic()
        with ThreadPoolExecutor(8, initializer=self.on_other_processors) as pool:
            application = sum(pool.map(self.one, range(STRANGERS)))
        attack_seconds = time.monotonic() - begun
        self.until(lambda: self.descriptors() <= descriptors, "n0 has closed what it opened")
        self.training("n0", self.status("n0")["round"] + 5)
        growth = self.resident_bytes(self.pid) - memory
        text = log.read_bytes()
        quiet = self.round_seconds(text[quiet_from:attack_from].decode())
        attacked = self.round_seconds(text[attack_from:].decode())
        ratio = percentile(attacked, 0.99) / percentile(quiet, 0.99)
        print(f"\n{STRANGERS} strangers in {attack_seconds:.1f} s: {application} application "
              f"bytes, memory {growth / 2**20:+.2f} MiB, round p99 "
              f"{1e3 * percentile(quiet, 0.99):.0f} ms before and "
              f"{1e3 * percentile(attacked, 0.99):.0f} ms meanwhile ({ratio:.2f}), median "
              f"{1e3 * statistics.median(quiet):.0f} and {1e3 * statistics.median(attacked):.0f} ms")
        self.assertEqual(application, 0)
        self.assert_grew_less(growth, GROWTH_BYTES_MAX)
        self.assertNotIn(b" is down, ", text)
        for name, peer in self.peers("n0").items():
            self.assertEqual((peer["state"], peer["epoch"]), ("up", 1), name)
        if BY_HAND:
            self.assertLess(ratio, 1.2)

    def test_each_kind_is_told_in_the_log(self):
        key = self.call("starling", "id", self.unknown.key).stdout.strip()
        for kind, said in [(self.http, "no TLS is spoken there (http request)"),
                           (lambda s: self.tls(s, self.contexts["tls12"]), "unsupported protocol"),
                           (lambda s: self.tls(s, self.contexts["no certificate"]),
                            "peer did not return a certificate"),
                           (lambda s: self.tls(s, self.contexts["unknown key"]),
                            f"its key is {key}, which the run file pins for no neighbor")]:
            stranger = self.connect()
            host, port = stranger.getsockname()
            self.assertEqual(kind(stranger), 0)
            line = self.until(lambda: [line for line in self.log("n0").splitlines()
                                       if f"{host}:{port}: connection closed" in line],
                              f"n0 logs {port}")[0]
            self.assertIn(said, line)

    def test_a_neighbor_that_asks_for_another_protocol(self):
        neighbor = Identity(self.state / "n1", "node")
        with self.connect() as stranger:
            self.assertEqual(self.tls(stranger, client(neighbor, alpn=None)), 0)
        self.until(lambda: "it did not ask for starling/1" in self.log("n0"), "n0 says why")
        with self.connect() as stranger:
            self.assertEqual(self.tls(stranger, client(neighbor, alpn="h2")), 0)
        self.until(lambda: "no application protocol" in self.log("n0"), "n0 says why")

    def test_slow_strangers_are_closed_at_the_deadline(self):
        begun = time.monotonic()
        slow = [self.connect("127.0.7.1") for _ in range(200)]
        for stranger in slow:
            with contextlib.suppress(ConnectionError):
                stranger.sendall(b"\x16")
        for stranger in slow:
            with contextlib.suppress(ConnectionError):
                self.assertEqual(stranger.recv(1), b"")
        self.assertLess(time.monotonic() - begun, HANDSHAKE_SECONDS_MAX + 0.5 * SLOWNESS + 5)
        self.assertNotIn(" is down, ", self.log("n0"))


if __name__ == "__main__":
    unittest.main()
