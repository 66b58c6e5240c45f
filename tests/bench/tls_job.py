#!/usr/bin/env python3
"""tls_job.py STARLING RUN.toml [PAIRS] [--set …]: how much longer a whole job takes under TLS than in
plain TCP. Both run in alternation, from the start; prints seconds of both and the median of the
ratios."""
import json
import statistics
import subprocess
import sys
import tempfile
import time


def seconds(words):
    with tempfile.TemporaryDirectory(prefix="starling-") as state:
        begun = time.monotonic()
        done = subprocess.run([*words, "--state", state, "--json"], capture_output=True, text=True)
        passed = time.monotonic() - begun
    if done.returncode != 0:
        sys.exit(done.stderr)
    report = json.loads(done.stdout.splitlines()[-1])
    return report.get("wall_seconds", passed)


def main():
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    starling, run_file, *rest = sys.argv[1:]
    pairs = int(rest.pop(0)) if rest and rest[0].isdigit() else 5
    words = [starling, "up", run_file, *rest]
    print("pair  plain s   TLS s  ratio")
    ratios = []
    for pair in range(1, pairs + 1):
        plain, protected = seconds([*words, "--plaintext"]), seconds(words)
        ratios.append(protected / plain)
        print(f"{pair:4}  {plain:7.2f} {protected:7.2f}  {ratios[-1]:.3f}", flush=True)
    print(f"median ratio {statistics.median(ratios):.3f}")


if __name__ == "__main__":
    main()
