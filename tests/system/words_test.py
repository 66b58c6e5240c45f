"""Verbs that need no daemon: run files shown, compared and made, and what `starling` says of itself."""
import json
import shutil
import subprocess
import tomllib
import unittest

from flock import SOURCE, FlockTest, die_with_parent

CONFIG, IO = 10, 15


class RunFiles(FlockTest):
    def config(self, *words):
        return self.call("starling", "config", *words)

    def test_what_is_shown_means_the_same(self):
        shown = self.dir / "shown.toml"
        for file in sorted((SOURCE / "configs").glob("*.toml")):
            done = self.config("show", file)
            self.assertEqual(done.returncode, 0, done.stderr)
            shown.write_text(done.stdout)
            same = self.config("diff", file, shown)
            self.assertEqual((same.returncode, same.stdout), (0, ""), file)

    def test_effective_values_are_toml_and_say_what_was_given(self):
        self.write_run()
        text = self.config("show", self.run_file, "--effective", "--set", "train.batch=16").stdout
        told = tomllib.loads(text)
        self.assertEqual(told["train"]["batch"], 16)
        self.assertEqual(told["train"]["local_steps"], 1, "a default")
        self.assertEqual(len(told["node"]), 4)
        self.assertIn("\n# gamma is not set\n", text)
        self.assertNotIn("local_steps", self.config("show", self.run_file).stdout)
        keys = json.loads(self.config("show", self.run_file, "--effective", "--json").stdout)
        given = {(key["section"], key["key"]): key["given"] for key in keys}
        self.assertTrue(given["train", "batch"])
        self.assertFalse(given["train", "local_steps"])

    def test_differences_with_both_values(self):
        self.write_run()
        other = self.write_run({"train.batch": 64, "gossip.algorithm": "choco", "gossip.gamma": 0.5,
                                "topology.nodes": 5}, self.dir / "other.toml")
        done = self.config("diff", self.run_file, other)
        self.assertEqual(done.returncode, 1)
        lines = done.stdout.splitlines()
        self.assertIn("[train] batch: 32, then 64", lines)
        self.assertIn('[gossip] algorithm: "d-psgd", then "choco"', lines)
        self.assertIn("[gossip] gamma: nothing, then 0.5", lines)
        self.assertIn(f'[[node]] n4 address: nothing, then "127.0.0.1:{self.base_port + 4}"', lines)
        told = json.loads(self.config("diff", other, self.run_file, "--json").stdout)
        self.assertIn({"key": "[train] batch", "before": "64", "after": "32"}, told)

    def test_a_file_that_is_none(self):
        done = self.config("diff", self.dir / "a", self.dir / "b")
        self.assertEqual(done.returncode, CONFIG)
        self.assertIn("no such file", done.stderr)

    def test_a_generated_graph_runs(self):
        out = self.dir / "made.toml"
        done = self.call("starling", "topology", "generate", "--kind", "torus", "--nodes", 16, "-o",
                         out)
        self.assertEqual(done.returncode, 0, done.stderr)
        told = json.loads(self.call("starling", "topology", out, "--json").stdout)
        self.assertEqual((told["kind"], len(told["nodes"])), ("torus", 16))
        self.assertEqual({node["degree"] for node in told["nodes"]}, {4})
        ran = json.loads(self.call("starling", "simulate", out, "--json").stdout)
        self.assertLess(ran["relative_error"], 1)

    def test_a_generated_graph_for_the_run_of_another_file(self):
        self.write_run()
        text = self.call("starling", "topology", "generate", "--nodes", 3, "--address",
                         "10.0.0.{i}:7700", "--like", self.run_file).stdout
        told = tomllib.loads(text)
        self.assertEqual([node["address"] for node in told["node"]],
                         [f"10.0.0.{i}:7700" for i in range(3)])
        self.assertEqual(told["data"]["kind"], "optdigits")
        self.assertEqual(told["train"]["momentum"], 0.9)

    def test_graphs_that_cannot_be_and_places_that_cannot_be_written(self):
        for words, code, part in (
                (("--kind", "moebius"), CONFIG, "[topology] kind: found \"moebius\""),
                (("--address", "h:1"), CONFIG, "expected a different one for each node"),
                (("--base-port", 65535), CONFIG, "port"),
                (("-o", self.dir / "none/x"), IO, "No such file or directory")):
            done = self.call("starling", "topology", "generate", *words)
            self.assertEqual(done.returncode, code, done.stderr)
            self.assertIn(part, done.stderr)
        self.assertGreaterEqual(self.call("starling", "topology").returncode, 100)


class Itself(FlockTest):
    def verbs(self):
        """Every verb, by the help of the program."""
        lines = self.call("starling", "--help").stdout.split("Subcommands:\n")[1].splitlines()
        return [line.split()[0] for line in lines if line.startswith("  ") and line[2] != " "]

    def test_version(self):
        told = json.loads(self.call("starling", "version", "--json").stdout)
        text = self.call("starling", "version").stdout
        self.assertTrue(text.startswith(f"starling {told['version']}\n"), text)
        for program in ("starling", "starlingd"):
            self.assertEqual(self.call(program, "--version").stdout, f"{told['version']}\n")

    def test_the_help_of_reload_names_all_that_it_takes_up(self):
        said = " ".join(self.call("starling", "reload", "--help").stdout.split())
        self.assertIn("take up nodes, edges, addresses, keys and limits of the run file", said)

    def test_the_readme_has_every_verb(self):
        readme = (SOURCE / "README.md").read_text()
        for verb in self.verbs():
            self.assertRegex(readme, rf"\n\| .*`(starling )?{verb}\b", verb)

    def test_bash_completes_verbs_options_and_verbs_behind_verbs(self):
        script = self.call("starling", "completion", "bash").stdout

        def completed(*words):
            line = " ".join(f"'{word}'" for word in words)
            asked = (f"{script}\nCOMP_WORDS=({line}); COMP_CWORD={len(words) - 1}; _starling; "
                     'printf "%s\\n" "${COMPREPLY[@]}"')
            return subprocess.run(["bash", "-ec", asked], capture_output=True, text=True, timeout=60,
                                  check=True, preexec_fn=die_with_parent).stdout.split()

        self.assertEqual(completed("starling", "sta"), ["status"])
        self.assertEqual(set(completed("starling", "config", "")) - {"-h", "--help"},
                         {"check", "show", "diff", "keys"})
        self.assertIn("--check", completed("starling", "status", "run.toml", "--"))
        self.assertEqual(completed("starling", "config", "show", "run.toml", "--e"), ["--effective"])
        self.assertEqual(set(completed("starling", "")) - {"-h", "--help", "--version"},
                         set(self.verbs()))

    def test_other_shells_take_their_scripts(self):
        for shell in ("zsh", "fish"):
            script = self.call("starling", "completion", shell).stdout
            self.assertIn("--effective" if shell == "zsh" else "-l effective", script)
            if program := shutil.which(shell):
                subprocess.run([program, "-n"], input=script, text=True, check=True,
                               timeout=60, preexec_fn=die_with_parent)
        self.assertGreaterEqual(self.call("starling", "completion", "csh").returncode, 100)

    def test_manual_pages_have_every_verb_and_no_warning(self):
        for program, words in (("starling", ("man",)), ("starlingd", ("--man",))):
            page = self.call(program, *words).stdout
            self.assertTrue(page.startswith(f".TH {program.upper()} 1 "), page[:80])
            if groff := shutil.which("groff"):
                shown = subprocess.run([groff, "-man", "-Tutf8", "-ww", "-K", "utf8"], input=page,
                                       capture_output=True, text=True, timeout=60,
                                       preexec_fn=die_with_parent)
                self.assertEqual((shown.returncode, shown.stderr), (0, ""))
        page = self.call("starling", "man").stdout.replace("\\-", "-")
        for verb in self.verbs():
            self.assertIn(f"\n.SS starling {verb}", page)


if __name__ == "__main__":
    unittest.main()
