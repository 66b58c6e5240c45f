"""What a service manager hears of a daemon, and the unit that it is given."""
import os
import re
import shutil
import signal
import socket
import subprocess
import unittest

from flock import BIN, ENDLESS, PATIENCE_SECONDS, SOURCE, FlockTest, die_with_parent

ANALYZE = shutil.which("systemd-analyze")


class Notified(FlockTest):
    def setUp(self):
        super().setUp()
        self.write_run({"run.rounds": ENDLESS, "gossip.algorithm": "none"})
        self.manager = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.addCleanup(self.manager.close)
        self.manager.bind(str(self.dir / "notify"))
        self.manager.settimeout(PATIENCE_SECONDS)
        self.heard = []

    def start_service(self, **environment):
        words = [BIN / "starlingd", self.run_file, "--node", "n0", "--state", self.state]
        log = (self.dir / "up.service").open("w")
        self.addCleanup(log.close)
        daemon = subprocess.Popen(
            words, stdin=subprocess.DEVNULL, stdout=log, stderr=log, preexec_fn=die_with_parent,
            env=os.environ | {"NOTIFY_SOCKET": str(self.dir / "notify")} | environment)
        self.children.append(daemon)
        return daemon

    def hear(self, part):
        """The first message from now on that has this."""
        while True:
            message = self.manager.recv(4096).decode()
            self.heard.append(message)
            if part in message:
                return message

    def test_ready_status_reloading_and_stopping(self):
        daemon = self.start_service()
        self.assertEqual(self.hear("READY=1"), "READY=1")
        self.assertIsNotNone(self.status("n0"), "it answers when it says so")
        self.assertRegex(self.hear("STATUS="),
                         r"^STATUS=\w+, \d+ of \d+ rounds done, loss .*, 0 of 0 neighbors up$")
        daemon.send_signal(signal.SIGHUP)
        self.assertRegex(self.hear("RELOADING=1"), r"^RELOADING=1\nMONOTONIC_USEC=\d+$")
        self.hear("READY=1")
        daemon.send_signal(signal.SIGTERM)
        self.hear("STOPPING=1")
        self.ended(daemon)
        self.assertFalse([message for message in self.heard if "WATCHDOG" in message])

    def test_the_watchdog_is_fed_while_rounds_are_done_and_in_a_pause(self):
        daemon = self.start_service(WATCHDOG_USEC="300000")
        for _ in range(3):
            self.hear("WATCHDOG=1")
        self.starling("pause", "--node", "n0")
        self.hear("STATUS=paused")
        for _ in range(3):
            self.assertIn("paused", self.hear("WATCHDOG=1"))
        daemon.send_signal(signal.SIGTERM)
        self.ended(daemon)

    def test_a_node_that_does_no_round_starves_it(self):
        # One step of this run takes longer than anybody waits.
        self.write_run({"run.rounds": ENDLESS, "gossip.algorithm": "none",
                        "train.local_steps": 1_000_000, "model.hidden": [512]})
        daemon = self.start_service(WATCHDOG_USEC="300000")
        self.hear("STATUS=training, 0 of")
        self.heard.clear()
        for _ in range(10):
            self.hear("STATUS=training, 0 of")
        self.assertFalse([message for message in self.heard[1:] if "WATCHDOG" in message])
        daemon.kill()

    def test_another_process_is_watched(self):
        daemon = self.start_service(WATCHDOG_USEC="300000", WATCHDOG_PID="1")
        self.hear("STATUS=training")
        self.assertFalse([message for message in self.heard if "WATCHDOG" in message])
        daemon.kill()

    def test_nobody_who_wants_to_know(self):
        daemon = self.start_service(NOTIFY_SOCKET=str(self.dir / "nowhere"))
        self.training("n0")
        daemon.send_signal(signal.SIGTERM)
        self.ended(daemon)


class Unit(FlockTest):
    def test_a_node_is_stalled_for_monitors_when_the_unit_starts_it_anew(self):
        minutes, = re.findall(r"(?m)^WatchdogSec=(\d+)min$",
                              (SOURCE / "packaging/starlingd@.service").read_text())
        self.write_run({"run.rounds": ENDLESS, "gossip.algorithm": "none"})
        self.start_node("n0")
        self.assertEqual(self.training("n0")["standstill_seconds_max"], 60 * int(minutes))

    def test_systemd_has_nothing_to_say_of_the_unit(self):
        self.assertIsNotNone(ANALYZE, "systemd-analyze (Debian: systemd) is not installed")
        text = (SOURCE / "packaging/starlingd@.service").read_text()
        self.assertEqual(text.count("ExecStart=starlingd "), 1)
        unit = self.dir / "starlingd@n0.service"
        unit.write_text(text.replace("ExecStart=starlingd ", f"ExecStart={BIN}/starlingd ")
                        .replace("Documentation=man:starlingd(1)\n", ""))
        done = subprocess.run([ANALYZE, "verify", unit], capture_output=True, text=True, timeout=60,
                              preexec_fn=die_with_parent)
        self.assertEqual((done.returncode, done.stdout), (0, ""), done.stderr)
        self.assertNotIn(str(unit), done.stderr)


if __name__ == "__main__":
    unittest.main()
