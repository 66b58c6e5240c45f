#!/usr/bin/env python3
"""Top-K whose k follows a budget, beside a constant k at the same bytes.

    tests/bench/rate.py STARLING --data FOLDER [--seeds 5] [--jobs 1] [--set KEY=VALUE]...

For each seed two runs of rate.toml in the simulator: as it is, and under [rate] with as many bytes
a round as that one took, less one percent. Prints the end of each run, and mean and standard
deviation of their test loss and error.
"""

import argparse
import concurrent.futures
import json
import pathlib
import statistics
import subprocess

HERE = pathlib.Path(__file__).resolve().parent
ROUNDS, NEIGHBORS = 400, 3


def simulate(starling, sets):
    command = [starling, "simulate", str(HERE / "rate.toml"), "--json"]
    for one in sets:
        command += ["--set", one]
    ran = subprocess.run(command, check=True, stdout=subprocess.PIPE,
                         stderr=subprocess.DEVNULL, text=True)
    result = json.loads(ran.stdout.splitlines()[0])
    return {"loss": result["mean_loss"], "error": 100 * (1 - result["mean_accuracy"]),
            "bytes": result["sent_bytes_mean"]}


def pair(starling, seed, sets, floor, controller):
    sets = [*sets, f"run.seed={seed}"]
    constant = simulate(starling, sets)
    budget = int(0.99 * constant["bytes"] / ROUNDS / NEIGHBORS)
    adaptive = simulate(starling, [*sets, f"compress.ratio={floor}",
                                   f"rate.bytes_per_round={budget}",
                                   f'rate.controller="{controller}"'])
    return seed, constant, adaptive


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("starling")
    parser.add_argument("--data", required=True)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--floor", default="0.0005", help="[compress] ratio of the lowest level")
    parser.add_argument("--controller", default="adaptive-top-k")
    parser.add_argument("--set", action="append", default=[], dest="sets")
    options = parser.parse_args()
    sets = [f'data.path="{pathlib.Path(options.data).resolve()}"', *options.sets]
    print("seed  constant k: loss  error %    bytes   adaptive: loss  error %    bytes", flush=True)
    with concurrent.futures.ThreadPoolExecutor(options.jobs) as pool:
        pairs = list(pool.map(
            lambda seed: pair(options.starling, seed, sets, options.floor, options.controller),
            range(1, options.seeds + 1)))
    for seed, a, b in pairs:
        print(f"{seed:4}  {a['loss']:16.4f} {a['error']:8.2f} {a['bytes']:8.0f}"
              f"  {b['loss']:14.4f} {b['error']:8.2f} {b['bytes']:8.0f}")
    for what in ("loss", "error", "bytes"):
        texts = []
        for which in (1, 2):
            values = [one[which][what] for one in pairs]
            spread = statistics.stdev(values) if len(values) > 1 else 0
            texts.append(f"{statistics.mean(values):.4f} +- {spread:.4f}")
        print(f"{what:5}  constant k {texts[0]}, adaptive {texts[1]}")


if __name__ == "__main__":
    main()
