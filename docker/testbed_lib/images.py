"""The images of the testbed: the daemon's, and the one that shapes links."""
import pathlib
import shutil
import sys
import tempfile

from .engine import call, docker, last_line
from .problem import FAILED, Problem

SOURCE = pathlib.Path(__file__).resolve().parents[2]
DOCKER = SOURCE / "docker"
BASE = "debian:bookworm-slim"
DAEMON, RUNTIME, NETWORK = "starling", "starling-runtime", "starling-testbed-network"
PROGRAMS = ("starling", "starlingd")


def exists(image):
    return call(["docker", "image", "inspect", image]).returncode == 0


def make_base():
    if exists(BASE):
        return
    done = call([DOCKER / "base-image.sh"], stderr=sys.stderr, capture_output=False)
    if done.returncode != 0:
        raise Problem(f"testbed: the image {BASE} could not be made; docker/base-image.sh says why",
                      FAILED)


def build(image, dockerfile, context, *words):
    """Anew only what has changed. A build that fails tells all it said.

    Packages are fetched by the host's own network: where this machine reaches Debian's archive a
    container of the default bridge does not always (its resolver, a firewall, a VPN)."""
    done = call(["docker", "build", "--network", "host", "--quiet", "--tag", image,
                 "--file", DOCKER / dockerfile, *words, context])
    if done.returncode != 0:
        sys.stderr.write(done.stdout + done.stderr)
        raise Problem(f"testbed: the image {image} could not be built from docker/{dockerfile}: "
                      f"{last_line(done.stderr)}")


def checked_folder(binaries):
    """The folder that --binaries names, with both programs in it."""
    folder = pathlib.Path(binaries).resolve()
    for program in PROGRAMS:
        if not (folder / program).is_file():
            raise Problem(f"testbed: --binaries {binaries}: found no '{program}' there, expected "
                          "the folder of both programs, such as build/release/daemon")
    return folder


def make_daemon_image(binaries=None):
    """Builds the image from this checkout, or around programs that are there; returns its name."""
    make_base()
    if binaries is None:
        print("building the image; the first time takes some minutes")
        build(DAEMON, "Dockerfile", SOURCE, "--build-arg", "TRAIN_ARCH=native")
        return DAEMON
    folder = checked_folder(binaries)
    build(RUNTIME, "Dockerfile", SOURCE, "--target", "runtime")
    image = f"{DAEMON}:prebuilt"
    with tempfile.TemporaryDirectory(prefix="starling-image-") as context:
        for program in PROGRAMS:  # a build folder holds much more than these
            shutil.copy(folder / program, context)
        build(image, "Dockerfile.prebuilt", context)
    return image


def make_network_image():
    make_base()
    build(NETWORK, "Dockerfile.network", DOCKER)


def remove_images():
    """All but the base."""
    for image in (DAEMON, f"{DAEMON}:prebuilt", RUNTIME, NETWORK):
        if exists(image):
            docker("image", "rm", "--force", image)
