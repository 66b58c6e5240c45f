"""A neighbor that has its key and breaks every rule: what that costs, and whom.

STARLING_HOSTILE_FRAMES malformed frames, each on a connection of its own, in the handshake and on a
link that is up; CI makes some thousands. By hand, on a quiet machine:

    STARLING_BIN=build/release/daemon STARLING_HOSTILE_FRAMES=100000 \\
        python3 tests/system/hostile_test.py Hostile.test_malformed_frames
"""
import collections
import contextlib
import os
import random
import re
import signal
import socket
import threading
import time
import unittest
from datetime import datetime

import frames
from flock import ENDLESS, SLOWNESS, FlockTest, rounds
from protobuf import field, fields_of
from tls import Identity, client, server

FRAMES = int(os.environ.get("STARLING_HOSTILE_FRAMES", rounds(2000)))
WARM_UP = 200  # frames before memory is compared
GROWTH_BYTES_MAX = 8 << 20
BARRED_SECONDS = 1.0  # who broke a rule of a link is not let in again for so long
LINE_SECONDS = 10     # of one kind a line passes in so many
LARGE_FRAMES, PINGS, PING_SECONDS_MAX = 80, 20, 2

NUMBER, HASH = r"\d+", "0x[0-9a-f]+"
# A refusal says what was found and what was expected.
REASONS = re.compile("|".join((
    rf"frame magic is {HASH}, expected 0x4c525453; whoever speaks there is no Starling node",
    rf"frame version is {NUMBER}, this node speaks 1",
    rf"frame header check is {HASH}, computed {HASH}",
    rf"frame type is {NUMBER}, known are 1 to 13",
    rf"frame type is {NUMBER} in the handshake, expected (1 \(hello\)|4 \(heartbeat\))",
    rf"frame type is {NUMBER} on a link that is up, expected .*",
    rf"frame flags are {HASH}, none is defined",
    rf"frame (message|body) of {NUMBER} bytes is over the limit of {NUMBER}",
    rf"frame body of type {NUMBER} has {NUMBER} bytes, expected at most {NUMBER}",
    rf"frame (epoch|message length|body length) is {NUMBER}, expected {NUMBER}",
    rf"frame sequence is {NUMBER}( in the handshake)?, expected {NUMBER}",
    rf"frame payload hash is {HASH}, computed {HASH}",
    rf"a (Hello|Heartbeat) of {NUMBER} bytes does not parse",
    r"a (Heartbeat|Goodbye) does not parse",
    rf"a heartbeat's sketch has {NUMBER} bytes, expected 1024",
    rf"a heartbeat's sketch holds (-?nan|-?inf) at index {NUMBER}, expected a finite number",
    r"no frame version in common with n1: 1 here, 2 to 3 there",
    r"this node is n0, and n1 wanted 'n9'",
    r"the run of n1 is another one: run is 'system' here and 'another' there",
    r"n0 takes no link from n1 for a moment, since it broke the protocol")))
HELD = r"(?: \((\d+) more like this since the last such line\))?$"
REFUSED = re.compile(r"^(\S+ \S+) n0 warn\w* n1 \(127\.0\.0\.1:\d+\): link refused: (.*); (?:the|this) "
                     "connection (?:is )?closed" + HELD)
DOWN = re.compile(r"^(\S+ \S+) n0 warn\w* n1 is down, epoch \d+: (?:n1|it) broke the protocol: "
                  r"(.*); redialled in [\d.]+ s" + HELD)


# How the refusals of the other kinds begin.
STARTS = {"version": "no frame version", "wanted": "this node is", "run": "the run of",
          "barred": "n0 takes no link"}

MESH = {"gossip.algorithm": "econtrol", "compress.operator": "top-k", "compress.ratio": 0.01}


class Played:
    """A neighbor of n0, played by hand with its own key."""

    def __init__(self, test, name):
        self.test, self.name = test, name
        self.identity = Identity(test.state / name, "node")
        self.context = client(self.identity)
        self.epoch = 1  # the newest of the link
        self.fingerprint = b""

    def learn_run(self):
        """n0 dials it, and says of which run it is."""
        address = ("127.0.0.1", self.test.base_port + int(self.name[1:]))
        with socket.create_server(address) as listener:
            listener.settimeout(60)
            plain, _ = listener.accept()
            with server(self.identity).wrap_socket(plain, server_side=True) as connection:
                kind, _, message, _ = read(connection)
        self.test.assertEqual(kind, frames.HELLO)
        self.fingerprint = b"".join(field(number, value) for number, value
                                    in fields_of(message) if number == 5)
        return self

    def connect(self):
        plain = socket.create_connection(("127.0.0.1", self.test.base_port), timeout=60)
        # Else a frame behind the handshake waits 40 ms for n0's acknowledgement of that.
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return self.context.wrap_socket(plain)

    def hello(self, versions=(1, 1), wanted="n0", fingerprint=None):
        return b"".join((field(1, versions[0]), field(2, versions[1]),
                         field(3, self.name), field(4, wanted),
                         self.fingerprint if fingerprint is None else fingerprint,
                         field(6, self.epoch)))

    def welcomed(self, connection):
        """Says Hello and hears Welcome; the epoch of the link that would be."""
        connection.sendall(frames.frame(frames.HELLO, self.hello()))
        kind, _, message, _ = read(connection)
        self.test.assertEqual(kind, frames.WELCOME, message)
        return dict(fields_of(message))[3]

    def join(self):
        """A connection on which the link is up."""
        connection = self.connect()
        self.epoch = self.welcomed(connection)
        connection.sendall(frames.frame(frames.HEARTBEAT, epoch=self.epoch))
        return connection


def read_all(connection, size):
    data = b""
    while len(data) < size:
        part = connection.recv(size - len(data))
        if not part:
            raise ConnectionError("it was closed")
        data += part
    return data


def read(connection):
    """Type, header, message and body of the next frame."""
    head = read_all(connection, frames.HEADER_BYTES)
    message = read_all(connection, frames.u32(head, 8))
    return head[5], head, message, read_all(connection, frames.u64(head, 16))


def read_to_end(connection):
    with contextlib.suppress(OSError):
        while connection.recv(65536):
            pass


def broken_headers(**right):
    """What no node takes, wherever it comes."""
    def broken(**wrong):
        return frames.header(**right | wrong)
    return [broken(magic=b"HTTP"), broken(version=2), broken(check=1), broken(kind=14),
            broken(kind=0), broken(flags=1), broken(message_bytes=4097),
            broken(message_bytes=2 ** 32 - 1), broken(body_bytes=2 ** 31),
            broken(body_bytes=2 ** 32 - 1), broken(body_bytes=2 ** 63)]


class Hostile(FlockTest):
    def train_and_take_over(self, **changes):
        """Four nodes that all are neighbors train; n1 and n3 are killed, and played from then on."""
        self.write_run({"run.rounds": ENDLESS, "run.evaluate_every": 0,
                        "topology.kind": "complete"} | changes)
        self.start_up()
        self.training("n0")
        self.pid = self.status("n0")["pid"]
        played = []
        for name in ("n1", "n3"):
            os.kill(self.status(name)["pid"], signal.SIGKILL)
            self.until(lambda: self.peers("n0")[name]["state"] != "up", f"n0 misses {name}")
            played.append(Played(self, name).learn_run())
        return played

    # ---- malformed frames ---------------------------------------------------------------------

    def first_frames(self, n1):
        """In place of a Hello that is welcome, by the kind of their refusal."""
        hello = n1.hello()
        another = field(5, field(1, "run") + field(2, "another"))
        return {
            "handshake": [
                *broken_headers(kind=frames.HELLO), *(random.randbytes(64) for _ in range(20)),
                frames.frame(frames.EXCHANGE), frames.frame(frames.HEARTBEAT),
                frames.frame(frames.HELLO, b"\xff"),
                frames.frame(frames.HELLO, hello, sequence=1),
                frames.header(frames.HELLO, len(hello), payload_hash=1) + hello],
            "version": [frames.frame(frames.HELLO, n1.hello(versions=(2, 3)))],
            "wanted": [frames.frame(frames.HELLO, n1.hello(wanted="n9"))],
            "run": [frames.frame(frames.HELLO, n1.hello(fingerprint=another))],
            "barred": [frames.frame(frames.HELLO, hello)]}

    def third_frames(self, epoch):
        """In place of the Heartbeat that brings the link up."""
        return [*broken_headers(kind=frames.HEARTBEAT, epoch=epoch),
                frames.frame(frames.EXCHANGE, epoch=epoch),
                frames.frame(frames.HEARTBEAT, epoch=epoch + 1),
                frames.frame(frames.HEARTBEAT, b"\xff\xff", epoch=epoch),
                frames.header(frames.HEARTBEAT, epoch=epoch, payload_hash=1)]

    def later_frames(self, epoch):
        """On a link that is up."""
        return [*broken_headers(kind=frames.EXCHANGE, epoch=epoch),
                frames.frame(frames.EXCHANGE, epoch=epoch + 1),
                frames.frame(frames.EXCHANGE, epoch=epoch, sequence=1),
                frames.frame(frames.EXCHANGE, b"x", epoch=epoch),
                frames.frame(frames.HELLO, epoch=epoch),
                frames.frame(frames.HEARTBEAT, b"\xff\xff", epoch=epoch),
                frames.frame(frames.HEARTBEAT, field(5, bytes(1023)), epoch=epoch),
                frames.frame(frames.HEARTBEAT, field(5, b"\xff" * 1024), epoch=epoch),
                frames.frame(frames.GOODBYE, b"\xff\xff", epoch=epoch),
                frames.frame(frames.HEARTBEAT, body=b"x", epoch=epoch),
                frames.header(frames.EXCHANGE, epoch=epoch, payload_hash=1),
                frames.frame(frames.ASK, body=b"x", epoch=epoch),
                frames.frame(frames.SNAPSHOT, body=bytes(9), epoch=epoch)]

    def is_barred(self):
        return time.monotonic() < self.barred_until

    def some_kind(self):
        if not self.is_barred():
            return random.choice(("third", "down"))
        return random.choice(("handshake",) * 12 + ("version", "wanted", "run", "barred"))

    def attack(self, n1, kind):
        """One malformed frame, or a Hello while it is barred."""
        with n1.connect() as connection:
            if kind == "down":
                epoch = n1.welcomed(connection)
                connection.sendall(frames.frame(frames.HEARTBEAT, epoch=epoch) +
                                   random.choice(self.later_frames(epoch)))
                n1.epoch = epoch
            elif kind == "third":
                epoch = n1.welcomed(connection)
                connection.sendall(random.choice(self.third_frames(epoch)))
            else:
                connection.sendall(random.choice(self.first[kind]))
                if kind == "barred" and read(connection)[0] != frames.REFUSAL:
                    return  # it is not any more
            read_to_end(connection)
        if kind == "down":
            self.barred_until = time.monotonic() + BARRED_SECONDS
        self.sent["handshake" if kind == "third" else kind] += 1

    def told(self):
        """By kind, how many refusals the log tells of, and when the newest line of it was written.
        No line but says what was found and what was expected."""
        told, newest = collections.Counter(), {}
        for line in self.log("n0").splitlines():
            # Of the lines of rounds there may be a million.
            if " round=" in line or not (match := REFUSED.match(line) or DOWN.match(line)):
                continue
            when, reason, held_back = match.groups()
            self.assertTrue(REASONS.fullmatch(reason), line)
            kind = "down" if match.re is DOWN else next(
                (kind for kind, start in STARTS.items() if reason.startswith(start)), "handshake")
            told[kind] += 1 + int(held_back or 0)
            newest[kind] = datetime.fromisoformat(when).timestamp()
        return told, newest

    def tell_all(self, n1):
        """Of each kind one more, when a line may be written again: it says how many were not."""
        for kind in ("barred", "handshake", "version", "wanted", "run", "down"):
            def is_told():
                told, newest = self.told()
                if told[kind] == self.sent[kind]:
                    return True
                too_early = time.time() < newest[kind] + LINE_SECONDS
                if too_early or (kind == "down" and self.is_barred()):
                    return False
                if kind == "barred" and not self.is_barred():
                    self.attack(n1, "down")
                self.attack(n1, kind)
                return False
            self.until(is_told, f"all {kind} of {self.sent} in the log, it had {self.told()[0]}")

    def test_malformed_frames(self):
        n1, _ = self.train_and_take_over()
        self.first = self.first_frames(n1)
        self.sent, self.barred_until = collections.Counter(), 0
        before = self.peers("n0")["n1"]
        while self.sent.total() < WARM_UP:
            self.attack(n1, self.some_kind())
        memory, begun = self.resident_bytes(self.pid), time.monotonic()
        while self.sent.total() < FRAMES:
            self.attack(n1, self.some_kind())
        growth = self.resident_bytes(self.pid) - memory
        seconds = time.monotonic() - begun
        self.tell_all(n1)
        peers = self.peers("n0")
        lost, refused = (peers["n1"][what] - before[what] for what in ("lost", "refused"))
        print(f"\n{self.sent.total()} refusals in {seconds:.1f} s: {dict(self.sent)}, "
              f"memory {growth / 2**20:+.2f} MiB")
        self.assertEqual(lost, self.sent["down"])
        self.assertEqual(lost + refused, self.sent.total())
        self.assert_grew_less(growth, GROWTH_BYTES_MAX)
        self.check_others_do_not_suffer(peers)

    def check_others_do_not_suffer(self, peers):
        self.assertEqual((peers["n2"]["state"], peers["n2"]["epoch"], peers["n2"]["lost"]),
                         ("up", 1, 0))
        self.assertEqual(self.status("n0")["pid"], self.pid)
        self.training("n0", self.status("n0")["round"] + 5)

    # ---- lies ---------------------------------------------------------------------------------

    def test_lies_about_who_is_away(self):
        """Text that is none, and all but n0: nothing is taken up, and the log says so once in a
        while. Of n2, which takes part: it hears of it and is back."""
        n1, _ = self.train_and_take_over(**MESH)
        nobody = field(5, field(1, "away") + field(2, "none"))
        self.assertIn(nobody, n1.fingerprint)

        def say(text):
            lie = n1.fingerprint.replace(nobody, field(5, field(1, "away") + field(2, text)))
            with n1.connect() as connection:
                connection.sendall(frames.frame(frames.HELLO, n1.hello(fingerprint=lie)))
                self.assertEqual(read(connection)[0], frames.REFUSAL)

        begun = time.monotonic()
        for text in ("", "9:1", "2:", "2:1,2:1", "2:1000001", "1:1,2:1,3:1") * 10:
            say(text)
        line = "what is said of who is away is not taken up: "
        self.until(lambda: line in self.log("n0"), "n0 says so")
        self.assertLessEqual(self.log("n0").count(line), 1 + (time.monotonic() - begun) // 10)
        self.assertNotIn("is away,", self.log("n0"))
        say("2:1")
        for said in ("n2 is away, shards move, 3 in place of 4",
                     "n2 is back, shards move, 4 in place of 3"):
            self.until(lambda: said in self.log("n0"), f"n0 says: {said}")
        self.until(lambda: self.peers("n0")["n2"]["state"] == "up", "n0 is linked to n2")
        self.assertEqual(self.status("n0")["pid"], self.pid)
        self.training("n0", self.status("n0")["round"] + 5)

    # ---- too much -----------------------------------------------------------------------------

    def largest_body(self, n1):
        """Of an exchange, as n0 says itself."""
        with n1.join() as connection:
            connection.sendall(frames.header(frames.EXCHANGE, body_bytes=2 ** 40, epoch=n1.epoch))
            while (frame := read(connection))[0] != frames.GOODBYE:
                pass
        text = dict(fields_of(frame[2]))[2].decode()
        return int(re.search(r"over the limit of (\d+)", text)[1])

    def flood(self, n1, body):
        """Frames of this body until it is stopped, on a link as long as there is one."""
        payload_hash = frames.payload_hash(body=body)
        while not self.flooded.is_set():
            with contextlib.suppress(OSError), n1.connect() as connection:
                connection.sendall(frames.frame(frames.HELLO, n1.hello()))
                kind, _, message, _ = read(connection)
                if kind != frames.WELCOME:
                    continue
                n1.epoch = dict(fields_of(message))[3]
                connection.sendall(frames.frame(frames.HEARTBEAT, epoch=n1.epoch))
                for sequence in range(LARGE_FRAMES):
                    connection.sendall(frames.header(
                        frames.EXCHANGE, body_bytes=len(body), epoch=n1.epoch, sequence=sequence,
                        payload_hash=payload_hash) + body)
                    self.large_frames += 1

    def ping(self, connection, epoch, sequence):
        """Seconds from an ask for a snapshot to its answer."""
        begun = time.monotonic()
        connection.sendall(frames.frame(frames.ASK, epoch=epoch, sequence=sequence))
        while read(connection)[0] != frames.SNAPSHOT:
            pass
        return time.monotonic() - begun

    def test_large_frames_of_one_and_pings_of_another(self):
        n1, n3 = self.train_and_take_over(**{"model.hidden": [512, 512]})
        body = bytes(self.largest_body(n1))
        memory = self.resident_bytes(self.pid)
        self.large_frames, self.flooded = 0, threading.Event()
        flood = threading.Thread(target=self.flood, args=(n1, body))
        flood.start()
        self.addCleanup(flood.join)
        self.addCleanup(self.flooded.set)
        seconds = []
        with n3.join() as connection:
            while len(seconds) < PINGS or self.large_frames < LARGE_FRAMES:
                seconds.append(self.ping(connection, n3.epoch, len(seconds)))
            self.assertEqual(self.peers("n0")["n3"]["state"], "up")
        growth = self.resident_bytes(self.pid) - memory
        print(f"\n{self.large_frames} frames of {len(body)} bytes, {len(seconds)} pings, the slowest "
              f"{1e3 * max(seconds):.0f} ms, memory {growth / 2**20:+.2f} MiB")
        self.assertLess(max(seconds), PING_SECONDS_MAX * SLOWNESS)
        # Two frames on their way in, two on their way out, two blocks kept for more, a snapshot.
        self.assert_grew_less(growth, 12 * len(body) + GROWTH_BYTES_MAX)
        self.flooded.set()
        flood.join()
        self.check_others_do_not_suffer(self.peers("n0"))


if __name__ == "__main__":
    unittest.main()
