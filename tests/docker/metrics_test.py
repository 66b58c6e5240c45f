"""What Prometheus and Grafana beside a testbed are told; without a container."""
import ipaddress
import json
import pathlib
import re
import shutil
import subprocess
import tempfile
import unittest
from unittest import mock

from containers import SOURCE, engine, problem
from testbed_lib import compose, metrics

PROMTOOL = shutil.which("promtool")
NODES = {f"n{i}": f"10.89.7.{10 + i}" for i in range(3)}
SUBNET = ipaddress.ip_network("10.89.7.0/24")
PROMETHEUS_OWN = {"up"}  # Prometheus says of everybody whether it answers
SUFFIXES = ("_bucket", "_sum", "_count")  # of a histogram, which has no sample of its bare name


def families():
    """{name: type} of what daemon/metrics.cc exposes."""
    text = (SOURCE / "daemon/metrics.cc").read_text()
    found = {name: kind for kind, name in re.findall(r'\b(gauge|counter)\(\s*"(\w+)"', text)}
    for kind, name in re.findall(r'begin\(MetricType::(\w+),\s*"(\w+)"', text):
        found[name] = kind.lower()
    return found


def samples():
    """The names that a query may hold."""
    return PROMETHEUS_OWN | {name + suffix for name, kind in families().items()
                             for suffix in (SUFFIXES if kind == "histogram" else ("",))}


def queries(dashboard):
    for panel in dashboard["panels"]:
        for target in panel["targets"]:
            yield panel["title"], target["expr"]


class Dashboard(unittest.TestCase):
    def setUp(self):
        self.dashboard = json.loads((metrics.FILES / "dashboard.json").read_text())

    def test_the_daemons_families_are_found(self):
        found = families()
        self.assertEqual(found["starling_rounds_done"], "gauge")
        self.assertEqual(found["starling_round_duration_seconds"], "histogram")
        self.assertEqual(found["starling_peer_losses_total"], "counter")
        page = (SOURCE / "daemon/metrics.cc").read_text()
        self.assertEqual(set(re.findall(r'"((?:starling|process)_\w+)"', page)), set(found))

    def test_every_query_asks_for_what_a_daemon_exposes(self):
        known = samples()
        asked = set()
        for title, query in queries(self.dashboard):
            names = set(re.findall(r"\b(?:up|(?:starling|process)_\w+)\b", query))
            self.assertTrue(names, f"{title}: {query}")
            self.assertEqual(names - known, set(), f"{title}: {query}")
            asked |= names
        variable, = self.dashboard["templating"]["list"]
        self.assertRegex(variable["definition"], r"^label_values\((\w+), node\)$")
        self.assertIn(re.findall(r"\w+", variable["definition"])[1], known)
        # What the page is for.
        for name in ("up", "starling_peer_up", "starling_train_loss",
                     "starling_evaluation_accuracy_ratio", "starling_sent_bytes_total",
                     "starling_sent_uncompressed_bytes_total",
                     "starling_round_duration_seconds_sum"):
            self.assertIn(name, asked)

    def test_labels_and_their_values_are_those_of_the_daemon(self):
        page = (SOURCE / "daemon/metrics.cc").read_text()
        labels = set(re.findall(r'\{"(\w+)", ', page)) | {"le", "job"}
        values = set(re.findall(r'"(\w+)"', (SOURCE / "daemon/metrics.h").read_text() +
                                (SOURCE / "node/core.cc").read_text()))
        for _, query in queries(self.dashboard):
            made = set(re.findall(r'"(id|title|source|target|color)", "', query))
            for by in re.findall(r"\bby \(([^)]*)\)", query):
                self.assertLessEqual(set(re.split(r",\s*", by)), labels | made, query)
            for label, value in re.findall(r'(\w+)(?:=~|=)"([^"]*)"', query):
                self.assertIn(label, labels, query)
                if label == "phase":
                    self.assertIn(value, values, query)

    def test_panels_lie_side_by_side_and_ask_the_source_that_is_provisioned(self):
        taken = set()
        source = (metrics.FILES / "provisioning/datasources/starling.yml").read_text()
        for panel in self.dashboard["panels"]:
            self.assertIn(f"uid: {panel['datasource']['uid']}\n", source)
            at = panel["gridPos"]
            cells = {(x, y) for x in range(at["x"], at["x"] + at["w"])
                     for y in range(at["y"], at["y"] + at["h"])}
            self.assertLessEqual(at["x"] + at["w"], 24, panel["title"])
            self.assertFalse(cells & taken, panel["title"])
            taken |= cells
        ids = [panel["id"] for panel in self.dashboard["panels"]]
        self.assertEqual(len(ids), len(set(ids)))


class Prometheus(unittest.TestCase):
    def setUp(self):
        self.assertIsNotNone(PROMTOOL, "promtool (Debian: prometheus) is not installed")
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix="starling-metrics-"))
        self.addCleanup(shutil.rmtree, self.dir)

    def promtool(self, *words):
        done = subprocess.run([PROMTOOL, *words], capture_output=True, text=True, check=False,
                              timeout=60)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        return done.stdout + done.stderr

    def test_its_configuration_names_every_node_and_promtool_likes_it(self):
        (generated := self.dir / "generated").mkdir()
        for name, path in metrics.files(NODES, generated).items():
            self.assertTrue(path.exists(), name)
            if path.is_file() and "/" not in name:
                shutil.copy(path, self.dir / name)
        said = self.promtool("check", "config", str(self.dir / "prometheus.yml"))
        self.assertNotIn("WARNING", said)
        listed = json.loads((self.dir / "nodes.json").read_text())
        self.assertEqual([(t["targets"], t["labels"]) for t in listed],
                         [([f"{address}:9464"], {"instance": node})
                          for node, address in NODES.items()])

    def test_every_query_can_be_read(self):
        dashboard = json.loads((metrics.FILES / "dashboard.json").read_text())
        rules = [{"record": f"query:{number}",
                  "expr": query.replace("$__rate_interval", "1m").replace("$node", ".*")}
                 for number, (_, query) in enumerate(queries(dashboard))]
        (file := self.dir / "rules.json").write_text(
            json.dumps({"groups": [{"name": "dashboard", "rules": rules}]}))
        self.promtool("check", "rules", str(file))


class Compose(unittest.TestCase):
    def setUp(self):
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix="starling-metrics-"))
        self.addCleanup(shutil.rmtree, self.dir)

    def document(self, servers=None):
        return compose.document("p", NODES, SUBNET, "starling", "1g",
                                servers and servers.services(SUBNET))

    def services(self, text, *words):
        """The names that docker-compose reads from it."""
        try:
            command = engine.compose_command()
        except problem.Problem as none:
            raise AssertionError(f"{none}; this test needs one") from None
        (file := self.dir / "compose.json").write_text(text)
        done = subprocess.run([*command, "--file", file, *words, "config", "--services"],
                              capture_output=True, text=True, check=False, timeout=120)
        self.assertEqual(done.returncode, 0, done.stderr)
        return set(done.stdout.split())

    def test_without_the_option_nothing_is_there(self):
        text = self.document()
        self.assertEqual(set(json.loads(text)["services"]), set(NODES))
        self.assertNotIn("metrics", text)
        self.assertEqual(self.services(text), set(NODES))

    def test_with_it_two_services_are_under_the_profile(self):
        text = self.document(metrics.Servers("one/prometheus:1", "other/grafana:2"))
        made = json.loads(text)
        self.assertEqual(set(made["services"]), {*NODES, "prometheus", "grafana"})
        for name, image in (("prometheus", "one/prometheus:1"), ("grafana", "other/grafana:2")):
            server = made["services"][name]
            self.assertEqual((server["image"], server["profiles"]), (image, ["metrics"]))
            self.assertEqual(server["labels"], made["services"]["n0"]["labels"])
            for port in server["ports"]:  # nobody but this machine
                self.assertTrue(port.startswith("127.0.0.1:"), port)
        plain = json.loads(self.document())["services"]
        self.assertEqual({node: made["services"][node] for node in NODES}, plain)
        addresses = [s["networks"]["flock"]["ipv4_address"] for s in made["services"].values()]
        self.assertEqual(len(addresses), len(set(addresses)))
        self.assertEqual(self.services(text, "--profile", metrics.PROFILE),
                         {*NODES, "prometheus", "grafana"})

    def test_what_the_services_read_is_where_they_look(self):
        services = metrics.Servers().services(SUBNET)
        names = metrics.files(NODES, self.dir)
        self.assertIn("--config.file=/input/prometheus.yml", services["prometheus"]["command"])
        self.assertIn("prometheus.yml", names)
        grafana = services["grafana"]["environment"]
        self.assertEqual(grafana["GF_PATHS_PROVISIONING"], "/input/provisioning")
        home = grafana["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"]
        self.assertIn(home.removeprefix("/input/"), names)
        provider = (names["provisioning"] / "dashboards/starling.yml").read_text()
        self.assertIn(f"path: {home.rpartition('/')[0]}\n", provider)
        source = (names["provisioning"] / "datasources/starling.yml").read_text()
        self.assertIn("url: http://prometheus:9090\n", source)

    def test_a_node_of_the_same_name_and_an_image_that_nobody_has(self):
        with self.assertRaisesRegex(problem.Problem, "found a node 'grafana'"):
            metrics.Servers().check_names(["n0", "grafana"])
        no = subprocess.CompletedProcess([], 1, "", "Error: dial tcp: no such host\n")
        with mock.patch.object(metrics, "exists", return_value=False), \
                mock.patch.object(metrics, "call", return_value=no), \
                self.assertRaises(problem.Problem) as refused:
            metrics.Servers().require_images()
        self.assertRegex(str(refused.exception),
                         r"no image prom/prometheus:\S+ and no registry gives it \(.*no such host\)"
                         r"; .*--prometheus-image$")


if __name__ == "__main__":
    unittest.main()
