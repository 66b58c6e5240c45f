"""Watching a testbed: until its edges are up, and until its run is over."""
import re
import sys
import time

from . import engine
from .problem import Problem

EDGES_SECONDS = 120
LOOK_SECONDS = 0.5
KILLED = 137

ROUND = re.compile(r"\bround=(\d+) loss=(\S+) sent=(\d+)")
ACCURACY = re.compile(r"\baccuracy=([0-9.]+)")


def edges_of(testbed, containers):
    """(edges that are up, all of them, a sentence on one that is not), each end counted. A node
    that is done has told its neighbors goodbye: its edges do not count."""
    running = [n for n in testbed.nodes if containers.state(n) == "running"]
    up, total, why = 0, 0, ""
    for node, reply in testbed.ask_all(containers, "peers").items():
        if node not in running:
            continue
        if reply is None:
            total, why = total + 1, f"{node} does not answer yet"
            continue
        for peer in reply["peers"]:
            if containers.state(peer["name"]) not in ("running", "paused", "created"):
                continue
            total += 1
            if peer["state"] == "up":
                up += 1
            else:
                why = f"{node} to {peer['name']} is {peer['state']}: {peer['reason']}"
    return up, total, why


def wait_for_edges(testbed, seconds=EDGES_SECONDS):
    """Returns how many ends of edges are up. Fails with the reason of one that is not."""
    deadline = time.monotonic() + seconds
    while True:
        containers = engine.Containers(testbed.project)
        fail_if_one_failed(testbed, containers)
        up, total, why = edges_of(testbed, containers)
        if up == total:
            return up
        if time.monotonic() > deadline:
            raise Problem(f"testbed: after {seconds} s {total - up} of {total} ends of edges are "
                          f"not up; {why}")
        time.sleep(LOOK_SECONDS)


def fail_if_one_failed(testbed, containers):
    """A daemon that gave up by itself ends the flock, with its sentence and exit code."""
    for node in testbed.nodes:
        if containers.state(node) == "missing":
            raise Problem(f"testbed: the container of {node} was removed by somebody; end this "
                          "testbed with docker/testbed down")
        code = containers.exit_code(node)
        if containers.state(node) != "exited" or code in (0, KILLED):
            continue
        said = engine.last_line(engine.call(["docker", "logs", "--tail", "5",
                                             containers.id(node)]).stderr)
        stop_running(testbed, containers)
        raise Problem(f"{node}: {said or f'ended with code {code}'}", code)


def stop_running(testbed, containers):
    ids = [containers.id(n) for n in testbed.nodes
           if containers.state(n) in ("running", "paused")]
    if ids:
        engine.call(["docker", "stop", "--time", "5", *ids])


class Progress:
    """The newest line of each node's log, read bit by bit."""

    def __init__(self, testbed):
        self.testbed = testbed
        self.began = self.looked = time.time()
        self.rounds, self.losses, self.sent, self.accuracy = {}, {}, {}, {}
        self.width = 0

    def look(self, containers):
        since = f"{self.looked - 1:.3f}"
        self.looked = time.time()

        def read(node):
            tail = [] if node in self.rounds else ["--tail", "200"]
            return engine.call(["docker", "logs", *(tail or ["--since", since]),
                                containers.id(node)]).stderr
        for node, text in zip(self.testbed.nodes, engine.in_parallel(read, self.testbed.nodes)):
            if seen := ROUND.findall(text):
                number, loss, sent = seen[-1]
                self.rounds[node] = int(number) + 1  # it counts from 0
                self.losses[node], self.sent[node] = float(loss), int(sent)
            if seen := ACCURACY.findall(text):
                self.accuracy[node] = float(seen[-1])

    def line(self, containers):
        words = [f"{time.time() - self.began:6.1f} s"]
        if self.rounds:
            least, most = min(self.rounds.values()), max(self.rounds.values())
            span = f"{least}" if least == most else f"{least} to {most}"
            words += [f"round {span} of {self.testbed.rounds}",
                      f"loss {sum(self.losses.values()) / len(self.losses):.4f}"]
        if self.accuracy:
            mean = sum(self.accuracy.values()) / len(self.accuracy)
            worst = min(self.accuracy.values())
            words += [f"accuracy {100 * mean:.1f} % (worst {100 * worst:.1f} %)"]
        if self.sent:
            words += [f"{sum(self.sent.values()) / len(self.sent) / 1e6:.2f} MB sent a node"]
        gone = [f"{n} {containers.state(n)}" for n in self.testbed.nodes
                if containers.state(n) == "paused" or self.died(containers, n)]
        return "  ".join(words + gone)

    def died(self, containers, node):
        return containers.state(node) == "exited" and containers.exit_code(node) != 0

    def show(self, containers, last=False):
        """One line that is written over on a terminal, a line every look elsewhere."""
        text = self.line(containers)
        if sys.stdout.isatty():
            sys.stdout.write("\r" + text.ljust(self.width) + ("\n" if last else ""))
            self.width = len(text)
        else:
            print(text)
        sys.stdout.flush()


def follow(testbed):
    """Until every container has ended; names of the nodes that have not lived to report."""
    progress = Progress(testbed)
    look_every = 1 if sys.stdout.isatty() else 5
    while True:
        containers = engine.Containers(testbed.project)
        testbed.reload()
        fail_if_one_failed(testbed, containers)
        progress.look(containers)
        over = not any(containers.state(n) in ("running", "paused", "created", "restarting")
                       for n in testbed.nodes)
        progress.show(containers, last=over)
        if over:
            return [n for n in testbed.nodes if progress.died(containers, n)]
        time.sleep(look_every)
