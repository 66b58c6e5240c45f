#!/usr/bin/env python3
"""Tests the tester: plants one bug after the other into a copy of the sources and lets the adversary
of the simulator look for it.

    tests/mutants/run.py BUILD_DIR [NAME ...]     each must be found within 1,000 seeds, or RARE's
    tests/mutants/run.py --check                  each still fits the sources; CTest runs this

A bug is a piece of a file and what takes its place. BUILD_DIR is made anew and may be deleted.
"""
import pathlib
import re
import shutil
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
SEEDS = 1000
# Bugs that show only where two unlikely faults follow each other.
RARE = {"async-forgets-an-answer-at-the-break": 2000, "equal-counts-are-enough": 10000}
FOLDERS = ["compress", "configs", "daemon", "gossip", "node", "packaging", "peer", "protocol", "sim",
           "tests", "train"]

# (name, file, the piece, what takes its place)
MUTANTS = [
    ("one-sided-apply", "gossip/settlement.cc",
     "if (lacks_last_of(theirs, ours)) return Verdict::replay;\n"
     "  if (lacks_last_of(ours, theirs)) return Verdict::await;",
     "if (lacks_last_of(theirs, ours) || lacks_last_of(ours, theirs)) return Verdict::go_on;"),
    ("lost-undo-record", "gossip/ledger.cc",
     "last_ = std::move(pending_);", "last_.reset();"),
    ("double-apply-on-reconnect", "gossip/edges.cc",
     "      method_.mix(exchange, std::span(&arrival, 1));",
     "      method_.mix(exchange, std::span(&arrival, 1));\n"
     "      method_.mix(exchange, std::span(&arrival, 1));"),
    ("applied-but-not-booked", "gossip/edges.cc",
     "  edge.ledger.count(arrival.theirs);", "  edge.ledger.drop();"),
    ("wrong-epoch-reset", "gossip/edges.cc", "if (epoch == 1) {", "if (epoch != 2) {"),
    ("outdated-messages-stay", "gossip/rounds.cc",
     "inbox.front().exchange < current_) inbox.pop_front();",
     "inbox.size() > 1000) inbox.pop_front();"),
    ("counts-what-was-never-sent", "gossip/rounds.cc",
     "part.active = part.active && sent && has_current(index);",
     "part.active = part.active && (sent || true) && has_current(index);"),
    ("forgets-an-answer-at-the-break", "gossip/rounds.cc",
     "part.active = part.active && sent && has_current(index);",
     "part.active = false;\n  if (sent) edges_.drop(index);"),
    ("waits-for-who-is-not-in-it", "gossip/rounds.cc",
     "if (!part.active || current_.round >= round) return;",
     "if (part.active || current_.round >= round) return;"),
    ("missed-messages-not-told", "gossip/replicas.cc",
     "if (edge.knows == told_) return {under_way_};", "if (edge.knows) return {under_way_};"),
    ("reference-of-the-wrong-moment", "gossip/replicas.h",
     "return edges_[edge].kept ? edges_[edge].kept->reference : own_.reference.values();",
     "return own_.reference.values();"),
    ("async-forgets-an-answer-at-the-break", "gossip/async_gossip.cc",
     "part.open = part.open && !inbox.empty();", "part.open = false;"),
    ("async-leaves-with-an-exchange-open", "gossip/async_gossip.cc",
     "(is_last() || part.age > options_.staleness)", "part.age > options_.staleness"),
    ("async-reference-moves-later", "gossip/async_gossip.cc",
     "  mix(here);", "  if (!here.empty()) mix(here);"),
    ("asymmetric-weights", "gossip/assembly.cc",
     "inputs.topology.weight(inputs.self, peer);",
     "inputs.topology.weight(inputs.self, peer) * (index_of(inputs.self) ? 1 : 1.01);"),
    ("file-not-synced", "node/checkpoint.cc",
     "    if (const auto synced = (*out)->sync(); !synced) return synced.error();\n", ""),
    ("directory-not-synced", "node/checkpoint.cc",
     "  if (const auto synced = store_.sync_directory(directory_); !synced) return synced.error();\n"
     "  return Saved", "  return Saved"),
    ("fingerprints-not-compared", "protocol/fingerprint.cc",
     "if (other->value != field.value) return", "if (other->value.empty()) return"),
    ("equal-counts-are-enough", "gossip/settlement.cc",
     "ours.chain == theirs.chain && ours.state == theirs.state;", "ours.count == theirs.count;"),
    ("begins-anew-at-one-end", "gossip/settlement.cc",
     "  if (lacks_last_of(ours, theirs)) return Verdict::await;\n  return Verdict::reopen;",
     "  if (lacks_last_of(ours, theirs)) return Verdict::await;\n"
     "  return ours.count < theirs.count ? Verdict::reopen : Verdict::go_on;"),
    ("settles-without-end", "gossip/edges.cc",
     "edge.todo = how == Verdict::reopen ? Todo::open : Todo::resume;", "edge.todo = Todo::resume;"),
    ("makes-up-for-another-message", "gossip/edges.cc",
     "if (edge.awaited && edge.ledger", "if (edge.awaited && !edge.ledger.pending() && edge.ledger"),
    ("off-by-one-length", "gossip/opening.cc",
     "both.slice(begin, both.size() - begin)", "both.slice(begin, both.size() - begin - 1)"),
    ("duals-act-while-suspended", "gossip/edge_duals.cc",
     "if (!duals_[edge].suspended_at) duals_[edge].suspended_at = rate_;", ""),
    ("share-not-taken-back", "gossip/sgp.cc", "  add(held_[edge], 1);\n", ""),
    ("factors-drawn-per-node", "gossip/powergossip.cc",
     "const auto [low, high] = std::minmax(state.end.self, state.end.peer);",
     "const auto low = state.end.self, high = state.end.peer;"),
]


def planted(name):
    return next(m for m in MUTANTS if m[0] == name)


def check():
    wrong = []
    for name, file, old, _ in MUTANTS:
        found = (ROOT / file).read_text().count(old)
        if found != 1:
            wrong.append(f"{name}: its piece is {found} times in {file}, expected once")
    print("\n".join(wrong) or f"{len(MUTANTS)} bugs can be planted")
    return 1 if wrong else 0


def build(source, target):
    subprocess.run(["cmake", "-S", source, "-B", target, "-G", "Ninja", "-DCMAKE_BUILD_TYPE=Release",
                    "-DSTARLING_BUILD_TESTS=ON", "-DSTARLING_TEST_FOLDERS=sim"],
                   check=True, stdout=subprocess.DEVNULL)
    subprocess.run(["cmake", "--build", target, "--target", "test_sim"], check=True,
                   stdout=subprocess.DEVNULL)


def first_seed_that_finds(test, seeds):
    run = subprocess.run([test, "-tc=adversary: no seed breaks an invariant"],
                         env={"STARLING_SEEDS": f"0..{seeds - 1}"}, capture_output=True, text=True)
    if run.returncode == 0:
        return None
    seed = re.search(r"seed (\d+):[^\n]*", run.stdout)
    what = re.search(r"\n\d+\.\d+ s: ([^\n]*)", run.stdout)
    last = (run.stdout + run.stderr).strip().splitlines()
    return (seed.group(1) if seed else "?", what.group(1) if what else last[-1] if last else "aborted")


def main():
    if sys.argv[1:] == ["--check"]:
        return check()
    if len(sys.argv) < 2 or sys.argv[1].startswith("-") or check():
        print(__doc__)
        return 2
    work = pathlib.Path(sys.argv[1])
    chosen = [planted(name) for name in sys.argv[2:]] or MUTANTS
    source, target = work / "source", work / "build"
    shutil.rmtree(work, ignore_errors=True)
    source.mkdir(parents=True)
    for item in ["CMakeLists.txt", "CMakePresets.json", "data", *FOLDERS]:
        path = ROOT / item
        (shutil.copytree if path.is_dir() else shutil.copy)(path, source / item)
    escaped = 0
    for name, file, old, new in chosen:
        text = (source / file).read_text()
        (source / file).write_text(text.replace(old, new))
        build(source, target)
        found = first_seed_that_finds(target / "tests/sim/test_sim", RARE.get(name, SEEDS))
        (source / file).write_text(text)
        escaped += found is None
        print(f"{name:34} " + (f"seed {found[0]:>4}: {found[1]}" if found else "NOT FOUND"), flush=True)
    print(f"{len(chosen) - escaped} of {len(chosen)} found, each within {SEEDS} seeds but for "
          f"{', '.join(f'{name} ({seeds})' for name, seeds in RARE.items())}")
    return 1 if escaped else 0


if __name__ == "__main__":
    sys.exit(main())
