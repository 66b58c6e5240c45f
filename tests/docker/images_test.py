"""The images, made of the programs that the build has made."""
import json
import unittest

from containers import BIN, TestbedTest, engine
from testbed_lib import images

# Over Debian's, which has 75 MB in a registry and more where somebody made it without leaving
# anything out: 120 MB in all with the former.
BASE = "debian:bookworm-slim"
ADDED_BYTES_MAX = 45_000_000


class Images(TestbedTest):
    def test_images_are_made_and_the_daemons_is_small_and_not_roots(self):
        image = images.make_daemon_image(BIN)
        images.make_network_image()
        made, base = json.loads(engine.docker("image", "inspect", image, BASE))
        self.assertLess(made["Size"] - base["Size"], ADDED_BYTES_MAX)
        self.assertEqual(made["Config"]["User"], "10001:10001")
        self.assertIn("status", " ".join(made["Config"]["Healthcheck"]["Test"]))
        # A library that the image lacks would end them here.
        for program in ("starling", "starlingd"):
            self.assertIn("Usage", engine.docker("run", "--rm", "--read-only", "--entrypoint",
                                                 program, image, "--help"))


if __name__ == "__main__":
    unittest.main()
