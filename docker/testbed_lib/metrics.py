"""Prometheus and Grafana beside a testbed: two services more in its compose file, under a profile,
and one volume that holds what they read."""
import dataclasses
import json

from .engine import call, docker, label, last_line
from .images import DOCKER, exists
from .problem import USAGE, Problem
from .run_file import INPUT

PROFILE = "metrics"
PORT = 9464  # of every node: each has an address of its own
LISTEN = f"0.0.0.0:{PORT}"
FILES = DOCKER / "metrics"
PROMETHEUS, GRAFANA = "prom/prometheus:v2.53.3", "grafana/grafana:11.4.0"
HOSTS = {"prometheus": 2, "grafana": 3}  # in the testbed's network, below those of the nodes
PORTS = {"prometheus": 9090, "grafana": 3000}


def targets(hosts):
    """nodes.json of prometheus.yml; `hosts` by node. The samples say `node` themselves."""
    lines = [json.dumps({"targets": [f"{host}:{PORT}"], "labels": {"instance": node}})
             for node, host in hosts.items()]
    return "[" + ",\n ".join(lines) + "]\n"


def files(addresses, folder):
    """What the volume shall hold, {name in it: path here}; what is generated goes to `folder`."""
    nodes = folder / "nodes.json"
    nodes.write_text(targets(addresses))
    return {"prometheus.yml": FILES / "prometheus.yml", "nodes.json": nodes,
            "provisioning": FILES / "provisioning",
            "dashboards/starling.json": FILES / "dashboard.json"}


@dataclasses.dataclass
class Servers:
    """Which images they are. Both checks come before anything is started."""
    prometheus: str = PROMETHEUS
    grafana: str = GRAFANA

    def require_images(self):
        for name in HOSTS:
            require_image(getattr(self, name), f"--{name}-image")
        return self

    def check_names(self, nodes):
        for name in HOSTS:
            if name in nodes:
                raise Problem(f"testbed: --metrics: found a node '{name}', expected another name: "
                              "the container beside the nodes is called so", USAGE)

    def services(self, subnet):
        """Their parts of the compose file. Ports are of this machine's loopback and drawn by the
        engine, so that several testbeds do not meet; urls() finds them."""
        def service(name, **more):
            return {
                "image": getattr(self, name),
                "profiles": [PROFILE],
                "hostname": name,
                "cap_drop": ["ALL"],
                "security_opt": ["no-new-privileges:true"],
                "mem_limit": "1g",
                "ports": [f"127.0.0.1::{PORTS[name]}"],
                "networks": {"flock": {"ipv4_address": str(subnet[HOSTS[name]])}},
                "volumes": [{"type": "volume", "source": "metrics", "target": str(INPUT),
                             "read_only": True}],
            } | more

        return {
            "prometheus": service("prometheus", command=[
                f"--config.file={INPUT}/prometheus.yml", "--storage.tsdb.path=/prometheus"]),
            # Who reaches the port may look, and nobody changes anything.
            "grafana": service("grafana", environment={
                "GF_PATHS_PROVISIONING": f"{INPUT}/provisioning",
                "GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH": f"{INPUT}/dashboards/starling.json",
                "GF_AUTH_ANONYMOUS_ENABLED": "true",
                "GF_AUTH_ANONYMOUS_ORG_ROLE": "Viewer",
                "GF_AUTH_BASIC_ENABLED": "false",
                "GF_AUTH_DISABLE_LOGIN_FORM": "true",
                "GF_ANALYTICS_REPORTING_ENABLED": "false",
                "GF_ANALYTICS_CHECK_FOR_UPDATES": "false",
            }),
        }


def require_image(image, option):
    """Asks a registry only for what the engine does not have."""
    if exists(image):
        return
    done = call(["docker", "pull", "--quiet", image])
    if done.returncode != 0:
        raise Problem(f"testbed: --metrics: the engine has no image {image} and no registry gives "
                      f"it ({last_line(done.stderr)}); bring it with docker load, or name another "
                      f"with {option}")


def urls(project):
    """{"grafana": where it answers …} of those that run."""
    found = {}
    for name in HOSTS:
        running = docker("ps", "--quiet", "--filter", f"label={label(project)}", "--filter",
                         f"label=com.docker.compose.service={name}").split()
        # A node that is called so has no port.
        ports = call(["docker", "port", running[0], str(PORTS[name])]).stdout.split() \
            if running else []
        if ports:
            found[name] = f"http://{ports[0]}"
    return found
