#!/usr/bin/env python3
"""Local steps a second, ours and PyTorch's, one thread each, in one run.

    tests/bench/local_step.py BUILD_DIRECTORY [--pairs 7] [--steps 1000]

MLP 784-512-256-10, batch 32, SGD (learning rate 0.05, momentum 0.9), synthetic data in memory:
forward, backward and optimizer step. The two run in turns, so that a machine that slows down slows
both; the ratio is the median over the pairs. PyTorch is as fast as the BLAS it finds, which is
printed: on Debian, libblas3 is the slow reference and libopenblas0-pthread a fast one.
"""

import argparse
import os
import pathlib
import statistics
import subprocess
import time

for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[name] = "1"

ROWS, FEATURES, CLASSES, BATCH, WARM_UP = 4096, 784, 10, 32, 20


def ours(binary, steps):
    return float(subprocess.run([binary, str(steps)], check=True, capture_output=True).stdout)


class Theirs:
    """A fresh model for every measurement: a fitted one slows down on denormal gradients."""

    def __init__(self, torch):
        torch.manual_seed(1)
        layers = torch.nn
        self.model = layers.Sequential(
            layers.Linear(FEATURES, 512), layers.ReLU(), layers.Linear(512, 256), layers.ReLU(),
            layers.Linear(256, CLASSES))
        self.loss = layers.CrossEntropyLoss()
        self.optimizer = torch.optim.SGD(self.model.parameters(), lr=0.05, momentum=0.9)
        self.x = torch.randn(ROWS, FEATURES)
        self.y = torch.randint(0, CLASSES, (ROWS,))

    def steps(self, count):
        for i in range(count):
            at = i * BATCH % ROWS
            self.optimizer.zero_grad(set_to_none=True)
            self.loss(self.model(self.x[at:at + BATCH]), self.y[at:at + BATCH]).backward()
            self.optimizer.step()

    def measure(self, count):
        self.steps(WARM_UP)
        begin = time.perf_counter()
        self.steps(count)
        return count * BATCH / (time.perf_counter() - begin)


def blas_in_use():
    libraries = {line.split()[-1] for line in open("/proc/self/maps") if "blas" in line}
    return ", ".join(sorted(libraries)) or "built in"


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("build", type=pathlib.Path)
    parser.add_argument("--pairs", type=int, default=7)
    parser.add_argument("--steps", type=int, default=1000)
    arguments = parser.parse_args()
    binary = arguments.build / "tests" / "bench" / "bench_local_step"
    try:
        import torch
    except ImportError:
        print("PyTorch is not installed (Debian: python3-torch), so there is nothing to compare.")
        rates = [ours(binary, arguments.steps) for _ in range(arguments.pairs)]
        print(f"starling {statistics.median(rates):8.0f} samples/s, median of {len(rates)}")
        return
    torch.set_num_threads(1)
    ratios = []
    for _ in range(arguments.pairs):
        pair = ours(binary, arguments.steps), Theirs(torch).measure(arguments.steps)
        ratios.append(pair[0] / pair[1])
        print(f"starling {pair[0]:8.0f}   pytorch {pair[1]:8.0f} samples/s   {ratios[-1]:.2f}")
    print(f"median ratio {statistics.median(ratios):.2f}, "
          f"PyTorch {torch.__version__} with BLAS {blas_in_use()}")


if __name__ == "__main__":
    main()
