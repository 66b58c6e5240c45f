"""One testbed: what it remembers between two calls, and its containers."""
import json
import os
import pathlib
import re
import shutil
import sys

from . import compose, engine, images, metrics, network
from .keys import make_keys
from .problem import USAGE, Problem
from .run_file import INPUT, PORT


def state_home():
    home = os.environ.get("XDG_STATE_HOME") or pathlib.Path.home() / ".local/state"
    return pathlib.Path(home) / "starling-testbed"


class Testbed:
    """Lives in a folder of its name; `exists` only between up and down."""

    def __init__(self, project):
        if not re.fullmatch(r"[a-z0-9][a-z0-9_-]*", project):
            raise Problem(f"testbed: --project: found '{project}', expected lower-case letters, "
                          "digits, '-' and '_'", USAGE)
        self.project = project
        self.dir = state_home() / project
        self.file = self.dir / "testbed.json"
        self.addresses = {}  # of the nodes, in the order of the run file
        self.run = ""        # the name of the run
        self.image = ""      # of the daemons
        self.rounds = 0
        self.shape = network.Shape()
        self.groups = []     # of nodes that are cut from each other
        self.killed = []     # by us, and not started again
        if self.file.exists():
            self._load()

    @property
    def exists(self):
        return bool(self.addresses)

    @property
    def nodes(self):
        return list(self.addresses)

    def _load(self):
        saved = json.loads(self.file.read_text())
        self.shape = network.Shape(**saved.pop("shape"))
        vars(self).update(saved)

    def save(self):
        self.dir.mkdir(parents=True, exist_ok=True)
        fields = {name: getattr(self, name) for name in
                  ("addresses", "run", "image", "rounds", "groups", "killed")}
        new = self.file.with_suffix(".new")
        new.write_text(json.dumps(fields | {"shape": vars(self.shape)}, indent=2))
        new.rename(self.file)

    def reload(self):
        """What another call has done meanwhile."""
        if self.file.exists():
            self._load()

    def require(self):
        if not self.exists:
            raise Problem(f"testbed: '{self.project}' is not up; start it with "
                          "docker/testbed up RUN.toml")
        return self

    def node(self, name):
        """The node of this name; otherwise a sentence with all of them."""
        if name not in self.addresses:
            raise Problem(f"testbed: found the node '{name}', expected one of "
                          f"{', '.join(self.addresses)}", USAGE)
        return name

    # ---- up and down -------------------------------------------------------------------------

    def create(self, run_file, image, shape, memory, servers=None):
        """Starts a container a node; each waits until its link is shaped, and is told to go. Says
        on standard error what of the shape this kernel cannot do. `servers`: metrics.Servers,
        where Prometheus and Grafana shall run."""
        images.make_network_image()
        command = engine.compose_command()
        engine.remove_project(self.project)  # what one that was killed has left
        subnet = compose.free_subnet()
        self.addresses = compose.addresses_in(subnet, run_file.nodes)
        self.run = run_file.name
        self.image = image
        self.rounds = run_file.document.get("run", {}).get("rounds", 100)
        self.shape, self.groups, self.killed = shape, [], []
        self.save()
        generated = self.dir / "run.toml"
        generated.write_text(run_file.in_containers(
            {node: f"{address}:{PORT}" for node, address in self.addresses.items()},
            {node: [key] for node, key in make_keys(self.project, self.nodes, image).items()},
            {key: str(INPUT / key) for key in run_file.data_paths()},
            metrics.LISTEN if servers else ""))
        compose.fill_volume(self.project, compose.input_volume(self.project),
                            {"run.toml": generated, **run_file.data_paths()}, image)
        if servers:
            compose.fill_volume(self.project, compose.metrics_volume(self.project),
                                metrics.files(self.addresses, self.dir), image)
        (self.dir / "compose.json").write_text(
            compose.document(self.project, self.addresses, subnet, image, memory,
                             servers and servers.services(subnet)))
        profile = ["--profile", metrics.PROFILE] if servers else []
        done = engine.call([*command, "--project-name", self.project, "--project-directory",
                            self.dir, "--file", self.dir / "compose.json", *profile, "up",
                            "--detach"])
        if done.returncode != 0:
            raise Problem(f"testbed: the containers did not start: {engine.last_line(done.stderr)}")
        print(f"{len(self.nodes)} containers, links {shape or 'as fast as they are'}")
        for sentence in self.apply_network():
            print(sentence, file=sys.stderr)

    def destroy(self):
        engine.remove_project(self.project)
        shutil.rmtree(self.dir, ignore_errors=True)
        self.addresses = {}

    # ---- the network -------------------------------------------------------------------------

    def cut_from(self, node):
        """Addresses of the nodes that the partition keeps from this one."""
        own = [group for group in self.groups if node in group]
        if not own:
            return []
        return [self.addresses[other] for group in self.groups if group is not own[0]
                for other in group]

    def apply_network(self, only=None):
        """Makes links what they shall be, of all nodes or one; sentences on what cannot be."""
        containers = engine.Containers(self.project)
        return network.apply(self.shape, [(containers.pid(node), self.cut_from(node))
                                          for node in ([only] if only else self.nodes)])

    # ---- asking ------------------------------------------------------------------------------

    def ask(self, container, verb, node):
        """What `starling VERB` says inside, or nothing where no daemon answers."""
        done = engine.call(["docker", "exec", container, "starling", verb, compose.RUN_FILE,
                            "--node", node, "--state", compose.STATE, "--json"])
        try:
            return json.loads(done.stdout) if done.returncode == 0 else None
        except json.JSONDecodeError:
            return None

    def ask_all(self, containers, verb):
        """By node; nothing for those that do not run."""
        def one(node):
            if containers.state(node) != "running":
                return None
            return self.ask(containers.id(node), verb, node)
        return dict(zip(self.nodes, engine.in_parallel(one, self.nodes)))
