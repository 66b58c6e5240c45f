"""starling bench compress: on synthetic data and on a model of one's own."""
import json
import struct
import unittest

from flock import FlockTest

CONFIG, DATA = 10, 11
KEYS = {"operator", "size", "bytes", "relative_error", "encode_gbps", "decode_gbps", "read_gbps"}
HEADER = 32


class Bench(FlockTest):
    def bench(self, *words):
        done = self.call("starling", "bench", "compress", "--json", *words)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(done.stdout.count("\n"), 1)
        return json.loads(done.stdout)

    def check_refused(self, exit_code, words, *parts):
        """One sentence on standard error that holds the parts; nothing on standard output."""
        done = self.call("starling", "bench", "compress", *words)
        self.assertEqual(done.returncode, exit_code, done.stderr)
        self.assertEqual(done.stdout, "")
        self.assertRegex(done.stderr, r"\A[^\n]+\n\Z")
        for part in parts:
            self.assertIn(part, done.stderr)

    def write_model(self, tensors, values):
        header, end = {}, 0
        for name, shape in tensors:
            begin, end = end, end + 4 * len(values) // len(tensors)
            header[name] = {"dtype": "F32", "shape": shape, "data_offsets": [begin, end]}
        text = json.dumps(header).encode()
        file = self.dir / "model.safetensors"
        file.write_bytes(struct.pack("<Q", len(text)) + text +
                         struct.pack(f"<{len(values)}f", *values))
        return file

    def check_sane(self, line, size):
        self.assertLessEqual(KEYS, line.keys())
        self.assertEqual(line["size"], size)
        self.assertGreater(line["bytes"], HEADER)
        self.assertLessEqual(line["bytes"], 4 * size + HEADER)
        for speed in ("encode_gbps", "decode_gbps", "read_gbps"):
            self.assertGreater(line[speed], 0)
        self.assertGreaterEqual(line["relative_error"], 0)


class Synthetic(Bench):
    def test_every_operator_on_a_small_vector(self):
        lines = self.bench("--size", "20k")
        for line in lines:
            self.check_sane(line, 20_000)
            self.assertEqual(list(line["round_seconds"]), ["10mbit", "100mbit", "1gbit"])
            # Not faster than the link.
            self.assertGreater(line["round_seconds"]["10mbit"], line["bytes"] / 1.25e6)
        by_options = {line["options"]: line for line in lines}
        self.assertEqual(len(by_options), len(lines), "no two lines the same")
        names = {line["operator"] for line in lines}
        self.assertLessEqual({"identity", "bfloat16", "float16", "top-k", "block-top-k", "threshold",
                              "random-k", "sidco", "sign", "one-bit", "quantize", "ternary",
                              "natural", "natural-dithering", "low-rank", "count-sketch",
                              "variable-rate", "induced"}, names)

    def test_bytes_and_errors_that_are_known(self):
        size = 20_000
        found = {}
        for line in self.bench("--size", size, "--operator", "identity", "--operator", "sign",
                               "--operator", "top-k"):
            found.setdefault(line["operator"], line)  # the first top-k: 1 % as float32
        self.assertEqual(set(found), {"identity", "sign", "top-k"})
        self.assertEqual(found["identity"]["bytes"], 4 * size + HEADER)
        self.assertEqual(found["identity"]["relative_error"], 0)
        # A scale for 4096 and a bit for one; 1 - (E|x|)²/E x² of the data is 0.50.
        self.assertEqual(found["sign"]["bytes"], HEADER + 4 * 5 + size // 8)
        self.assertAlmostEqual(found["sign"]["relative_error"], 0.50, delta=0.02)
        # 200 values and about 8.1 bits for each index.
        self.assertAlmostEqual(found["top-k"]["bytes"], HEADER + 200 * (4 + 8.2 / 8), delta=20)
        self.assertLess(found["top-k"]["relative_error"], 0.99)

    def test_the_same_bytes_and_errors_each_time(self):
        def once():
            return [(line["options"], line["bytes"], line["relative_error"])
                    for line in self.bench("--size", "5k")]
        self.assertEqual(once(), once())

    def test_a_rate_that_is_asked_for_stands_alone(self):
        (line,) = self.bench("--size", "1k", "--operator", "identity", "--rate", "64kbit")
        self.assertEqual(list(line["round_seconds"]), ["64kbit"])
        self.assertAlmostEqual(line["round_seconds"]["64kbit"], 4032 / 8000, delta=0.05)

    def test_the_table_for_people(self):
        done = self.call("starling", "bench", "compress", "--size", "1k", "--operator", "sign")
        self.assertEqual(done.returncode, 0, done.stderr)
        for part in ("1000 floats", "round at 100mbit", "sign", "one core reads"):
            self.assertIn(part, done.stdout)


class OwnModel(Bench):
    def test_a_model_of_low_rank(self):
        outer = [(i % 7 - 3) * (j % 5 + 1) for i in range(40) for j in range(30)]
        file = self.write_model([("weight", [40, 30])], outer)
        lines = self.bench("--file", file, "--operator", "low-rank")
        for line in lines:
            self.check_sane(line, 1200)
            self.assertLess(line["relative_error"], 1e-9, "rank 1 is all there is")

    def test_a_value_that_is_no_number(self):
        file = self.write_model([("a", [2]), ("b", [2])], [1, 2, float("nan"), 4])
        self.check_refused(DATA, ["--file", file], str(file), "'b'", "nan", "index 0")

    def test_a_file_that_is_no_model(self):
        file = self.dir / "model.safetensors"
        file.write_bytes(b"\xff" * 100)
        self.check_refused(DATA, ["--file", file], f"{file}: header length")
        self.check_refused(DATA, ["--file", "/nowhere"], "/nowhere: cannot be read")
        self.check_refused(DATA, ["--file", self.write_model([], [])], "found no values")


class Refused(Bench):
    def test_words_that_mean_nothing(self):
        self.check_refused(CONFIG, ["--size", "25MB"], "found the size '25MB'")
        self.check_refused(CONFIG, ["--rate", "fast"], "found the rate 'fast'")
        self.check_refused(CONFIG, ["--operator", "topk"], "'topk'", "did you mean 'top-k'?")

    def test_an_operator_that_would_not_shrink_so_small_a_vector(self):
        self.check_refused(CONFIG, ["--size", "4", "--operator", "sign"], "sign", "16 bytes")


if __name__ == "__main__":
    unittest.main()
