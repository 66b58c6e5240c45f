"""The Docker engine, through its command."""
import concurrent.futures
import json
import os
import subprocess
import tarfile

from .problem import NO_ENGINE, Problem

PARALLEL = 8  # calls of the engine at a time


def call(words, **options):
    """Runs a program to its end with its output as text; no failure is raised."""
    options = {"stdin": subprocess.DEVNULL, "capture_output": True, "text": True,
               "errors": "replace"} | options
    if "input" in options:
        del options["stdin"]
    return subprocess.run([os.fspath(word) for word in words], check=False, **options)


def last_line(text):
    lines = [line for line in text.splitlines() if line.strip()]
    return lines[-1].strip() if lines else ""


def require():
    """Nothing of the testbed works without an engine."""
    try:
        done = call(["docker", "version", "--format", "{{.Server.Version}}"])
    except FileNotFoundError:
        raise Problem("testbed: there is no 'docker' command here; install Docker "
                      "(on Debian: apt install docker.io)", NO_ENGINE) from None
    if done.returncode != 0:
        raise Problem("testbed: no Docker engine answers; start it, or name one in DOCKER_HOST "
                      f"({last_line(done.stderr)})", NO_ENGINE)


def docker(*words, **options):
    """The output of `docker WORDS`; what the engine refuses is a Problem."""
    done = call(["docker", *words], **options)
    if done.returncode != 0:
        raise Problem(f"testbed: docker {words[0]} failed: {last_line(done.stderr)}")
    return done.stdout


def pipe_tree(words, entries, output=subprocess.PIPE):
    """Runs a command with files on its standard input as a tar archive, {name in it: path here}:
    so that they reach an engine that does not see this machine's file system. All may read them;
    links are followed."""
    def readable(member):
        member.uid = member.gid = 0
        member.mode |= 0o555 if member.isdir() or member.mode & 0o100 else 0o444
        return member

    with subprocess.Popen([os.fspath(word) for word in words], stdin=subprocess.PIPE, stdout=output,
                          stderr=subprocess.PIPE) as child:
        try:
            with tarfile.open(fileobj=child.stdin, mode="w|", dereference=True) as archive:
                for name, path in entries.items():
                    archive.add(path, name, filter=readable)
            child.stdin.close()
        except BrokenPipeError:
            pass  # the command says why
        child.stdin = None
        out, err = child.communicate()
    return subprocess.CompletedProcess(words, child.returncode, out,
                                       err.decode(errors="replace"))


def compose_command():
    """`docker compose` where the plug-in is there, else the docker-compose of old."""
    for words in (["docker", "compose"], ["docker-compose"]):
        try:
            if call([*words, "version"]).returncode == 0:
                return words
        except FileNotFoundError:
            continue
    raise Problem("testbed: found neither 'docker compose' nor 'docker-compose'; install one "
                  "(on Debian: apt install docker-compose)", NO_ENGINE)


def in_parallel(function, items):
    """The results in the order of `items`; the first exception is raised when all are done."""
    with concurrent.futures.ThreadPoolExecutor(PARALLEL) as pool:
        return list(pool.map(function, items))


def label(project):
    """What everything of a testbed bears, so that nothing else is ever taken for it."""
    return f"starling.testbed={project}"


class Containers:
    """The containers of one testbed by the names of their nodes, as they are now."""

    def __init__(self, project):
        ids = docker("ps", "--all", "--quiet", "--no-trunc", "--filter",
                     f"label={label(project)}").split()
        self.by_node = {}
        for container in json.loads(docker("inspect", *ids)) if ids else []:
            node = container["Config"]["Labels"]["com.docker.compose.service"]
            self.by_node[node] = container

    def id(self, node):
        return self.by_node[node]["Id"]

    def pid(self, node):
        """Of its first process; 0 while it does not run."""
        return self.by_node[node]["State"]["Pid"]

    def state(self, node):
        """running, paused, exited …; "missing" of one that was removed."""
        return self.by_node[node]["State"]["Status"] if node in self.by_node else "missing"

    def exit_code(self, node):
        return self.by_node[node]["State"]["ExitCode"]

    def out_of_memory(self, node):
        return self.by_node[node]["State"].get("OOMKilled", False)

    def health(self, node):
        """healthy, unhealthy, starting, or nothing where it does not run."""
        return self.by_node[node]["State"].get("Health", {}).get("Status", "")


def remove_project(project):
    """Every container, network and volume of the testbed, whatever state it is in."""
    ours = ("--quiet", "--filter", f"label={label(project)}")
    if containers := docker("ps", "--all", *ours).split():
        docker("rm", "--force", "--volumes", *containers)
    if volumes := docker("volume", "ls", *ours).split():
        docker("volume", "rm", "--force", *volumes)
    if networks := docker("network", "ls", *ours).split():
        docker("network", "rm", *networks)
