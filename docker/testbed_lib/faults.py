"""Faults on demand: what a node, a link or a machine may do to a flock."""
import random
import re
import time

from . import engine
from .problem import USAGE, Problem

SECONDS = {"ms": 0.001, "s": 1, "m": 60, "min": 60, "h": 3600}


def seconds_of(text):
    match = re.fullmatch(r"(\d+(?:\.\d+)?)(ms|s|m|min|h)", text)
    if not match:
        raise Problem(f"testbed: found the time '{text}', expected a number with ms, s, m or h, "
                      "such as 20s", USAGE)
    return float(match[1]) * SECONDS[match[2]]


def groups_of(testbed, words):
    """"n0,n1 | n2,n3": two groups of known nodes or more, none of them twice."""
    text = " ".join(words)
    groups = [[n for n in re.split(r"[,\s]+", part.strip()) if n] for part in text.split("|")]
    if len(groups) < 2 or not all(groups):
        raise Problem(f"testbed: partition: found '{text}', expected groups of nodes with a bar "
                      "between them, in quotes: 'n0,n1,n2 | n3,n4'", USAGE)
    seen = set()
    for node in (n for group in groups for n in group):
        if testbed.node(node) in seen:
            raise Problem(f"testbed: partition: found {node} twice, expected each node in one "
                          "group at most", USAGE)
        seen.add(node)
    return groups


class Faults:
    """Each tells what it does before it does it."""

    def __init__(self, testbed, say=print):
        self.testbed = testbed
        self.say = say

    def _container(self, node, *states):
        """Its id; fails where it is in none of these states."""
        containers = engine.Containers(self.testbed.project)
        state = containers.state(self.testbed.node(node))
        if state not in states:
            raise Problem(f"testbed: {node} is {state}, expected it to be {' or '.join(states)}")
        return containers.id(node)

    def kill(self, node):
        container = self._container(node, "running", "paused")
        self.say(f"kill {node}")
        self.testbed.killed.append(node)
        self.testbed.save()
        engine.docker("kill", container)

    def restart(self, node):
        """Stops it properly where it runs; what it had saved it goes on from."""
        container = self._container(node, "running", "exited")
        self.say(f"restart {node}")
        engine.docker("stop", "--time", "5", container)  # no harm to one that has ended
        engine.docker("start", container)
        self.testbed.killed = [n for n in self.testbed.killed if n != node]
        self.testbed.save()
        self.testbed.apply_network(only=node)

    def pause(self, node):
        container = self._container(node, "running")
        self.say(f"pause {node}")
        engine.docker("pause", container)

    def resume(self, node):
        container = self._container(node, "paused")
        self.say(f"resume {node}")
        engine.docker("unpause", container)

    def pause_for(self, node, seconds):
        self.pause(node)
        try:
            time.sleep(seconds)
        finally:  # Ctrl-C as well
            self.resume(node)

    def partition(self, groups):
        self.say("partition " + " | ".join(",".join(group) for group in groups))
        self.testbed.groups = groups
        self.testbed.save()
        self.testbed.apply_network()

    def heal(self):
        self.say("heal")
        self.testbed.groups = []
        self.testbed.save()
        self.testbed.apply_network()


# ---- nemesis ------------------------------------------------------------------------------------

LONGEST_FAULT = 20.0  # seconds


def plan(seed, nodes, seconds):
    """[(second, verb, arguments)], a function of these three: one fault at a time, each undone
    before the next, and all undone in the end."""
    dice = random.Random(f"{seed}/{','.join(nodes)}/{seconds:g}")
    steps, now = [], 0.0
    while True:
        now += dice.uniform(2, 10)
        lasts = dice.uniform(2, LONGEST_FAULT)
        kind = dice.choice(["kill", "pause", "partition"] if len(nodes) > 1 else ["kill", "pause"])
        victim = dice.choice(nodes)
        split = dice.sample(nodes, len(nodes))
        cut = dice.randint(1, max(1, len(nodes) - 1))
        if now + lasts > seconds:
            return steps
        if kind == "partition":
            steps += [(now, "partition", (sorted(split[:cut]), sorted(split[cut:]))),
                      (now + lasts, "heal", ())]
        else:
            undone = "restart" if kind == "kill" else "resume"
            steps += [(now, kind, (victim,)), (now + lasts, undone, (victim,))]
        now += lasts


class Torment:
    """Carries out a plan. A node that has reached its end meanwhile is let be."""

    def __init__(self, testbed):
        self.testbed = testbed
        self.began = time.monotonic()
        self.faults = Faults(testbed, self._say)
        self.undo = None  # what ends the fault that is in place

    def _say(self, text):
        print(f"t={time.monotonic() - self.began:6.1f}s  {text}", flush=True)

    def run(self, seed, seconds):
        """An interrupted one leaves no fault in place."""
        steps = plan(seed, self.testbed.nodes, seconds)
        try:
            for fault, undone in zip(steps[::2], steps[1::2], strict=True):
                self._wait_until(fault[0])
                if self._is_over():
                    return self._say("the run is over")
                self._begin(fault, undone)
                self._wait_until(undone[0])
                self._end()
            self._wait_until(seconds)
        finally:
            self._end()

    def _wait_until(self, second):
        time.sleep(max(0.0, self.began + second - time.monotonic()))

    def _is_over(self):
        states = engine.Containers(self.testbed.project)
        return not any(states.state(n) in ("running", "paused") for n in self.testbed.nodes)

    def _begin(self, fault, undone):
        _, verb, what = fault
        if verb == "partition":
            self.undo = self.faults.heal
            return self.faults.partition([list(group) for group in what])
        node = what[0]
        if (state := engine.Containers(self.testbed.project).state(node)) != "running":
            return self._say(f"{verb} {node}: it is {state}, let be")
        self.undo = lambda: getattr(self.faults, undone[1])(node)
        getattr(self.faults, verb)(node)

    def _end(self):
        undo, self.undo = self.undo, None
        if undo:
            undo()
