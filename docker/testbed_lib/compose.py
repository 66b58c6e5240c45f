"""The compose file of a run: a service a node, one network, a volume a node for its state."""
import ipaddress
import json

from .engine import docker, label, last_line, pipe_tree
from .problem import Problem
from .run_file import INPUT

USER = "10001:10001"  # as in the Dockerfile
STATE = "/var/lib/starling"
RUN_FILE = str(INPUT / "run.toml")
FIRST_HOST = 10  # .1 is the bridge
NODES_MAX = 240

# A container is held until its links are as they shall be: the link's alias says so (network.py).
GATE = ('until grep -q . /sys/class/net/eth0/ifalias 2>/dev/null; do sleep 0.1; done; '
        'exec starlingd "$@"')


def free_subnet():
    """A /24 that no network of the engine has."""
    taken = []
    if ids := docker("network", "ls", "--quiet").split():
        for network in json.loads(docker("network", "inspect", *ids)):
            for pool in (network.get("IPAM") or {}).get("Config") or []:
                taken.append(ipaddress.ip_network(pool["Subnet"], strict=False))
    for third in range(256):
        subnet = ipaddress.ip_network(f"10.89.{third}.0/24")
        if not any(subnet.version == t.version and subnet.overlaps(t) for t in taken):
            return subnet
    raise Problem("testbed: all networks 10.89.0.0/24 to 10.89.255.0/24 are taken; remove those "
                  "that nobody uses: docker network prune")


def addresses_in(subnet, nodes):
    if len(nodes) > NODES_MAX:
        raise Problem(f"testbed: found {len(nodes)} nodes, expected at most {NODES_MAX}: one "
                      "network of 256 addresses holds them all")
    return {name: str(subnet[FIRST_HOST + i]) for i, name in enumerate(nodes)}


def input_volume(project):
    """Its name; it holds what all nodes read."""
    return f"{project}_input"


def metrics_volume(project):
    """Its name; it holds what Prometheus and Grafana read, where they run."""
    return f"{project}_metrics"


def state_volume(project, node):
    """Its name; it holds all that a node keeps, its key too."""
    return f"{project}_{node}-state"


def fill_volume(project, volume, entries, image):
    """Makes a volume of the testbed with these files, {name in it: path here}."""
    docker("volume", "create", "--label", label(project), volume)
    done = pipe_tree(["docker", "run", "--rm", "--interactive", "--network", "none", "--user", "0",
                      "--volume", f"{volume}:{INPUT}", "--entrypoint", "tar", image, "-x", "-C",
                      INPUT], entries)
    if done.returncode != 0:
        raise Problem(f"testbed: {', '.join(entries)} did not reach the engine: "
                      f"{last_line(done.stderr)}")


def document(project, addresses, subnet, image, memory, servers=None):
    """The compose file's text. JSON is YAML, and needs no library. `servers`: services beside the
    nodes, with the volume that they read (metrics.py)."""
    labels = [label(project)]

    def service(node):
        return {
            "image": image,
            "labels": labels,
            "hostname": node,
            "user": USER,
            "read_only": True,
            "cap_drop": ["ALL"],
            "security_opt": ["no-new-privileges:true"],
            "mem_limit": memory,
            "pids_limit": 64,
            "stop_grace_period": "5s",
            "environment": {"STARLING_NODE": node, "STARLING_RUN_FILE": RUN_FILE},
            "entrypoint": ["/bin/sh", "-c", GATE, "starlingd"],
            "command": [RUN_FILE, "--node", node, "--state", STATE, "--json"],
            "networks": {"flock": {"ipv4_address": addresses[node]}},
            "volumes": [{"type": "volume", "source": f"{node}-state", "target": STATE},
                        {"type": "volume", "source": "input", "target": str(INPUT),
                         "read_only": True}],
        }

    text = json.dumps({
        "services": {node: service(node) for node in addresses} |
                    {name: {"labels": labels} | server for name, server in (servers or {}).items()},
        "networks": {"flock": {"labels": labels, "ipam": {"config": [{"subnet": str(subnet)}]}}},
        "volumes": {name: {"external": True, "name": volume} for name, volume in [
            *((f"{node}-state", state_volume(project, node)) for node in addresses),
            ("input", input_volume(project)),
            *([("metrics", metrics_volume(project))] if servers else [])]},
    }, indent=2)
    return text.replace("$", "$$")  # compose would put variables there
