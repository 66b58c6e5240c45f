"""Several algorithms one after the other on the same seed and network."""
import pathlib
import shutil
import sys

from . import follow, images, results
from .network import Shape
from .problem import DIVERGED, USAGE, Problem
from .run_file import RunFile, asked_in

ALONE = {"alone": "none"}  # as the run file says it


def names_of(args, run_file):
    names = [n.strip() for n in args.algorithms.split(",") if n.strip()] or run_file.compared()
    if not names:
        raise Problem("testbed: compare: found neither --algorithms nor [run] compare in "
                      f"{args.run_file}, expected names such as alone,d-psgd,powergossip", USAGE)
    if len(set(names)) < len(names):
        raise Problem(f"testbed: --algorithms: found '{args.algorithms}', expected each name once",
                      USAGE)
    return names


def compare(testbed, args):
    if testbed.exists:
        raise Problem(f"testbed: '{testbed.project}' is up already; end it first with "
                      "docker/testbed down, or name another one with --project")
    shape = Shape(args.rate, args.delay, args.loss).check()
    image = images.make_daemon_image(args.binaries)
    ask = asked_in(image)
    names = names_of(args, RunFile(args.run_file, args.set, ask))
    # What is wrong with the last of them is better said before the first.
    checked = {name: RunFile(args.run_file, [*args.set, algorithm_of(name)], ask)
               for name in names}
    for run_file in checked.values():
        run_file.require_data()
    out = pathlib.Path(args.results)
    folders, diverged = [], []
    for name, run_file in checked.items():
        folder = out / name
        shutil.rmtree(folder, ignore_errors=True)
        print(f"== {name}")
        try:
            testbed.create(run_file, image, shape, args.memory)
            missing = follow.follow(testbed)
            results.collect(testbed, folder)
        except Problem as problem:  # of one that diverges the others need not suffer
            if problem.code != DIVERGED or len(names) == 1:
                raise
            print(f"{name}: {problem}", file=sys.stderr)
            diverged.append(name)
            continue
        finally:
            testbed.destroy()
        if missing:
            raise Problem(f"testbed: {name}: no report from {', '.join(missing)}")
        folders.append(folder)
    if not folders:
        raise Problem("testbed: every run has diverged", DIVERGED)
    text = results.report(image, folders, out, f"{args.run_file}, {shape}".rstrip(", "))
    (out / "comparison.txt").write_text(text)
    print(text, end="")
    print(f"also in {out}: comparison.txt, comparison.csv, comparison.html, and each node's "
          "report, log and model")
    return DIVERGED if diverged else 0


def algorithm_of(name):
    return f'gossip.algorithm="{ALONE.get(name, name)}"'
