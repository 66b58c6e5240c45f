"""The keys of the nodes' links."""
from . import compose, engine

# Prints the fingerprint alone.
SCRIPT = 'starling keygen --out "$1" >/dev/null && exec starling id "$1"'


def make_keys(project, nodes, image):
    """Fingerprints by node. Each key is made in its node's own volume, by the daemons' user and for
    it alone (mode 0600), where the daemon looks for it; it is nowhere else, and goes with the
    volume."""
    def one(node):
        volume = compose.state_volume(project, node)
        engine.docker("volume", "create", "--label", engine.label(project), volume)
        return engine.docker("run", "--rm", "--network", "none", "--read-only", "--cap-drop", "ALL",
                             "--security-opt", "no-new-privileges:true", "--user", compose.USER,
                             "--volume", f"{volume}:{compose.STATE}", "--entrypoint", "/bin/sh",
                             image, "-c", SCRIPT, "make-key",
                             f"{compose.STATE}/{node}/node.key").strip()
    return dict(zip(nodes, engine.in_parallel(one, nodes)))
