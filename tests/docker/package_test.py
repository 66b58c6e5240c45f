"""The Debian package, installed by apt in a container that has nothing but Debian."""
import pathlib
import subprocess
import tempfile
import unittest

from containers import BIN, TestbedTest, engine
from testbed_lib import images

INSTALLED = "starling-package-test"
# An archive that is slow for a moment shall not fail the test.
INSTALL = ("apt-get -qq -o Acquire::Retries=3 update && DEBIAN_FRONTEND=noninteractive apt-get "
           "-qq -o Acquire::Retries=3 install -y --no-install-recommends /package/starling_*.deb")
RUN = ("starling up /usr/share/starling/configs/quadratic.toml --state /tmp/flock "
       "--set run.rounds=40 && starling version && getent passwd starling")


class Package(TestbedTest):
    def test_apt_installs_it_and_its_daemons_train_in_a_clean_container(self):
        images.make_base()
        self.addCleanup(engine.call, ["docker", "image", "rm", "--force", INSTALLED])
        self.addCleanup(engine.call, ["docker", "rm", "--force", INSTALLED])
        with tempfile.TemporaryDirectory(prefix="starling-package-") as folder:
            subprocess.run(["cpack", "-G", "DEB", "-B", folder, "--config",
                            BIN.parent / "CPackConfig.cmake"], check=True, capture_output=True)
            packages = list(pathlib.Path(folder).glob("starling_*.deb"))
            self.assertEqual(len(packages), 1)
            # The host's network reaches the archive; what is installed runs without any.
            engine.docker("run", "--network", "host", "--name", INSTALLED, "--volume",
                          f"{folder}:/package:ro", images.BASE, "sh", "-c", INSTALL)
        engine.docker("commit", INSTALLED, INSTALLED)
        said = engine.docker("run", "--rm", "--network", "none", INSTALLED, "sh", "-c", RUN)
        self.assertIn("16 daemons", said)
        self.assertRegex(said, r"(?m)^\S+ +(- +)*.*\b40\b")
        self.assertIn("/nologin", said)


if __name__ == "__main__":
    unittest.main()
