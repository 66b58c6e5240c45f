"""The run file of a testbed: the one that was given, with the addresses of containers."""
import json
import pathlib
import tomllib

from .engine import call, last_line
from .problem import BAD_RUN_FILE, NO_DATA, Problem

PORT = 7700  # of every node: each has an address of its own
INPUT = pathlib.PurePosixPath("/input")  # where containers see the run file and the data


def to_toml(document):
    """TOML of what tomllib makes of a run file: tables of plain values, and arrays of tables."""
    def value(item):
        if isinstance(item, bool):
            return "true" if item else "false"
        if isinstance(item, list):
            return "[" + ", ".join(map(value, item)) + "]"
        if isinstance(item, dict):
            return "{" + ", ".join(f"{key} = {value(each)}" for key, each in item.items()) + "}"
        # JSON's strings are TOML's, but for DEL.
        return json.dumps(item, ensure_ascii=False) if isinstance(item, str) else str(item)

    def table(heading, keys):
        return [heading, *(f"{key} = {value(item)}" for key, item in keys.items()), ""]

    lines = []
    for name, section in document.items():
        if isinstance(section, dict):
            lines += table(f"[{name}]", section)
        else:
            for each in section:
                lines += table(f"[[{name}]]", each)
    return "\n".join(lines)


def asked_in(image):
    """What asks `starling` about a run file in a container. The engine may be on another machine,
    so that the file is read here."""
    def ask(path, verb, *words):
        inside = "/tmp/run.toml"
        done = call(["docker", "run", "--rm", "--interactive", "--network", "none", "--entrypoint",
                     "/bin/sh", image, "-c", f'cat >{inside}; exec starling "$@"', "starling", verb,
                     inside, *words], input=path.read_text())
        done.stderr = done.stderr.replace(inside, str(path))
        return done
    return ask


def asked_here(folder):
    """The same with the `starling` of a folder, without an engine."""
    def ask(path, verb, *words):
        return call([pathlib.Path(folder) / "starling", verb, path, *words])
    return ask


class RunFile:
    """A run file that `starling` has found good, with what --set replaced in it."""

    def __init__(self, path, overrides, ask):
        self.path = pathlib.Path(path).resolve()
        self.given = str(path)
        self.overrides = overrides
        self.ask = ask
        if not self.path.is_file():
            raise Problem(f"testbed: {path}: there is no such file; expected a run file, such as "
                          "configs/quickstart.toml", BAD_RUN_FILE)
        sets = [word for override in overrides for word in ("--set", override)]
        listed = self._topology(self.path, *sets)["nodes"]
        self.nodes = [node["name"] for node in listed]
        self.left = {node["name"] for node in listed if node["left"]}
        self.ports = {node["name"]: int(node["address"].rpartition(":")[2]) for node in listed}
        self.document = tomllib.loads(self.path.read_text())
        for override in overrides:
            self._replace(override)

    def _topology(self, path, *words):
        """Its errors name the file as it was typed."""
        done = self.ask(path, "topology", "--json", *words)
        if done.returncode != 0:
            raise Problem(last_line(done.stderr).replace(str(self.path), self.given),
                          done.returncode)
        return json.loads(done.stdout)

    def check(self, generated):
        """What was made of it is good, too: fingerprints that were typed are checked here."""
        self._topology(generated)

    def _replace(self, override):
        """As --set does: the value in TOML, or a bare word. `starling` has accepted it."""
        name, _, text = override.partition("=")
        section, _, key = name.strip().partition(".")
        try:
            value = tomllib.loads(f"value = {text}")["value"]
        except tomllib.TOMLDecodeError:
            value = text.strip()
        self.document.setdefault(section, {})[key] = value

    @property
    def name(self):
        return self.document.get("run", {}).get("name", "run")

    def compared(self):
        return self.document.get("run", {}).get("compare", [])

    def data_paths(self):
        """[data] keys that name files of this machine, with their absolute paths."""
        data = self.document.get("data", {})
        return {key: self.path.parent.joinpath(data[key]).resolve()
                for key in ("path", "test_path") if data.get(key)}

    def require_data(self):
        """Data are on this machine."""
        for key, data in self.data_paths().items():
            if not data.exists():
                raise Problem(f"testbed: {self.given}: [data] {key}: found nothing at {data}, "
                              "expected the data set", NO_DATA)

    def pins(self):
        """Fingerprints of each node whose keys the run file pins."""
        return {entry["name"]: entry.get("keys") or [entry["key"]]
                for entry in self.document.get("node", []) if "key" in entry or "keys" in entry}

    def in_containers(self, addresses, pins, data, metrics=""):
        """Its text with these addresses and fingerprints (by node) in place of its own, `data`
        (by key of [data]) where containers see them, state in the volume. `metrics`: where each
        answers Prometheus, if not as the file says."""
        document = {name: dict(section) if isinstance(section, dict) else section
                    for name, section in self.document.items()}
        topology = document.setdefault("topology", {})
        topology.pop("nodes", None)
        topology.pop("base_port", None)
        listed = {entry["name"]: {key: value for key, value in entry.items() if key != "key"}
                  for entry in document.get("node", [])}
        document["node"] = [listed.get(name, {"name": name}) |
                            {"address": address, "keys": pins[name]}
                            for name, address in addresses.items()]
        if data:
            document["data"] = document["data"] | data
        if metrics:
            document["metrics"] = document.get("metrics", {}) | {"listen": metrics}
        for key in ("compare", "insecure_plaintext"):
            document.setdefault("run", {}).pop(key, None)
        document.get("checkpoint", {}).pop("directory", None)
        return to_toml(document)
