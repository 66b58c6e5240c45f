"""A run for Docker Swarm: a stack with a service of one container for each node.

A node's state is a volume of the machine that it runs on, so each is bound to one by a label.
"""
import hashlib

from .problem import BAD_RUN_FILE, USAGE, Problem

USER = "10001:10001"  # as in the Dockerfile
UID = USER.partition(":")[0]
STATE = "/var/lib/starling"
RUN_FILE = "/etc/starling/run.toml"
KEY = "/run/secrets/node.key"
STOP_SECONDS = 60  # a round, a checkpoint, goodbyes; as in packaging/starlingd@.service
CONFIG_BYTES_MAX = 500 << 10


def check(args):
    if not args.data.startswith("/"):
        raise Problem(f"testbed: --data: found '{args.data}', expected a path from the root of the "
                      "machines, such as /srv/starling/data", USAGE)


def hosts(plan):
    return plan.labels


def place(node):
    """The label of the machine on which the node runs."""
    return f"starling.{node}"


def document(plan):
    if len(plan.text.encode()) > CONFIG_BYTES_MAX:
        raise Problem(f"testbed: {plan.args.run_file}: found more than 500 kilobytes, which is "
                      "what Swarm takes at most", BAD_RUN_FILE)
    # What a config holds never changes: another run file is another config.
    version = hashlib.sha256(plan.text.encode()).hexdigest()[:12]
    return {
        "version": "3.8",
        "services": {label: service(plan, node, label) for node, label in plan.labels.items()},
        "networks": {"flock": {"driver": "overlay", "attachable": True}},
        "volumes": {f"{label}-state": {} for label in plan.labels.values()},
        "configs": {"run": {"name": f"{plan.run}-{version}", "file": "./run.toml"}},
        "secrets": {f"{label}-key": {"external": True, "name": plan.secret(node)}
                    for node, label in plan.labels.items()},
    }


def service(plan, node, label):
    volumes = [{"type": "volume", "source": f"{label}-state", "target": STATE}]
    if plan.data:
        volumes.append({"type": "bind", "source": plan.args.data, "target": "/data",
                        "read_only": True})
    return {
        "image": plan.args.image,
        "hostname": label,
        "user": USER,
        "read_only": True,
        "cap_drop": ["ALL"],
        "stop_grace_period": f"{STOP_SECONDS}s",
        "environment": {"STARLING_NODE": node, "STARLING_RUN_FILE": RUN_FILE,
                        "STARLING_STATE": STATE, "STARLING_KEY": KEY},
        "command": [RUN_FILE, "--node", node, "--state", STATE, "--json"],
        "networks": ["flock"],
        "configs": [{"source": "run", "target": RUN_FILE, "mode": 0o444}],
        "secrets": [{"source": f"{label}-key", "target": "node.key", "uid": UID, "gid": UID,
                     "mode": 0o400}],
        "volumes": volumes,
        # Swarm ends what is unhealthy. A node that has lost all its neighbors would not be helped
        # by that, and so is asked for an answer and no more than that. Often, since the others
        # do not find a container by its name before the first answer.
        "healthcheck": {"test": ["CMD", "starling", "status", RUN_FILE, "--state", STATE, "--node",
                                 node],
                        "interval": "5s", "timeout": "10s", "retries": 12, "start_period": "600s"},
        "deploy": {
            # The name of a service is its container's address, not one that Swarm puts before it:
            # there a node could not listen.
            "endpoint_mode": "dnsrr",
            "replicas": 1,
            "placement": {"constraints": [f"node.labels.{place(label)} == true"]},
            # A node whose run is over stays down.
            "restart_policy": {"condition": "on-failure", "delay": "5s"},
            "resources": {"limits": {"memory": str(plan.memory_bytes)}},
        },
    }


def steps(plan, file):
    """Commands, for who reads."""
    lines = [f"docker node update --label-add {place(plan.labels[node])}=true MACHINE_OF_{node}"
             for node in plan.nodes]
    lines += [f"docker secret create {plan.secret(node)} keys/{node}.key" for node in plan.nodes]
    if plan.data:
        names = " and ".join(path.rpartition("/")[2] for path in plan.data.values())
        lines.append(f"# Each machine has its data in {plan.args.data}: {names}.")
    return [*lines, f"docker stack deploy --compose-file {file} {plan.run}",
            f"docker stack services {plan.run}"]
