"""What `testbed manifest` writes for many machines; without a container, a cluster or a swarm."""
import json
import os
import pathlib
import shutil
import subprocess
import tempfile
import tomllib
import unittest

from containers import BIN, RUN_FILE, SOURCE, engine, problem

LISTED = """
[run]
name = "Three_Labs"
[topology]
kind = "path"
[[node]]
name = "Zurich.1"
address = "10.0.1.5:7700"
key = "{}"
[[node]]
name = "gone"
address = "10.0.1.6:7700"
key = "{}"
left = true
[[node]]
name = "basel"
address = "10.0.2.9:7800"
keys = ["{}", "{}"]
[data]
kind = "quadratic"
[model]
kind = "quadratic"
"""


def pin(letter):
    return "sha256:" + letter * 42 + "A"


class ManifestTest(unittest.TestCase):
    def setUp(self):
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix="starling-manifest-"))
        self.addCleanup(shutil.rmtree, self.dir)
        self.out = self.dir / "out"
        self.run_file = self.dir / "run.toml"
        self.run_file.write_text(RUN_FILE)
        self.pins = self.dir / "pins"
        self.nodes = [f"n{i}" for i in range(8)]
        self.pins.write_text("".join(f"{node} {pin(letter)}\n"
                                     for node, letter in zip(self.nodes, "abcdefgh")))

    def call(self, engine_name, *words):
        """Exit code, and all that is printed. No engine is there to be asked."""
        done = subprocess.run([SOURCE / "docker/testbed", "manifest", self.run_file, "--for",
                               engine_name, "--out", self.out, "--binaries", BIN, *words],
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                              check=False, timeout=60,
                              env=os.environ | {"DOCKER_HOST": f"unix://{self.dir}/no.sock"})
        return done.returncode, done.stdout

    def made(self, engine_name, *words):
        """The file, and what is said beside it."""
        code, said = self.call(engine_name, *words)
        self.assertEqual(code, 0, said)
        text = (self.out / f"{engine_name}.json").read_text()
        self.assertNotIn("PRIVATE KEY", text)
        return json.loads(text), said

    def nodes_of(self, text):
        return {node["name"]: node for node in tomllib.loads(text)["node"]}


class Kubernetes(ManifestTest):
    def items(self, kind, document):
        return {item["metadata"]["name"]: item for item in document["items"]
                if item["kind"] == kind}

    def test_every_node_has_a_pod_that_the_run_file_finds(self):
        document, _ = self.made("kubernetes", "--pins", str(self.pins))
        service, = self.items("Service", document).values()
        self.assertEqual(service["spec"]["clusterIP"], "None")
        self.assertTrue(service["spec"]["publishNotReadyAddresses"])
        config, = self.items("ConfigMap", document).values()
        text = config["data"]["run.toml"]
        self.assertEqual(text, (self.out / "run.toml").read_text())
        nodes = self.nodes_of(text)
        self.assertEqual(list(nodes), self.nodes)
        sets = self.items("StatefulSet", document)
        self.assertEqual(len(sets), 8)
        for node, (name, one) in zip(self.nodes, sets.items()):
            spec = one["spec"]
            self.assertEqual((spec["replicas"], spec["serviceName"]),
                             (1, service["metadata"]["name"]))
            template = spec["template"]
            for selector in (spec["selector"]["matchLabels"], service["spec"]["selector"]):
                self.assertLessEqual(selector.items(), template["metadata"]["labels"].items())
            host, _, port = nodes[node]["address"].partition(":")
            self.assertEqual(host, f"{name}-0.{service['metadata']['name']}"
                                   f".{one['metadata']['namespace']}.svc.cluster.local")
            container, = template["spec"]["containers"]
            self.assertIn(int(port), [each["containerPort"] for each in container["ports"]])
            self.assertIn(int(port), [each["port"] for each in service["spec"]["ports"]])
            self.assertEqual(container["args"][1:3], ["--node", node])
        selectors = [json.dumps(one["spec"]["selector"]) for one in sets.values()]
        self.assertEqual(len(set(selectors)), 8)

    def test_a_pod_has_no_rights_and_what_it_keeps_is_its_own(self):
        document, said = self.made("kubernetes", "--pins", str(self.pins), "--memory", "512m",
                                   "--storage", "3Gi")
        secrets = set()
        for one in self.items("StatefulSet", document).values():
            pod = one["spec"]["template"]["spec"]
            container, = pod["containers"]
            rights = pod["securityContext"] | container["securityContext"]
            self.assertTrue(rights["runAsNonRoot"] and rights["readOnlyRootFilesystem"])
            self.assertEqual({rights[k] for k in ("runAsUser", "runAsGroup", "fsGroup")}, {10001})
            self.assertFalse(rights["allowPrivilegeEscalation"])
            self.assertEqual(rights["capabilities"], {"drop": ["ALL"]})
            self.assertFalse(pod["automountServiceAccountToken"])
            self.assertGreaterEqual(pod["terminationGracePeriodSeconds"], 60)
            self.assertEqual(container["resources"]["limits"]["memory"], str(512 << 20))
            claim, = one["spec"]["volumeClaimTemplates"]
            self.assertEqual(claim["spec"]["resources"]["requests"]["storage"], "3Gi")
            volumes = {v["name"]: v for v in pod["volumes"]} | {claim["metadata"]["name"]: claim}
            mounts = {m["name"]: m for m in container["volumeMounts"]}
            self.assertEqual(set(mounts), set(volumes))
            writable = [name for name, mount in mounts.items() if not mount.get("readOnly")]
            self.assertEqual(writable, ["state"])
            env = {each["name"]: each["value"] for each in container["env"]}
            # A whole file and no link, in the one folder where a group may read a key.
            self.assertEqual(mounts["key"]["mountPath"], env["STARLING_KEY"])
            self.assertTrue(env["STARLING_KEY"].startswith("/run/secrets/"))
            self.assertIn("subPath", mounts["key"])
            self.assertEqual(volumes["key"]["secret"]["defaultMode"], 0o400)
            self.assertEqual(mounts["state"]["mountPath"], env["STARLING_STATE"])
            secrets.add(volumes["key"]["secret"]["secretName"])
        self.assertEqual(len(secrets), 8)
        for secret in secrets:
            self.assertRegex(said, rf"create secret generic {secret} --from-file=node.key=")
        self.assertIn("starling keygen", said)

    def test_ready_is_who_has_neighbors_and_alive_who_answers(self):
        document, _ = self.made("kubernetes", "--pins", str(self.pins))
        container, = next(iter(self.items("StatefulSet", document).values()))[
            "spec"]["template"]["spec"]["containers"]
        commands = {kind: container[f"{kind}Probe"]["exec"]["command"]
                    for kind in ("readiness", "liveness", "startup")}
        self.assertIn("--check", " ".join(commands["readiness"]))
        self.assertEqual(commands["liveness"][:2], ["starling", "status"])
        self.assertNotIn("--check", commands["liveness"])
        self.assertEqual(commands["startup"], commands["liveness"])

    def test_the_readiness_probe_is_that_of_the_image(self):
        document, _ = self.made("kubernetes", "--pins", str(self.pins))
        container, = next(iter(self.items("StatefulSet", document).values()))[
            "spec"]["template"]["spec"]["containers"]
        image = " ".join((SOURCE / "docker/Dockerfile").read_text().replace("\\\n", " ").split())
        self.assertIn(container["readinessProbe"]["exec"]["command"][2], image)

    def test_names_and_keys_of_a_run_file_that_lists_its_nodes(self):
        self.run_file.write_text(LISTED.format(*map(pin, "abcd")))
        document, said = self.made("kubernetes", "--namespace", "labs")
        self.assertEqual(list(self.items("StatefulSet", document)),
                         ["three-labs-zurich-1", "three-labs-basel"])
        nodes = self.nodes_of(document["items"][0]["data"]["run.toml"])
        self.assertEqual(list(nodes), ["Zurich.1", "gone", "basel"])
        self.assertEqual(nodes["gone"]["address"], "10.0.1.6:7700")
        self.assertEqual(nodes["basel"]["address"],
                         "three-labs-basel-0.three-labs.labs.svc.cluster.local:7800")
        self.assertEqual([nodes[n]["keys"] for n in nodes],
                         [[pin("a")], [pin("b")], [pin("c"), pin("d")]])
        self.assertNotIn("data", [v["name"] for v in document["items"][2]["spec"]["template"][
            "spec"]["volumes"]])
        self.assertIn("create secret generic three-labs-zurich-1-key "
                      "--from-file=node.key=keys/Zurich.1.key", said)

    def test_metrics_only_where_they_are_asked_for(self):
        document, _ = self.made("kubernetes", "--pins", str(self.pins))
        self.assertNotIn("9464", json.dumps(document))
        document, _ = self.made("kubernetes", "--pins", str(self.pins), "--metrics")
        text = document["items"][0]["data"]["run.toml"]
        self.assertEqual(tomllib.loads(text)["metrics"]["listen"], "0.0.0.0:9464")
        targets = json.loads((self.out / "nodes.json").read_text())
        self.assertEqual([t["targets"] for t in targets],
                         [[node["address"].rpartition(":")[0] + ":9464"]
                          for node in self.nodes_of(text).values()])


class Swarm(ManifestTest):
    def test_every_node_has_a_service_that_the_run_file_finds(self):
        stack, said = self.made("swarm", "--pins", str(self.pins), "--data", "/data/digits")
        nodes = self.nodes_of((self.out / "run.toml").read_text())
        self.assertEqual(list(stack["services"]), self.nodes)
        secrets = set()
        for name, service in stack["services"].items():
            self.assertEqual(nodes[name]["address"].partition(":")[0], name)
            self.assertEqual(service["hostname"], name)
            self.assertEqual(service["command"][1:3], ["--node", name])
            self.assertEqual(service["user"], "10001:10001")
            self.assertTrue(service["read_only"])
            self.assertEqual(service["cap_drop"], ["ALL"])
            self.assertEqual(service["stop_grace_period"], "60s")
            self.assertEqual(service["deploy"]["endpoint_mode"], "dnsrr")
            secret, = service["secrets"]
            self.assertEqual((secret["uid"], secret["mode"]), ("10001", 0o400))
            self.assertEqual(service["environment"]["STARLING_KEY"],
                             f"/run/secrets/{secret['target']}")
            made = stack["secrets"][secret["source"]]
            self.assertTrue(made["external"])
            secrets.add(made["name"])
            self.assertIn(f"docker secret create {made['name']} keys/{name}.key", said)
            place, = service["deploy"]["placement"]["constraints"]
            self.assertIn(place.removeprefix("node.labels.").partition(" ")[0] + "=true", said)
            state, data = service["volumes"]
            self.assertIn(state["source"], stack["volumes"])
            self.assertEqual((data["source"], data["read_only"]), ("/data/digits", True))
        self.assertEqual(len(secrets), 8)

    def test_another_run_file_is_another_config(self):
        first, _ = self.made("swarm", "--pins", str(self.pins))
        again, _ = self.made("swarm", "--pins", str(self.pins))
        other, _ = self.made("swarm", "--pins", str(self.pins), "--set", "run.seed=8")
        names = [stack["configs"]["run"]["name"] for stack in (first, again, other)]
        self.assertEqual(names[0], names[1])
        self.assertNotEqual(names[0], names[2])

    def test_compose_reads_the_stack(self):
        try:
            words = engine.compose_command()
        except problem.Problem as none:
            raise AssertionError(f"{none}; this test needs one") from None
        self.made("swarm", "--pins", str(self.pins))
        done = subprocess.run([*words, "--file", self.out / "swarm.json", "config", "--quiet"],
                              capture_output=True, text=True, check=False, timeout=120)
        self.assertEqual(done.returncode, 0, done.stderr)


class Refusal(ManifestTest):
    def refused(self, *words, code, says, engine_name="kubernetes"):
        got, said = self.call(engine_name, *words)
        self.assertEqual(got, code, said)
        self.assertIn(says, said)
        self.assertEqual(len(said.splitlines()), 1, said)

    def pinned(self, *words, **more):
        self.refused("--pins", str(self.pins), *words, **more)

    def test_words_that_are_none(self):
        self.refused(engine_name="nomad", code=2, says="invalid choice: 'nomad'")
        self.pinned("--memory", "lots", code=2, says="found 'lots', expected a number with k, m")
        self.pinned("--storage", "big", code=2, says="--storage: found 'big'")
        self.pinned("--namespace", "No_Good", code=2, says="--namespace: found 'No_Good'")
        self.pinned("--cluster-domain", "/", code=2, says="--cluster-domain: found '/'")
        self.pinned("--data", "here", code=2, says="--data: found 'here'", engine_name="swarm")
        self.pinned("--out", str(self.dir), code=2, says="would be written over")
        (self.dir / "file").write_text("")
        self.pinned("--out", str(self.dir / "file"), code=1, says="--out")

    def test_keys_that_are_not_there(self):
        self.refused(code=10, says="found no key of n0, expected one for each node; make them")
        self.refused("--pins", str(self.dir / "none"), code=2, says="cannot be read")
        self.pins.write_text(f"n0 {pin('a')}\n")
        self.pinned(code=2, says="found none of n1")
        self.pins.write_text("n0 sha256:short\n")
        self.pinned(code=2, says=f"{self.pins}:1: found 'n0 sha256:short'")
        self.pins.write_text(f"n9 {pin('a')}\n")
        self.pinned(code=2, says="found 'n9 sha256:")

    def test_a_key_of_two_nodes(self):
        self.pins.write_text("".join(f"{node} {pin('a')}\n" for node in self.nodes))
        self.pinned(code=10, says="expected a different one for each node")

    def test_names_that_no_domain_takes(self):
        text = LISTED.format(*map(pin, "abcd"))
        self.run_file.write_text(text.replace("Zurich.1", "BASEL"))
        self.refused(code=10, says="found 'BASEL' and 'basel', expected names that differ")
        self.run_file.write_text(text.replace("Zurich.1", "1st"))
        self.refused(code=10, says="found '1st', expected a letter first")
        self.run_file.write_text(text.replace("Zurich.1", "z" * 60))
        self.refused(code=10, says="expected 52 characters at most")

    def test_a_run_file_with_a_mistake(self):
        self.run_file.write_text("[run]\nround = 7\n")
        self.refused(code=10, says=f"{self.run_file}:2:1: [run] round: unknown key")


if __name__ == "__main__":
    unittest.main()
