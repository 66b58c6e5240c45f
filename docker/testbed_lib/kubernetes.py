"""A run for Kubernetes: a StatefulSet of one pod for each node, found by a headless service.

One for each node and not one for all: pods of one StatefulSet have the same volumes, and the keys
of all nodes would come to every machine. So each machine gets the key of its own node alone, and
nodes keep the names of the run file.
"""
import re

from . import metrics
from .problem import BAD_RUN_FILE, USAGE, Problem

UID = 10001  # as in the Dockerfile
STATE = "/var/lib/starling"
RUN_FILE = "/etc/starling/run.toml"
KEY = "/run/secrets/node.key"  # a key that its group can read is taken below /run/secrets alone
SET_NAME_MAX = 52  # it grows by a hash of 11 characters to a label of 63
CONFIG_BYTES_MAX = 1 << 20
STOP_SECONDS = 60  # a round, a checkpoint, goodbyes; as in packaging/starlingd@.service

READY = ('starling status "$STARLING_RUN_FILE" --state "$STARLING_STATE" --node "$STARLING_NODE" '
         '--check >/dev/null; test $? -lt 2')


def check(args):
    if not re.fullmatch(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?", args.namespace):
        raise Problem(f"testbed: --namespace: found '{args.namespace}', expected lower-case "
                      "letters, digits and '-', 63 at most", USAGE)
    if not re.fullmatch(r"[a-z0-9]([a-z0-9.-]*[a-z0-9])?", args.cluster_domain):
        raise Problem(f"testbed: --cluster-domain: found '{args.cluster_domain}', expected a "
                      "domain name such as cluster.local", USAGE)
    if not re.fullmatch(r"[1-9]\d*[KMGT]i", args.storage):
        raise Problem(f"testbed: --storage: found '{args.storage}', expected a number with Ki, Mi, "
                      "Gi or Ti, such as 1Gi", USAGE)


def set_name(plan, node):
    name = f"{plan.run}-{plan.labels[node]}"
    if len(name) > SET_NAME_MAX:
        raise Problem(f"testbed: {plan.args.run_file}: found the names of run and node '{name}', "
                      f"expected {SET_NAME_MAX} characters at most for both", BAD_RUN_FILE)
    return name


def pod(plan, node):
    return f"{set_name(plan, node)}-0"


def hosts(plan):
    """The full name of each pod: its own stands in the pod's /etc/hosts, so that a node can listen
    before the cluster's names are there."""
    tail = f"{plan.run}.{plan.args.namespace}.svc.{plan.args.cluster_domain}"
    return {node: f"{pod(plan, node)}.{tail}" for node in plan.nodes}


def document(plan):
    if len(plan.text.encode()) > CONFIG_BYTES_MAX:
        raise Problem(f"testbed: {plan.args.run_file}: found more than a mebibyte, which is what "
                      "a config map holds at most", BAD_RUN_FILE)
    return {"apiVersion": "v1", "kind": "List", "items": [
        config_map(plan), service(plan), *(stateful_set(plan, node) for node in plan.nodes)]}


def labels(plan, node=None):
    own = {"app.kubernetes.io/name": "starling", "app.kubernetes.io/instance": plan.run}
    return own | {"app.kubernetes.io/component": plan.labels[node]} if node else own


def metadata(plan, name, node=None):
    return {"name": name, "namespace": plan.args.namespace, "labels": labels(plan, node)}


def config_map(plan):
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata(plan, f"{plan.run}-run"),
            "data": {"run.toml": plan.text}}


def service(plan):
    """Names for the pods, those included that are not ready: a node is ready when it has found its
    neighbors by them."""
    return {"apiVersion": "v1", "kind": "Service", "metadata": metadata(plan, plan.run), "spec": {
        "clusterIP": "None", "publishNotReadyAddresses": True, "selector": labels(plan),
        "ports": [{"name": f"links-{port}", "port": port}
                  for port in sorted({plan.ports[node] for node in plan.nodes})]}}


def probe(command, **more):
    return {"exec": {"command": command}, "timeoutSeconds": 10, "periodSeconds": 20} | more


def container(plan, node):
    answers = ["starling", "status", RUN_FILE, "--state", STATE, "--node", node]
    ports = [{"name": "links", "containerPort": plan.ports[node]}]
    if plan.args.metrics:
        ports.append({"name": "metrics", "containerPort": metrics.PORT})
    mounts = [{"name": "state", "mountPath": STATE},
              {"name": "run", "mountPath": "/etc/starling", "readOnly": True},
              # The file itself: a whole secret is mounted as links, which a key may not be.
              {"name": "key", "mountPath": KEY, "subPath": "node.key", "readOnly": True}]
    if plan.data:
        mounts.append({"name": "data", "mountPath": "/data", "readOnly": True})
    return {
        "name": "starlingd",
        "image": plan.args.image,
        "args": [RUN_FILE, "--node", node, "--state", STATE, "--json"],
        "env": [{"name": name, "value": value} for name, value in [
            ("STARLING_NODE", node), ("STARLING_RUN_FILE", RUN_FILE), ("STARLING_STATE", STATE),
            ("STARLING_KEY", KEY)]],
        "ports": ports,
        # Until the data are read nobody answers.
        "startupProbe": probe(answers, periodSeconds=5, failureThreshold=120),
        # A node that has lost all its neighbors is not ready; to start it again would not help it.
        "readinessProbe": probe(["/bin/sh", "-c", READY]),
        "livenessProbe": probe(answers),
        "resources": {"limits": {"memory": str(plan.memory_bytes)}},
        "securityContext": {"allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True,
                            "capabilities": {"drop": ["ALL"]}},
        "volumeMounts": mounts,
    }


def stateful_set(plan, node):
    volumes = [{"name": "run", "configMap": {"name": f"{plan.run}-run"}},
               {"name": "key", "secret": {"secretName": plan.secret(node), "defaultMode": 0o400}}]
    if plan.data:
        volumes.append({"name": "data", "persistentVolumeClaim": {
            "claimName": data_claim(plan, node), "readOnly": True}})
    spec = {
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "terminationGracePeriodSeconds": STOP_SECONDS,
        "securityContext": {"runAsNonRoot": True, "runAsUser": UID, "runAsGroup": UID,
                            "fsGroup": UID, "fsGroupChangePolicy": "OnRootMismatch",
                            "seccompProfile": {"type": "RuntimeDefault"}},
        "topologySpreadConstraints": [{
            "maxSkew": 1, "topologyKey": "kubernetes.io/hostname",
            "whenUnsatisfiable": "ScheduleAnyway",
            "labelSelector": {"matchLabels": labels(plan)}}],
        "containers": [container(plan, node)],
        "volumes": volumes,
    }
    return {
        "apiVersion": "apps/v1", "kind": "StatefulSet",
        "metadata": metadata(plan, set_name(plan, node), node),
        "spec": {
            "serviceName": plan.run,
            "replicas": 1,
            "selector": {"matchLabels": labels(plan, node)},
            "template": {"metadata": {"labels": labels(plan, node)}, "spec": spec},
            "volumeClaimTemplates": [{
                "metadata": {"name": "state", "labels": labels(plan, node)},
                "spec": {"accessModes": ["ReadWriteOnce"],
                         "resources": {"requests": {"storage": plan.args.storage}}}}],
        },
    }


def data_claim(plan, node):
    return f"{set_name(plan, node)}-data"


def steps(plan, file):
    """Commands, for who reads."""
    call = f"kubectl --namespace {plan.args.namespace}"
    lines = [f"kubectl create namespace {plan.args.namespace}"]
    lines += [f"{call} create secret generic {plan.secret(node)} "
              f"--from-file=node.key=keys/{node}.key" for node in plan.nodes]
    if plan.data:
        names = " and ".join(path.rpartition("/")[2] for path in plan.data.values())
        lines.append(f"# Each node's data are yours to bring: {names} in a persistent volume, "
                     f"claimed as {data_claim(plan, plan.nodes[0])} and so on.")
    first = plan.nodes[0]
    return [*lines, f"kubectl apply --filename {file}",
            f"{call} exec {pod(plan, first)} -- starling check {RUN_FILE} --state {STATE} "
            f"--node {first}"]
