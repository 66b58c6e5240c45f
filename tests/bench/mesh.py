#!/usr/bin/env python3
"""Every method of the mesh on Fashion-MNIST, beside uncompressed all-reduce and PowerGossip.

    tests/bench/mesh.py DATA [--rounds N] [--methods NAME,NAME] [--split iid|dirichlet]

DATA is the folder with the four files of the data set. Eight nodes, links of 100 mbit/s and 10 ms
one way, in the simulator's virtual time with 5 ms for a local step; the data dealt alike, and
unevenly (Dirichlet 0.3). Prints for each: test accuracy of the worst node, megabytes sent a node and
its part of what all-reduce sends, the same of one round, and virtual seconds. "A round" is the
median of the rounds that send: of a method with rounds without a code (a warm-up, averages) one
with its code. Builds nothing: takes build/release/daemon/starling.
"""
import argparse
import csv
import json
import pathlib
import statistics
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
STARLING = ROOT / "build/release/daemon/starling"
RUN = """
[run]
name = "mesh"
rounds = 600
evaluate_every = 0
[topology]
kind = "complete"
nodes = 8
[data]
kind = "idx"
path = "set by the command"
[model]
kind = "mlp"
hidden = [100]
[train]
batch = 64
learning_rate = 0.1
schedule = "cosine"
[gossip]
algorithm = "ef-sgd"
"""
SIGN = {"compress.operator": "sign"}
TOP = {"compress.operator": "top-k", "compress.ratio": 0.01}
FOUR_BITS = {"compress.operator": "quantize", "compress.bits": 4, "compress.bucket": 128}
RAW = {"compress.operator": "identity"}
ADAM = {"train.learning_rate": 0.002}
# Local steps of Adam, so many a round, and as many steps in all.
def local(steps, rounds):
    return {"train.optimizer": "adam", "train.learning_rate": 0.002, "train.local_steps": steps,
            "run.rounds": max(1, rounds // steps)}


def methods(rounds):
    """Name, algorithm and what goes with it. All-reduce: the mesh without a code."""
    return [
        ("all-reduce SGD", "ef-sgd", RAW),
        ("all-reduce Adam", "one-bit-adam", RAW | ADAM | {"gossip.freeze": rounds}),
        ("powergossip, ring", "powergossip", {"topology.kind": "ring"}),
        ("ef-sgd, sign", "ef-sgd", SIGN),
        ("doublesqueeze, sign", "doublesqueeze", SIGN),
        ("doublesqueeze, top 1 %", "doublesqueeze", TOP),
        ("neolithic, top 1 %, twice", "neolithic", TOP),
        ("ef21, top 1 %", "ef21", TOP),
        ("ef21-bc, top 1 %", "ef21-bc", TOP),
        ("ef21-sgdm, top 1 %", "ef21-sgdm", TOP),
        ("econtrol, top 1 %", "econtrol", TOP),
        ("econtrol, sign", "econtrol", SIGN | {"gossip.eta": 0.1}),
        ("liec-sgd, sign, p = 32", "liec-sgd", SIGN | {"gossip.period": 32}),
        ("liec-sgd, sign, p = 200", "liec-sgd", SIGN | {"gossip.period": 200}),
        ("diana, 4 bits", "diana", FOUR_BITS),
        ("dore, 4 bits", "dore", FOUR_BITS),
        ("dcsgd, 4 bits", "dcsgd", FOUR_BITS),
        ("cd-adam, sign", "cd-adam", SIGN | ADAM),
        ("one-bit-adam, sign, warm-up 1/10", "one-bit-adam",
         SIGN | ADAM | {"gossip.freeze": rounds // 10}),
        ("one-bit-adam, sign, warm-up 1/200", "one-bit-adam",
         SIGN | ADAM | {"gossip.freeze": rounds // 200}),
        ("zero-one-adam, sign, warm-up 1/10", "zero-one-adam",
         SIGN | ADAM | {"gossip.freeze": rounds // 10, "gossip.period": 4}),
        ("zero-one-adam, sign, warm-up 1/200", "zero-one-adam",
         SIGN | ADAM | {"gossip.freeze": rounds // 200, "gossip.period": 4}),
        ("sketched-amsgrad, 2.5 %", "sketched-amsgrad",
         {"compress.operator": "count-sketch", "compress.rows": 1, "compress.width": 1024,
          "compress.keep": 250, "train.learning_rate": 0.001}),
        ("birder", "birder", ADAM | {"gossip.allow_unproven": True}),
        ("diloco, H = 20, raw", "diloco", RAW | local(20, rounds)),
        ("diloco, H = 20, 4 bits", "diloco", FOUR_BITS | local(20, rounds)),
        ("streaming-diloco, 4 x 5, 4 bits", "streaming-diloco", FOUR_BITS | local(5, rounds)),
    ]


def simulate(run_file, data, words):
    """What `starling simulate` says of the run, with the bytes of a round, and how long it took."""
    trace = run_file.with_suffix(".csv")
    command = [STARLING, "simulate", run_file, "--json", "--rate", "100mbit", "--delay", "10ms",
               "--step", f"{5 * words.get('train.local_steps', 1)}ms",
               "--trace", trace, "--set", f"data.path={json.dumps(str(data))}"]
    for key, value in words.items():
        command += ["--set", f"{key}={json.dumps(value)}"]
    began = time.monotonic()
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        sys.exit(f"mesh.py: {' '.join(map(str, command))}\n{done.stderr}")
    took = time.monotonic() - began
    with trace.open(encoding="utf-8") as lines:
        sent = [float(row["sent_bytes_mean"]) for row in csv.DictReader(lines)]
    trace.unlink()
    rounds = [after - before for before, after in zip([0, *sent], sent) if after > before]
    run = json.loads(done.stdout.splitlines()[-1]) | {"round_bytes": statistics.median(rounds)}
    return run, took


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=pathlib.Path)
    parser.add_argument("--rounds", type=int, default=600)
    parser.add_argument("--methods", help="algorithms, by their names in the run file")
    parser.add_argument("--split", choices=["iid", "dirichlet"])
    parser.add_argument("--scratch", type=pathlib.Path, default=ROOT / "build")
    options = parser.parse_args()
    chosen = options.methods and set(options.methods.split(","))
    run_file = options.scratch / "mesh-bench.toml"
    run_file.write_text(RUN)
    splits = [options.split] if options.split else ["iid", "dirichlet"]
    rows, raw = [], None
    for name, algorithm, words in methods(options.rounds):
        if chosen and algorithm not in chosen and raw is not None:
            continue
        runs = []
        for split in splits:
            run, took = simulate(run_file, options.data.resolve(),
                                 {"run.rounds": options.rounds, "data.split": split,
                                  "data.alpha": 0.3, "gossip.algorithm": algorithm} | words)
            print(f"{name}, {split}: simulated in {took:.0f} s", file=sys.stderr)
            runs.append(run)
        raw = raw or runs[0]
        parts = [raw[key] / runs[0][key] for key in ("sent_bytes_mean", "round_bytes")]
        cells = [name] + [f"{100 * run['min_accuracy']:.1f} %" for run in runs]
        cells += [f"{runs[0]['sent_bytes_mean'] / 1e6:.2f} MB",
                  *[f"1/{part:.0f}" for part in parts], f"{runs[0]['train_seconds']:.1f}"]
        rows.append(cells)
    head = ["", *[f"worst node, {split}" for split in splits], "sent a node", "of all-reduce",
            "a round", "seconds"]
    for cells in [head, ["---"] * len(head), *rows]:
        print("| " + " | ".join(cells) + " |")
    run_file.unlink()


if __name__ == "__main__":
    main()
