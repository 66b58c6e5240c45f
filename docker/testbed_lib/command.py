"""The command line of docker/testbed: its verbs, and what each does."""
import argparse
import pathlib
import signal
import sys
import tempfile

from . import compare, engine, follow, images, manifest, metrics, results
from .faults import Faults, Torment, groups_of, plan, seconds_of
from .network import Shape
from .problem import FAILED, USAGE, Problem
from .run_file import RunFile, asked_in
from .testbed import Testbed

ROWS = "node  address  state  health  round  edges up  note".split("  ")


def print_table(rows):
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    for row in rows:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip())


# ---- verbs --------------------------------------------------------------------------------------

def up(testbed, args):
    if testbed.exists:
        raise Problem(f"testbed: '{testbed.project}' is up already, with the run "
                      f"'{testbed.run}'; end it first with docker/testbed down, or name another "
                      "one with --project")
    shape = Shape(args.rate, args.delay, args.loss).check()
    servers = metrics.Servers(args.prometheus_image, args.grafana_image).require_images() \
        if args.metrics else None
    image = images.make_daemon_image(args.binaries)
    run_file = RunFile(args.run_file, args.set, asked_in(image))
    run_file.require_data()
    if servers:
        servers.check_names(run_file.nodes)
    try:
        testbed.create(run_file, image, shape, args.memory, servers)
        ends = follow.wait_for_edges(testbed)
    except BaseException:
        if not args.keep:
            testbed.destroy()
        raise
    print(f"all edges are up ({ends // 2})" if ends else "no edge is open")
    print_urls(testbed)
    return 0 if args.detach else follow_and_report(testbed, args)


def print_urls(testbed):
    for server, url in metrics.urls(testbed.project).items():
        print(f"{server} is at {url}")


def follow_and_report(testbed, args):
    try:
        missing = follow.follow(testbed)
    except KeyboardInterrupt:
        print("\nit goes on; docker/testbed follow shows it again, docker/testbed down ends it")
        return 130
    for node in missing:
        print(f"no report from {node}", file=sys.stderr)
    with tempfile.TemporaryDirectory(prefix="starling-results-") as temporary:
        folder = results.collect(testbed, pathlib.Path(args.results or temporary) / testbed.run)
        print(results.report(testbed.image, [folder]), end="")
    return FAILED if len(missing) == len(testbed.nodes) else 0


def stop(testbed, _args):
    follow.stop_running(testbed, engine.Containers(testbed.require().project))
    return 0


def down(testbed, args):
    testbed.destroy()
    if args.images:
        images.remove_images()
    return 0


def status(testbed, args):
    containers = engine.Containers(testbed.require().project)
    peers = testbed.ask_all(containers, "peers")
    told = testbed.ask_all(containers, "status")
    rows = [ROWS]
    for node in testbed.nodes:
        edges = (peers[node] or {}).get("peers", [])
        notes = ["killed"] if node in testbed.killed else []
        notes += [f"waits for {' '.join(told[node]['waiting_for'])}"] \
            if told[node] and told[node]["waiting_for"] else []
        notes += [f"{p['name']} {p['state']}: {p['reason']}" for p in edges if p["state"] != "up"]
        state = containers.state(node)
        rows.append([node, testbed.addresses[node],
                     f"exit code {containers.exit_code(node)}" if state == "exited" else state,
                     containers.health(node) or "-",
                     f"{told[node]['round']}/{told[node]['rounds']}" if told[node] else "-",
                     f"{sum(p['state'] == 'up' for p in edges)}/{len(edges)}" if edges else "-",
                     "; ".join(notes)])
    print(f"run '{testbed.run}', links {testbed.shape or 'as fast as they are'}")
    if testbed.groups:
        print("partition " + " | ".join(",".join(group) for group in testbed.groups))
    print_table(rows)
    print_urls(testbed)
    return 0


def logs(testbed, args):
    node = testbed.require().node(args.node)
    container = engine.Containers(testbed.project).id(node)
    words = ["docker", "logs", *(["--follow"] if args.follow else []), container]
    return engine.call(words, capture_output=False).returncode


def nemesis(testbed, args):
    seconds = seconds_of(args.duration)
    if args.dry_run:
        for at, verb, arguments in plan(args.seed, testbed.require().nodes, seconds):
            words = [",".join(a) if isinstance(a, list) else a for a in arguments]
            print(f"t={at:6.1f}s  {verb} {' | '.join(words)}".rstrip())
    else:
        Torment(testbed.require()).run(args.seed, seconds)
    return 0


def wait(testbed, args):
    follow.wait_for_edges(testbed.require(), seconds_of(args.within))
    print("all edges are up")
    return 0


def fault(act):
    def verb(testbed, args):
        act(Faults(testbed.require()), args)
        return 0
    return verb


# ---- the words ----------------------------------------------------------------------------------

class Parser(argparse.ArgumentParser):
    """Bad words are answered by one sentence, not by a page."""

    def error(self, message):
        raise Problem(f"testbed: {message}; '{self.prog} --help' lists what there is", USAGE)


def add_flock(parser):
    """What starts a flock."""
    parser.add_argument("run_file", metavar="RUN.toml")
    parser.add_argument("--rate", default="", help="of each node's link, up and down: 100mbit")
    parser.add_argument("--delay", default="", help="one way: 10ms")
    parser.add_argument("--loss", default="", help="share of packets lost: 1%%")
    parser.add_argument("--set", action="append", default=[], metavar="SECTION.KEY=VALUE",
                        help="replace one key of the run file")
    parser.add_argument("--memory", default="1g", help="most that a container may use (1g)")
    parser.add_argument("--binaries", metavar="DIR",
                        help="programs that are built already, in place of building them anew")


def parser_of_all():
    parser = Parser(prog="testbed", description=__doc__.splitlines()[0])
    parser.add_argument("--project", default="starling-testbed",
                        help="name of this testbed, for several at a time (starling-testbed)")
    verbs = parser.add_subparsers(metavar="VERB", required=True, parser_class=Parser)

    def add(name, function, text, *nodes):
        verb = verbs.add_parser(name, help=text, description=text)
        verb.set_defaults(function=function)
        for node in nodes:
            verb.add_argument(node, metavar="NODE")
        return verb

    verb = add("up", up, "start a container a node, wait for the edges, follow the run to its end")
    add_flock(verb)
    verb.add_argument("--detach", action="store_true", help="end when all edges are up")
    verb.add_argument("--metrics", action="store_true",
                      help="Prometheus and Grafana beside the nodes, until down")
    verb.add_argument("--prometheus-image", default=metrics.PROMETHEUS, metavar="NAME",
                      help=f"({metrics.PROMETHEUS})")
    verb.add_argument("--grafana-image", default=metrics.GRAFANA, metavar="NAME",
                      help=f"({metrics.GRAFANA})")
    verb.add_argument("--keep", action="store_true", help="leave containers that failed to start")
    verb.add_argument("--results", metavar="DIR", help="keep reports, logs and models there")
    verb = add("follow", lambda t, a: follow_and_report(t.require(), a),
               "follow the run to its end and print the results")
    verb.add_argument("--results", metavar="DIR", help="keep reports, logs and models there")
    add("status", status, "a line a node: state, health, round, edges")
    verb = add("wait", wait, "until all edges are up")
    verb.add_argument("--within", default="2m", metavar="TIME")
    verb = add("logs", logs, "what a node has logged", "node")
    verb.add_argument("--follow", "-f", action="store_true")
    add("stop", stop, "let all nodes finish their round, save, export their models and end")
    verb = add("down", down, "remove containers, networks, volumes and generated files")
    verb.add_argument("--images", action="store_true", help="the images too, all but the base")

    add("kill", fault(lambda f, a: f.kill(a.node)), "kill -9 a node's daemon", "node")
    add("restart", fault(lambda f, a: f.restart(a.node)), "start a node again", "node")
    verb = add("pause", fault(lambda f, a: f.pause_for(a.node, seconds_of(a.duration))),
               "hold a node's daemon for a while", "node")
    verb.add_argument("duration", metavar="TIME", help="such as 20s")
    verb = add("partition", fault(lambda f, a: f.partition(groups_of(f.testbed, a.groups))),
               "cut groups of nodes from each other; a node in none keeps its links")
    verb.add_argument("groups", nargs="+", metavar="'n0,n1 | n2,n3'")
    add("heal", fault(lambda f, a: f.heal()), "undo the partition")
    verb = add("nemesis", nemesis, "random faults, the same ones for the same seed")
    verb.add_argument("--seed", type=int, default=1)
    verb.add_argument("--for", dest="duration", default="10m", metavar="TIME")
    verb.add_argument("--dry-run", action="store_true", help="print them only")

    verb = add("compare", compare.compare, "run algorithms one after the other and print a table")
    add_flock(verb)
    verb.add_argument("--algorithms", default="", metavar="NAME,NAME",
                      help="in place of [run] compare; 'alone' is training without exchange")
    verb.add_argument("--results", metavar="DIR", default="testbed-results",
                      help="where tables, page, reports and logs go (testbed-results)")
    manifest.add_words(add("manifest", manifest.manifest,
                           "write what starts the run on many machines"))
    return parser


def main(words):
    sys.stdout.reconfigure(line_buffering=True)  # who reads a log of it sees how far it is
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # as Ctrl-C: leaves no fault behind
    try:
        args = parser_of_all().parse_args(words)
        if args.function is not manifest.manifest or not args.binaries:
            engine.require()
        return args.function(Testbed(args.project), args)
    except Problem as problem:
        print(problem, file=sys.stderr)
        return problem.code
    except KeyboardInterrupt:
        return 130
