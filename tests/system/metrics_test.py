"""Figures for Prometheus: over the control socket, and over HTTP where the run file says so."""
import json
import re
import shutil
import socket
import subprocess
import unittest
import urllib.error
import urllib.request

from flock import ENDLESS, FlockTest, die_with_parent, rounds

SAMPLE = re.compile(r'^([a-z_]+)(?:\{([^}]*)\})? ([-+.0-9eE]+|[+-]?Inf|Nan)$')
PROMTOOL = shutil.which("promtool")


def samples_of(text):
    """{(name, labels): value}, of a text in which every sample stands behind its heading."""
    found, headed = {}, set()
    for line in text.splitlines():
        if line.startswith("# TYPE "):
            name = line.split()[2]
            assert name not in headed, f"{name} has two headings"
            headed.add(name)
        elif not line.startswith("# HELP "):
            name, labels, value = SAMPLE.match(line).groups()
            assert {name, re.sub("_(bucket|sum|count)$", "", name)} & headed, line
            key = (name, labels)
            assert key not in found, f"{key} twice"
            found[key] = float(value)
    return found


class Metrics(FlockTest):
    def write(self, changes=None):
        self.http = self.base_port + 8
        self.write_run({"run.rounds": ENDLESS, "topology.nodes": 3,
                        "metrics.listen": f"127.0.0.1:{self.http}"} | (changes or {}))

    def start_flock(self):
        daemons = {node: self.start_node(node) for node in ("n0", "n1", "n2")}
        for node in daemons:
            self.training(node)
        return daemons

    def scrape(self, node=0):
        with urllib.request.urlopen(f"http://127.0.0.1:{self.http + node}/metrics",
                                    timeout=60) as reply:
            self.assertIn("text/plain", reply.headers["Content-Type"])
            return reply.read().decode()

    def value(self, text, name, **labels):
        wanted = {f'{label}="{value}"' for label, value in labels.items()}
        found = [value for (known, given), value in samples_of(text).items()
                 if known == name and given and wanted <= set(given.split(","))]
        self.assertEqual(len(found), 1, f"{name} {labels}")
        return found[0]

    def test_the_figures_of_a_node_that_trains_and_of_one_whose_neighbor_dies(self):
        self.write()
        daemons = self.start_flock()
        text = self.starling("metrics", "--node", "n0")
        self.assertGreater(self.value(text, "starling_rounds_done", node="n0"), 10)
        self.assertEqual(self.value(text, "starling_peers_up"), 2)
        self.assertEqual(self.value(text, "starling_phase", phase="training"), 1)
        self.assertGreater(self.value(text, "process_resident_memory_bytes"), 1e6)
        self.assertGreater(self.value(text, "starling_peer_send_seconds_total", peer="n1"), 0)
        count = self.value(text, "starling_round_duration_seconds_count", phase="compute")
        self.assertEqual(self.value(text, "starling_round_duration_seconds_bucket",
                                    phase="compute", le="+Inf"), count)
        sent = self.value(text, "starling_sent_bytes_total")
        self.assertGreaterEqual(self.value(text, "starling_sent_uncompressed_bytes_total"), sent)
        daemons["n1"].kill()
        def lost():
            now = self.starling("metrics", "--node", "n0")
            return self.value(now, "starling_peer_up", peer="n1") == 0 and now
        later = self.until(lost, "n1 is down")
        self.assertEqual(self.value(later, "starling_peers_up"), 1)
        self.assertGreaterEqual(self.value(later, "starling_peer_losses_total", peer="n1"), 1)
        self.assertGreater(self.value(later, "starling_sent_bytes_total"), sent)

    def test_several_nodes_have_one_heading_a_family(self):
        self.write()
        self.start_flock()
        text = self.starling("metrics")
        for node in ("n0", "n1", "n2"):
            self.assertGreater(self.value(text, "starling_rounds_done", node=node), 0)
        told = self.starling("metrics", "--json")["nodes"]
        self.assertEqual([one["node"] for one in told], ["n0", "n1", "n2"])

    def test_each_node_of_a_host_answers_http_on_a_port_of_its_own(self):
        self.write()
        self.start_flock()
        for number in range(3):
            self.value(self.scrape(number), "starling_rounds_done", node=f"n{number}")
        with self.assertRaises(urllib.error.HTTPError) as refused:
            urllib.request.urlopen(f"http://127.0.0.1:{self.http}/other", timeout=60)
        refused.exception.close()
        self.assertEqual(refused.exception.code, 404)

    def test_a_scrape_changes_nothing_of_what_is_computed(self):
        self.write({"run.rounds": rounds(4000)})
        up = self.start_up("--json")
        scraped = 0
        while up.poll() is None:
            try:
                text = self.scrape()
                if "starling_rounds_done" in text:  # a daemon that is ending has nothing to say
                    scraped += self.value(text, "starling_rounds_done") > 0
            except (urllib.error.URLError, ConnectionError):
                pass  # not begun, or over
        self.ended(up)
        self.assertGreater(scraped, 0)
        real = json.loads((self.dir / "up.out").read_text())
        simulated = self.starling("simulate", "--json")
        digests = [[node["parameters_sha256"] for node in run["nodes"]]
                   for run in (real, simulated)]
        self.assertEqual(*digests)

    def test_nobody_listens_unless_it_is_asked_for(self):
        self.write({"metrics.listen": None})
        self.start_node("n0", "--set", "gossip.algorithm=none")
        self.training("n0")
        self.assertNotIn("metrics are at", self.log("n0"))
        with self.assertRaises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", self.http), timeout=10)
        self.assertIn("starling_rounds_done", self.starling("metrics", "--node", "n0"))

    def test_an_address_that_somebody_else_holds(self):
        self.write()
        with socket.create_server(("127.0.0.1", self.http)):
            done = self.call("starlingd", self.run_file, "--node", "n0", "--state", self.state)
        self.assertEqual(done.returncode, 12)
        self.assertIn(f"[metrics] listen: another process holds 127.0.0.1:{self.http}; stop it",
                      done.stderr)

    def test_a_daemon_ends_although_a_connection_asks_nothing(self):
        self.write({"gossip.algorithm": "none"})
        daemon = self.start_node("n0")
        self.training("n0")
        with socket.create_connection(("127.0.0.1", self.http), timeout=10):
            self.starling("stop", "--node", "n0")
            self.ended(daemon)

    def test_promtool_has_nothing_to_say(self):
        self.assertIsNotNone(PROMTOOL, "promtool (Debian: prometheus) is not installed")
        self.write()
        self.start_flock()
        for text in (self.starling("metrics"), self.scrape()):
            checked = subprocess.run([PROMTOOL, "check", "metrics"], input=text, text=True,
                                     capture_output=True, timeout=60, preexec_fn=die_with_parent)
            self.assertEqual((checked.returncode, checked.stdout, checked.stderr), (0, "", ""))


if __name__ == "__main__":
    unittest.main()
