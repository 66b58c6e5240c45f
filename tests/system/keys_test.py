"""Keys: made, shown, pinned by a run file, found by `up`, refused where they cannot be trusted."""
import os
import re
import signal
import stat
import unittest

from flock import ENDLESS, SLOWNESS, FlockTest
from tls import Identity

PIN = r"sha256:[A-Za-z0-9_-]{43}"


class Keys(FlockTest):
    def keygen(self, file):
        done = self.call("starling", "keygen", "--out", file)
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout

    def pinned_run(self, pins, rounds=40):
        """A path of two nodes, each with its line of pins ("key = …")."""
        self.write_run({"topology.kind": "path", "topology.nodes": None,
                        "topology.base_port": None, "run.rounds": rounds})
        nodes = "".join(
            f'[[node]]\nname = "n{i}"\naddress = "127.0.0.1:{self.base_port + i}"\n{line}\n'
            for i, line in enumerate(pins))
        self.run_file.write_text(self.run_file.read_text() + nodes)

    def key_of(self, node):
        return self.state / node / "node.key"

    def test_keygen_makes_a_file_for_its_owner_alone_and_says_what_to_pin(self):
        file = self.dir / "deep" / "node.key"
        text = self.keygen(file)
        self.assertEqual(stat.S_IMODE(file.stat().st_mode), 0o600)
        self.assertEqual(stat.S_IMODE(file.parent.stat().st_mode), 0o700)
        pin, again = re.findall(PIN, text)
        self.assertEqual(pin, again)
        self.assertIn(f'[[node]]\nname = "NAME"\naddress = "HOST:7700"\nkey = "{pin}"\n', text)
        shown = self.call("starling", "id", file)
        self.assertEqual((shown.returncode, shown.stdout), (0, pin + "\n"))

    def test_keygen_never_overwrites(self):
        file = self.dir / "node.key"
        self.keygen(file)
        before = file.read_bytes()
        done = self.call("starling", "keygen", "--out", file)
        self.assertEqual(done.returncode, 15)
        self.assertIn("exists already and is never overwritten", done.stderr)
        self.assertEqual(file.read_bytes(), before)

    def test_a_run_whose_file_pins_keys_is_inside_tls(self):
        pins = [re.search(PIN, self.keygen(self.key_of(node))).group() for node in ("n0", "n1")]
        spare = re.search(PIN, self.keygen(self.dir / "spare.key")).group()
        self.pinned_run([f'key = "{pins[0]}"', f'keys = ["{spare}", "{pins[1]}"]'])
        daemons = [self.start_node(node) for node in ("n0", "n1")]
        for daemon in daemons:
            self.ended(daemon)
        for node, pin in zip(("n0", "n1"), pins):
            self.assertEqual(self.report(node)["round"], 40)
            self.assertIn(f"links are TLS 1.3 between pinned keys; this node's is {pin}",
                          self.log(node))
            self.assertNotIn("PLAIN TCP", self.log(node))

    def test_a_key_changes_while_training_goes_on(self):
        files = [self.key_of("n0"), self.key_of("n1"), self.dir / "new.key"]
        pins = [re.search(PIN, self.keygen(file)).group() for file in files]
        first, old, new = (f'"{pin}"' for pin in pins)

        def reload(keys):
            self.pinned_run([f"key = {first}", f"keys = [{keys}]"], rounds=ENDLESS)
            self.starling("reload", "--node", "n0")

        def state():
            return self.peers("n0").get("n1", {"state": "?"})

        self.pinned_run([f"key = {first}", f"keys = [{old}]"], rounds=ENDLESS)
        self.start_node("n0")
        n1 = self.start_node("n1")
        self.training("n0")
        reload(f"{new}, {old}")
        self.assertEqual((state()["state"], state()["epoch"]), ("up", 1))
        n1.send_signal(signal.SIGTERM)
        self.ended(n1)
        self.start_node("n1", "--key", files[2])
        self.until(lambda: state()["state"] == "up", "n1 is back with its new key")
        reload(old)
        self.until(lambda: state()["state"] != "up", "the new key is taken out", seconds=5 * SLOWNESS)
        self.until(lambda: "is pinned no more" in self.log("n0"), "n0 says why")
        self.until(lambda: "which the run file pins for no neighbor" in self.log("n0")
                   or "the key there is" in self.log("n0"), "and refuses it from now on")

    def test_a_reload_cannot_take_the_protection_away(self):
        pins = [re.search(PIN, self.keygen(self.key_of(node))).group() for node in ("n0", "n1")]
        self.pinned_run([f'key = "{pin}"' for pin in pins], rounds=ENDLESS)
        self.start_node("n0")
        self.until(lambda: self.status("n0"), "n0 answers")
        self.pinned_run(["", ""], rounds=ENDLESS)
        done = self.call("starling", "reload", self.run_file, "--state", self.state, "--node", "n0")
        self.assertNotEqual(done.returncode, 0)
        self.assertIn("found none, but the links of this run are inside TLS", done.stderr)

    def test_any_ed25519_key_in_pkcs8_will_do(self):
        identity = Identity(self.dir, "other")
        shown = self.call("starling", "id", identity.key)
        self.assertRegex(shown.stdout, f"^{PIN}\n$")

    def refused(self, *words, code=10):
        daemon = self.call("starlingd", self.run_file, "--node", "n0", "--state", self.state,
                           *words)
        self.assertEqual(daemon.returncode, code, daemon.stderr)
        return daemon.stderr

    def test_a_key_that_cannot_be_used_stops_the_daemon_before_it_listens(self):
        pin = re.search(PIN, self.keygen(self.dir / "a.key")).group()
        other = re.search(PIN, self.keygen(self.dir / "b.key")).group()
        self.pinned_run([f'key = "{pin}"', f'key = "{other}"'])
        self.assertIn(f"no such key file; `starling keygen --out {self.key_of('n0')}`",
                      self.refused(code=15))
        self.assertIn(f"b.key: is the key {other}, but the run pins {pin} for n0",
                      self.refused("--key", self.dir / "b.key"))
        (self.dir / "a.key").chmod(0o640)
        self.assertIn(f"`chmod 600 {self.dir / 'a.key'}`", self.refused("--key", self.dir / "a.key"))
        (self.dir / "a.key").chmod(0o600)
        (self.dir / "link.key").symlink_to("a.key")
        self.assertIn("is a symbolic link", self.refused("--key", self.dir / "link.key"))

    def test_the_environment_names_a_key_too(self):
        pin = re.search(PIN, self.keygen(self.dir / "a.key")).group()
        other = re.search(PIN, self.keygen(self.dir / "b.key")).group()
        self.pinned_run([f'key = "{pin}"', f'key = "{other}"'])
        os.environ["STARLING_KEY"] = str(self.dir / "b.key")
        self.addCleanup(os.environ.pop, "STARLING_KEY")
        self.assertIn(f"b.key: is the key {other}", self.refused())

    def test_up_makes_keys_once_and_uses_them(self):
        self.write_run({"run.rounds": 5})
        self.starling("up", "--json")
        pins = {}
        for node in ("n0", "n1", "n2", "n3"):
            self.assertEqual(stat.S_IMODE(self.key_of(node).stat().st_mode), 0o600)
            self.assertIn("links are TLS 1.3", self.log(node))
            pins[node] = self.call("starling", "id", self.key_of(node)).stdout.strip()
        listed = dict(line.split() for line in (self.state / "keys").read_text().splitlines())
        self.assertEqual(listed, pins)
        self.starling("up", "--json", "--fresh")
        listed = dict(line.split() for line in (self.state / "keys").read_text().splitlines())
        self.assertEqual(listed, pins)

    def test_up_without_keys_says_so_loudly(self):
        self.write_run({"run.rounds": 5})
        self.starling("up", "--json")
        protected = self.log("n0")
        self.starling("up", "--json", "--fresh", "--plaintext")
        self.assertIn("LINKS ARE PLAIN TCP", self.log("n0"))
        self.assertNotIn("LINKS ARE PLAIN TCP", protected)

    def test_the_models_are_the_same_bits_with_and_without(self):
        self.write_run({"run.rounds": 20})
        digests = []
        for words in ([], ["--plaintext"]):
            report = self.starling("up", "--json", "--fresh", *words)
            digests.append([node["parameters_sha256"] for node in report["nodes"]])
        self.assertEqual(*digests)

    def test_a_list_of_keys_that_is_damaged(self):
        self.write_run()
        self.state.mkdir()
        (self.state / "keys").write_text("n0 sha256:short\n")
        self.assertIn(f"{self.state}/keys:1: found \"n0 sha256:short\"", self.refused())

    def test_an_address_that_is_not_loopback_needs_keys(self):
        self.pinned_run(["", ""])
        text = self.run_file.read_text().replace("127.0.0.1", "192.0.2.7")
        self.run_file.write_text(text)
        self.assertIn("192.0.2.7 is no loopback address", self.refused())


if __name__ == "__main__":
    unittest.main()
