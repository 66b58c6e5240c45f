"""From a run file to what starts it on many machines: a Kubernetes manifest or a Swarm stack."""
import json
import pathlib
import re

from . import images, kubernetes, metrics, swarm
from .problem import BAD_RUN_FILE, USAGE, Problem
from .run_file import RunFile, asked_here, asked_in

ENGINES = {"kubernetes": kubernetes, "swarm": swarm}
DATA = pathlib.PurePosixPath("/data")  # where containers see what [data] names
PIN = re.compile(r"sha256:[A-Za-z0-9_-]{43}")


def add_words(verb):
    verb.add_argument("run_file", metavar="RUN.toml")
    verb.add_argument("--for", dest="engine", required=True, choices=list(ENGINES))
    verb.add_argument("--out", "-o", required=True, metavar="DIR", help="where the files go")
    verb.add_argument("--set", action="append", default=[], metavar="SECTION.KEY=VALUE",
                      help="replace one key of the run file")
    verb.add_argument("--pins", metavar="FILE",
                      help="fingerprints of the nodes' keys, 'NODE sha256:…' a line, in place of "
                           "those that the run file pins")
    verb.add_argument("--image", default=images.DAEMON, metavar="NAME",
                      help="the daemon's, as the machines can pull it (starling)")
    verb.add_argument("--memory", default="1g", help="most that a container may use (1g)")
    verb.add_argument("--metrics", action="store_true",
                      help=f"each node answers Prometheus on port {metrics.PORT}")
    verb.add_argument("--namespace", default="starling", metavar="NAME",
                      help="kubernetes: where all of it goes (starling)")
    verb.add_argument("--cluster-domain", default="cluster.local", metavar="NAME",
                      help="kubernetes: the end of every name in it (cluster.local)")
    verb.add_argument("--storage", default="1Gi", metavar="SIZE",
                      help="kubernetes: of each node's state (1Gi)")
    verb.add_argument("--data", default="/srv/starling/data", metavar="DIR",
                      help="swarm: where each machine has its data (/srv/starling/data)")
    verb.add_argument("--binaries", metavar="DIR",
                      help="the folder of programs that are built; no engine is needed then")


class Plan:
    """What both kinds of manifest are made of. Nodes that have left the run are listed in the run
    file and have no container."""

    def __init__(self, args, run_file):
        self.args = args
        self.run_file = run_file
        self.run = domain_label(run_file.name, f"[run] name of {args.run_file}")
        self.nodes = [n for n in run_file.nodes if n not in run_file.left]
        self.labels = labels_of(self.nodes, args.run_file)
        self.ports = run_file.ports
        self.memory_bytes = memory_bytes(args.memory)
        self.data = data_inside(run_file)
        self.pins = (read_pins(args.pins, run_file.nodes) if args.pins
                     else pinned(args.run_file, run_file))
        self.text = ""  # of the run file, when its addresses are known

    def secret(self, node):
        return f"{self.run}-{self.labels[node]}-key"

    def write_run_file(self, hosts):
        """`hosts`: by node, where its container is found."""
        out = pathlib.Path(self.args.out)
        file = out / "run.toml"
        if file.resolve() == self.run_file.path:
            raise Problem(f"testbed: --out: found {out}, where the given run file is and would be "
                          "written over, expected another folder", USAGE)
        addresses = {node: f"{hosts[node]}:{self.ports[node]}" for node in self.nodes}
        for entry in self.run_file.document.get("node", []):
            if entry["name"] in self.run_file.left:
                addresses[entry["name"]] = entry["address"]
        addresses = {node: addresses[node] for node in self.run_file.nodes}  # the order counts
        self.text = self.run_file.in_containers(addresses, self.pins, self.data,
                                                metrics.LISTEN if self.args.metrics else "")
        try:
            out.mkdir(parents=True, exist_ok=True)
            file.write_text(self.text)
        except OSError as failed:
            raise Problem(f"testbed: --out {out}: {failed.strerror}") from None
        self.run_file.check(file)
        if self.args.metrics:
            (out / "nodes.json").write_text(metrics.targets({n: hosts[n] for n in self.nodes}))


def manifest(_testbed, args):
    ask = asked_here(images.checked_folder(args.binaries)) if args.binaries else \
        asked_in(images.make_daemon_image())
    plan = Plan(args, RunFile(args.run_file, args.set, ask))
    engine = ENGINES[args.engine]
    engine.check(args)
    plan.write_run_file(engine.hosts(plan))
    file = pathlib.Path(args.out) / f"{args.engine}.json"
    file.write_text(json.dumps(engine.document(plan), indent=2) + "\n")
    print(f"{file}: {len(plan.nodes)} nodes; {file.with_name('run.toml')}: their run file\n")
    print("# Each key is made by `starling keygen --out keys/NODE.key`; it is in no file above.")
    print("\n".join(engine.steps(plan, file)))
    return 0


# ---- names, sizes, fingerprints -----------------------------------------------------------------

def domain_label(name, where):
    """What domain names take of it."""
    label = re.sub(r"[._]", "-", name.lower()).strip("-")
    if not re.fullmatch(r"[a-z]([a-z0-9-]*[a-z0-9])?", label):
        raise Problem(f"testbed: {where}: found '{name}', expected a letter first: it becomes part "
                      "of a domain name", BAD_RUN_FILE)
    return label


def labels_of(nodes, path):
    """By node; no two of them the same."""
    owners = {}
    for node in nodes:
        label = domain_label(node, f"{path}: [[node]] name")
        if label in owners:
            raise Problem(f"testbed: {path}: [[node]] name: found '{owners[label]}' and '{node}', "
                          "expected names that differ as domain names do, where case counts as "
                          "little as '.', '_' and '-'", BAD_RUN_FILE)
        owners[label] = node
    return {node: label for label, node in owners.items()}


def memory_bytes(text):
    match = re.fullmatch(r"([1-9]\d*)([kmg])", text.lower())
    if not match:
        raise Problem(f"testbed: --memory: found '{text}', expected a number with k, m or g, such "
                      "as 512m", USAGE)
    return int(match[1]) << {"k": 10, "m": 20, "g": 30}[match[2]]


def data_inside(run_file):
    """[data] keys with the paths that containers see."""
    inside = {key: str(DATA / path.name) for key, path in run_file.data_paths().items()}
    if len(set(inside.values())) < len(inside):
        raise Problem(f"testbed: {run_file.given}: [data] path and test_path: found the last part "
                      f"of both to be '{pathlib.PurePath(inside['path']).name}', expected two that "
                      f"differ: both will be below {DATA}", BAD_RUN_FILE)
    return inside


def make_keys_words(nodes):
    """A command that makes keys and a file for --pins."""
    return (f"mkdir -m 700 keys; for n in {' '.join(nodes)}; do starling keygen --out "
            'keys/$n.key >/dev/null && echo "$n $(starling id keys/$n.key)"; done >pins')


def pinned(path, run_file):
    pins = run_file.pins()
    if missing := [node for node in run_file.nodes if node not in pins]:
        raise Problem(f"testbed: {path}: found no key of {missing[0]}, expected one for each node; "
                      f"make them and give --pins pins: {make_keys_words(run_file.nodes)}",
                      BAD_RUN_FILE)
    return pins


def read_pins(path, nodes):
    """Fingerprints by node, several where a node has several lines."""
    try:
        lines = pathlib.Path(path).read_text().splitlines()
    except (OSError, UnicodeDecodeError) as failed:
        raise Problem(f"testbed: --pins {path}: cannot be read: "
                      f"{getattr(failed, 'strerror', None) or 'it is no text'}", USAGE) from None
    pins = {}
    for number, line in enumerate(lines, 1):
        words = line.split()
        if not words:
            continue
        if len(words) != 2 or words[0] not in nodes or not PIN.fullmatch(words[1]):
            raise Problem(f"testbed: {path}:{number}: found '{line.strip()}', expected a node of "
                          "the run file and the fingerprint of its key, such as "
                          f"'{nodes[0]} sha256:…'", USAGE)
        pins.setdefault(words[0], []).append(words[1])
    if missing := [node for node in nodes if node not in pins]:
        raise Problem(f"testbed: --pins {path}: found none of {missing[0]}, expected a fingerprint "
                      f"of each node; this makes all: {make_keys_words(nodes)}", USAGE)
    return pins
