"""What the tests of the testbed share: the command, a run file, waiting for something to happen.

By hand, from the repository: STARLING_BIN=build/release/daemon python3 tests/docker/testbed_test.py
"""
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import time
import unittest

SOURCE = pathlib.Path(__file__).resolve().parents[2]
BIN = pathlib.Path(os.environ["STARLING_BIN"]).resolve()
PATIENCE_SECONDS = 90  # for what must happen, however slow the machine

sys.path.insert(0, str(SOURCE / "docker"))
from testbed_lib import engine, problem, testbed as testbeds  # noqa: E402

RUN_FILE = """
[run]
name = "ring8"
seed = 7
rounds = 1_000_000_000  # the test ends it
evaluate_every = 10
[topology]
kind = "ring"
nodes = 8
[data]
kind = "optdigits"
path = "digits"  # relative, and a link
split = "dirichlet"
alpha = 0.3
[model]
kind = "mlp"
hidden = [64]
[train]
batch = 0               # rounds that take a while
learning_rate = 0.2
momentum = 0.9
[gossip]
algorithm = "powergossip"
rank = 1
[checkpoint]
every_seconds = 1
"""


class TestbedTest(unittest.TestCase):
    """Each test has a testbed of its own, of which nothing is left."""

    @classmethod
    def setUpClass(cls):
        try:
            engine.require()
        except problem.Problem as no_engine:
            raise AssertionError(f"{no_engine}; the tests of the testbed need one") from None

    def setUp(self):
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix="starling-docker-"))
        self.addCleanup(shutil.rmtree, self.dir)
        self.project = f"starling-test-{os.getpid()}"
        os.environ["XDG_STATE_HOME"] = str(self.dir / "state")
        (self.dir / "digits").symlink_to(SOURCE / "data/uci-optdigits")
        self.run_file = self.dir / "run.toml"
        self.run_file.write_text(RUN_FILE)
        self.addCleanup(engine.remove_project, self.project)

    def call(self, *words, exit_code=0, **environment):
        """A verb; what it prints on both streams."""
        done = subprocess.run([SOURCE / "docker/testbed", "--project", self.project, *words],
                              stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False,
                              timeout=2 * PATIENCE_SECONDS, env=os.environ | environment)
        self.assertEqual(done.returncode, exit_code, f"{words}: {done.stdout}{done.stderr}")
        return done.stdout + done.stderr

    def until(self, look, what):
        """Looks until there is something, and returns it."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not (seen := look()):
            if time.monotonic() > deadline:
                self.fail(f"never seen: {what}; {self.call('status')}")
            time.sleep(0.2)
        return seen

    # ---- what the nodes say ------------------------------------------------------------------

    def asked(self, verb):
        """By node; nothing of those that do not run."""
        flock = testbeds.Testbed(self.project)
        return flock.ask_all(engine.Containers(self.project), verb)

    def edges(self, node):
        """The states of its edges by neighbor."""
        told = self.asked("peers")[node]
        return {peer["name"]: peer["state"] for peer in told["peers"]} if told else {}

    def container(self, node):
        return engine.Containers(self.project).by_node[node]

    def assert_nothing_is_left(self):
        label = f"label={engine.label(self.project)}"
        for kind in (["ps", "--all"], ["volume", "ls"], ["network", "ls"]):
            self.assertEqual(engine.docker(*kind, "--quiet", "--filter", label), "")
        self.assertEqual(list((self.dir / "state/starling-testbed").iterdir()), [])
