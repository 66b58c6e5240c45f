"""What a person sees of `starling up`: plain lines in a file, a table on a terminal."""
import contextlib
import os
import pty
import select
import time
import unittest

from flock import PATIENCE_SECONDS, FlockTest, rounds

ESCAPE = "\x1b"


class View(FlockTest):
    def test_not_on_a_terminal_there_are_plain_lines(self):
        self.write_run({"run.rounds": rounds(8000)})
        done = self.call("starling", "up", self.run_file, "--state", self.state)
        self.assertEqual((done.returncode, done.stderr), (0, ""), self.logs())
        self.assertNotIn(ESCAPE, done.stdout)
        self.assertNotIn("\r", done.stdout)
        lines = done.stdout.splitlines()
        self.assertEqual(lines[0], f"4 daemons, state and logs in {self.state}")
        progress = [line for line in lines if line.startswith("d-psgd round ")]
        self.assertTrue(progress, done.stdout)
        for line in progress:
            self.assertRegex(line, r"^d-psgd round \d+/\d+ loss \d+\.\d{4} accuracy 0\.\d{4} worst "
                                   r"0\.\d{4}( apart [\d.e-]+)? sent [\d.]+ \w+ of raw 1\.0x after "
                                   r"[\d.]+ s$")
        told = [int(line.split()[2].split("/")[0]) for line in progress]
        self.assertEqual(told, sorted(set(told)), "each evaluation once, in order")
        self.assertRegex(lines[-2], r"^algorithm +accuracy mean +worst node")
        self.assertRegex(lines[-1], r"^d-psgd +\d")

    def test_on_a_terminal_a_table_is_drawn_over_itself(self):
        self.write_run({"run.rounds": rounds(8000)})
        master, slave = pty.openpty()
        self.addCleanup(os.close, master)
        up = self.start_up(stdout=slave, stderr=slave)
        os.close(slave)
        text = self.read_terminal(master)
        self.ended(up)
        frames = text.split(f"{ESCAPE}[6A{ESCAPE}[J")  # up over bar, heading and four nodes
        self.assertGreater(len(frames), 2, text)
        for frame in frames[1:]:
            self.assertEqual(frame.count(ESCAPE), 0)
            bar, heading, *rows = frame.split("\r\n")
            self.assertRegex(bar, r"^d-psgd [█░]{30} \d+/\d+  [\d.]+ s"
                                  r"(  models apart [\d.e-]+)?$")
            self.assertRegex(heading, r"^node +round +loss +accuracy +apart +sent +of raw "
                                      r"+waits for$")
            self.assertEqual([row.split()[0] for row in rows[:4]], ["n0", "n1", "n2", "n3"])
        last = frames[-1].split("\r\n")
        self.assertEqual({row.split()[-1] for row in last[2:6]}, {"done"})
        self.assertIn("░", frames[1], "not full in the middle of the run")

    def read_terminal(self, master):
        """All that is written until nobody has the terminal open any more."""
        data = b""
        deadline = time.monotonic() + PATIENCE_SECONDS
        with contextlib.suppress(OSError):  # EIO: the other end is closed
            while True:
                ready, _, _ = select.select([master], [], [], deadline - time.monotonic())
                self.assertTrue(ready, f"`starling up` stands still{self.logs()}")
                if not (part := os.read(master, 65536)):
                    break
                data += part
        return data.decode()


if __name__ == "__main__":
    unittest.main()
