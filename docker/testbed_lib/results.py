"""What the nodes of a testbed have left when a run is over, and the report of it."""
import io
import pathlib
import tarfile

from . import compose, engine
from .problem import Problem


def collect(testbed, folder):
    """NODE.json, NODE.log and NODE.safetensors of each node, where it has one."""
    folder = pathlib.Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    containers = engine.Containers(testbed.project)

    def one(node):
        if containers.state(node) == "missing":
            return
        done = engine.call(["docker", "logs", containers.id(node)])
        (folder / f"{node}.log").write_text(done.stderr)
        if (report := engine.last_line(done.stdout)).startswith("{"):
            (folder / f"{node}.json").write_text(report + "\n")
        model = f"{compose.STATE}/{node}/model.safetensors"
        engine.call(["docker", "cp", f"{containers.id(node)}:{model}",
                     folder / f"{node}.safetensors"])  # one that was killed has none
    engine.in_parallel(one, testbed.nodes)
    return folder


def report(image, folders, out=None, title=""):
    """The table that `starling report` prints of them; with `out` also comparison.csv and
    comparison.html there."""
    names = [folder.name for folder in folders]
    files = ["comparison.csv", "comparison.html"] if out else []
    words = ["--csv", files[0], "--html", files[1], "--title", title] if out else []
    # Table and files come back as one archive.
    script = ('cd "$(mktemp -d)" && tar -x && starling report "$@" >table && tar -c table ' +
              " ".join(files))
    done = engine.pipe_tree(["docker", "run", "--rm", "--interactive", "--network", "none",
                             "--entrypoint", "/bin/sh", image, "-c", script, "report", *names,
                             *words], dict(zip(names, folders)))
    if done.returncode != 0:
        raise Problem(f"testbed: no report was made: {engine.last_line(done.stderr)}")
    with tarfile.open(fileobj=io.BytesIO(done.stdout)) as archive:
        if out:
            archive.extractall(out, members=[m for m in archive if m.name in files])
        return archive.extractfile("table").read().decode()
