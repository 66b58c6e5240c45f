"""What the system tests share: run files, programs, and waiting for something to happen.

CMake names the programs and how slow they are (1: release; a sanitizer costs more):
STARLING_BIN, STARLING_SOURCE, STARLING_SLOWNESS. By hand, from the repository:

    STARLING_BIN=build/release/daemon python3 tests/system/parity_test.py
"""
import contextlib
import ctypes
import json
import os
import pathlib
import random
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import unittest

SOURCE = pathlib.Path(os.environ.get("STARLING_SOURCE", pathlib.Path(__file__).parents[2]))
BIN = pathlib.Path(os.environ["STARLING_BIN"]).resolve()
SLOWNESS = int(os.environ.get("STARLING_SLOWNESS", "1"))
PATIENCE_SECONDS = 120  # for what must happen, however slow the machine
ENDLESS = 1_000_000_000  # rounds of a run that the test ends itself

DEFAULTS = {
    "run": {"name": "system", "seed": 7, "rounds": 40, "evaluate_every": 10},
    "topology": {"kind": "ring", "nodes": 4},
    "data": {"kind": "optdigits", "path": str(SOURCE / "data/uci-optdigits"),
             "split": "dirichlet", "alpha": 0.3},
    "model": {"kind": "mlp", "hidden": [16]},
    "train": {"batch": 32, "learning_rate": 0.1, "momentum": 0.9},
    "gossip": {"algorithm": "d-psgd"},
}


def rounds(count):
    """For a run that must last some seconds; a sanitizer must not make minutes of them."""
    return count if SLOWNESS == 1 else count // 8


def die_with_parent():
    """In a child before it becomes its program: not even a killed test leaves anything running."""
    pr_set_pdeathsig = 1
    ctypes.CDLL(None).prctl(pr_set_pdeathsig, signal.SIGKILL)


def processes_that_name(path):
    """Process ids of all starlingd whose command line holds this path."""
    found = []
    for entry in pathlib.Path("/proc").iterdir():
        with contextlib.suppress(OSError):
            if not entry.name.isdigit():
                continue
            words = (entry / "cmdline").read_bytes().split(b"\0")
            if b"starlingd" in words[0] and os.fsencode(path) in words:
                found.append(int(entry.name))
    return found


class FlockTest(unittest.TestCase):
    """Each test has a directory, sixteen ports and a state directory of its own."""

    def setUp(self):
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix="starling-"))
        self.state = self.dir / "state"
        self.run_file = self.dir / "run.toml"
        self.children = []
        self.addCleanup(self.leave_nothing)
        self.base_port = self.claim_ports()

    def claim_ports(self, block=16):
        """Below the ports that the kernel hands out. Other tests see the claim by its name."""
        for _ in range(1000):
            base = random.randrange(10240, 32752, block)
            claim = socket.socket(socket.AF_UNIX)
            self.addCleanup(claim.close)
            with contextlib.suppress(OSError), contextlib.ExitStack() as held:
                claim.bind(f"\0starling-system-test-{base}")
                for port in range(base, base + block):
                    probe = held.enter_context(socket.socket())
                    probe.bind(("127.0.0.1", port))
                return base
        raise AssertionError(f"found no {block} free ports in a row")

    def leave_nothing(self):
        for child in self.children:
            if child.poll() is None:
                child.kill()
            child.wait()
        while orphans := processes_that_name(self.state):
            for pid in orphans:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            time.sleep(0.01)
        shutil.rmtree(self.dir)

    # ---- run files ---------------------------------------------------------------------------

    def write_run(self, changes=None, file=None):
        """The defaults with some keys replaced ({"run.rounds": 7}; None removes one)."""
        keys = {f"{section}.{key}": value
                for section, table in DEFAULTS.items() for key, value in table.items()}
        keys["topology.base_port"] = self.base_port
        keys.update(changes or {})
        text = ""
        for section in sorted({name.split(".")[0] for name in keys}):
            text += f"[{section}]\n"
            for name, value in keys.items():
                if name.startswith(section + ".") and value is not None:
                    text += f"{name.split('.')[1]} = {json.dumps(value)}\n"
        file = file or self.run_file
        file.write_text(text)
        return file

    # ---- programs ----------------------------------------------------------------------------

    def call(self, program, *words):
        """Runs a program to its end; its output comes back as text."""
        return subprocess.run([BIN / program, *map(str, words)], stdin=subprocess.DEVNULL,
                              capture_output=True, text=True, timeout=2 * PATIENCE_SECONDS,
                              preexec_fn=die_with_parent)

    def starling(self, verb, *words, exit_code=0):
        """A verb on this test's run file and state; its standard output, read where it is JSON."""
        done = self.call("starling", verb, self.run_file, "--state", self.state, *words)
        self.assertEqual(done.returncode, exit_code, f"starling {verb}: {done.stderr}{self.logs()}")
        return json.loads(done.stdout) if "--json" in words else done.stdout

    def start(self, program, *words, **popen):
        child = subprocess.Popen([BIN / program, *map(str, words)], stdin=subprocess.DEVNULL,
                                 preexec_fn=die_with_parent, **popen)
        self.children.append(child)
        return child

    def start_up(self, *words, **popen):
        """`starling up` in a session of its own, as a terminal would have it."""
        out = (self.dir / "up.out").open("w")
        err = (self.dir / "up.err").open("w")
        self.addCleanup(out.close)
        self.addCleanup(err.close)
        return self.start("starling", "up", self.run_file, "--state", self.state, *words,
                          **{"stdout": out, "stderr": err, "start_new_session": True} | popen)

    def start_node(self, node, *words, run_file=None):
        """starlingd by hand; its log and report land beside its state, in files of their own."""
        folder = self.dir / "by-hand"
        folder.mkdir(exist_ok=True)
        with (folder / f"{node}.log").open("a") as log, (folder / f"{node}.json").open("w") as out:
            return self.start("starlingd", run_file or self.run_file, "--node", node, "--state",
                              self.state, "--json", *words, stdout=out, stderr=log)

    def ended(self, child, exit_code=0):
        """Waits until it has ended and looks at how."""
        try:
            child.wait(2 * PATIENCE_SECONDS)
        except subprocess.TimeoutExpired:
            self.fail(f"{child.args[:4]} still runs{self.logs()}")
        self.assertEqual(child.returncode, exit_code, f"{child.args[:4]}{self.logs()}")

    # ---- looking -----------------------------------------------------------------------------

    def until(self, look, what, seconds=PATIENCE_SECONDS):
        """Looks until there is something, and returns it."""
        deadline = time.monotonic() + seconds
        while not (seen := look()):
            if time.monotonic() > deadline:
                self.fail(f"never seen: {what}{self.logs()}")
            time.sleep(0.02)
        return seen

    def status(self, node):
        """Its status, or nothing while nobody answers."""
        done = self.call("starling", "status", self.run_file, "--state", self.state, "--json",
                         "--node", node)
        return json.loads(done.stdout) if done.returncode == 0 else None

    def peers(self, node):
        """Its neighbors by name, or nothing while nobody answers."""
        done = self.call("starling", "peers", self.run_file, "--state", self.state, "--json",
                         "--node", node)
        if done.returncode != 0:
            return {}
        return {peer["name"]: peer for peer in json.loads(done.stdout)["peers"]}

    def resident_bytes(self, pid):
        """Memory of a process."""
        status = pathlib.Path(f"/proc/{pid}/status").read_text()
        return int(re.search(r"VmRSS:\s+(\d+) kB", status)[1]) * 1024

    def assert_grew_less(self, growth, limit):
        """Bytes of resident memory; a sanitizer's say nothing about the daemon's: it keeps, for a
        while, what was freed."""
        if SLOWNESS == 1:
            self.assertLess(growth, limit)

    def training(self, node, past_round=10):
        """Waits until the node has done some rounds; its status then."""
        def look():
            status = self.status(node)
            return status if status and status["round"] > past_round else None
        return self.until(look, f"{node} in round {past_round}")

    def goes_on(self, *nodes):
        """Waits until each has done some more rounds."""
        for node in nodes:
            self.training(node, past_round=self.status(node)["round"] + 3)

    def log(self, node):
        """What it has logged, by hand or under `up`."""
        texts = []
        for file in (self.dir / "by-hand" / f"{node}.log", self.state / node / "starlingd.log"):
            with contextlib.suppress(FileNotFoundError):
                texts.append(file.read_text(errors="replace"))
        return "".join(texts)

    def report(self, node):
        """What a daemon started by hand has reported."""
        return json.loads((self.dir / "by-hand" / f"{node}.json").read_text())

    def logs(self, lines=6):
        """The ends of all logs, for the message of a failure."""
        text = ""
        files = [*self.state.glob("*/starlingd.log"), *self.dir.glob("by-hand/*.log"),
                 *self.dir.glob("up.*")]
        for file in sorted(files):
            tail = file.read_text(errors="replace").splitlines()[-lines:]
            text += "".join(f"\n  {file.parent.name}/{file.name}: {line}" for line in tail)
        return text
