"""A run in the simulator and the same run by daemons end on the same bits."""
import shutil
import unittest

from flock import FlockTest

RUN_KEYS = ["run", "algorithm", "rounds", "wall_seconds", "train_seconds", "mean_accuracy",
            "min_accuracy", "mean_loss", "sent_bytes_mean", "consensus_distance", "nodes"]
NODE_KEYS = ["name", "round", "loss", "accuracy", "sent_bytes", "sent_uncompressed_bytes",
             "received_bytes", "compute_seconds", "encode_seconds", "wait_seconds",
             "evaluate_seconds", "train_seconds", "parameters_sha256"]
# What depends on neither driver nor clock.
SAME_KEYS = ["name", "round", "loss", "sent_bytes", "sent_uncompressed_bytes", "received_bytes",
             "parameters_sha256"]

RING = {"topology.kind": "ring", "topology.nodes": 8}
TORUS = {"topology.kind": "torus", "topology.nodes": 9}
D_PSGD = {"gossip.algorithm": "d-psgd"}
SMALL = {"topology.nodes": 4, "run.rounds": 12}
# Every other round-synchronous algorithm, each with an operator that it takes.
OTHERS = {
    "powergossip-exact": {},
    "choco": {"operator": "top-k", "ratio": 0.05, "values": "bfloat16"},
    "cold": {"operator": "quantize", "rounding": "nearest"},
    "dyna-cold": {},
    "lead": {"operator": "random-k", "ratio": 0.5, "form": "unbiased"},
    "def-atc": {"operator": "variable-rate", "code": "anq"},
    "actc": {"operator": "natural"},
    "beer": {"operator": "sign"},
    "lessbit": {"operator": "ternary"},
    "moniqua": {},
    "sgp": {},
    "deepsqueeze": {"operator": "block-top-k", "block": 8},
    "nids": {},
    "gradient-tracking": {},
}
# Every method of a mesh, where all nodes end on the same model.
MESH = {
    "ef-sgd": {"operator": "sign"},
    "doublesqueeze": {"operator": "sign"},
    "ef21": {"operator": "top-k", "ratio": 0.05},
    "ef21-bc": {"operator": "top-k", "ratio": 0.05, "values": "bfloat16"},
    "ef21-sgdm": {"operator": "block-top-k", "block": 16},
    "econtrol": {"operator": "top-k", "ratio": 0.05},
    "diana": {"operator": "quantize", "bits": 4},
    "dcsgd": {"operator": "random-k", "ratio": 0.5, "form": "unbiased"},
    "cd-adam": {"operator": "sign"},
    "birder": {"data.split": "iid"},
    "one-bit-adam": {"operator": "sign", "gossip.freeze": 4},
    "zero-one-adam": {"operator": "sign", "gossip.freeze": 4, "gossip.period": 2},
    "sketched-amsgrad": {"operator": "count-sketch", "rows": 1, "width": 64, "keep": 8},
    "neolithic": {"operator": "sign"},
    "dore": {"operator": "quantize", "bits": 4},
    "diloco": {"operator": "sign", "train.local_steps": 3},
}
# Those whose nodes each have a model of their own.
MESH_APART = {
    "liec-sgd": {"operator": "sign", "gossip.period": 5},
    "streaming-diloco": {"operator": "sign", "train.local_steps": 2},
}
POWERGOSSIP = {"gossip.algorithm": "powergossip", "gossip.rank": 1, "gossip.iterations": 2}


class Parity(FlockTest):
    def check(self, *changes, models=None):
        self.write_run({key: value for part in changes for key, value in part.items()})
        simulated = self.starling("simulate", "--json")
        real = self.starling("up", "--json")
        self.assertEqual(*[[{key: node[key] for key in SAME_KEYS} for node in run["nodes"]]
                           for run in (simulated, real)])
        for key in ("run", "algorithm", "rounds", "mean_loss"):
            self.assertEqual(simulated[key], real[key], key)
        self.assertNotIn("missing", real)
        # Daemons' models are gathered from their files, the simulator's from memory.
        self.assertEqual(simulated["consensus_distance"], real["consensus_distance"])
        hashes = [node["parameters_sha256"] for node in real["nodes"]]
        self.assertEqual(len(set(hashes)), models or len(hashes), "different models")
        return simulated, real

    def test_d_psgd_on_a_ring(self):
        self.check(D_PSGD, RING)

    def test_d_psgd_on_a_torus(self):
        self.check(D_PSGD, TORUS)

    def test_powergossip_on_a_ring(self):
        simulated, real = self.check(POWERGOSSIP, RING)
        self.assertLess(4 * real["nodes"][0]["sent_bytes"],
                        real["nodes"][0]["sent_uncompressed_bytes"])

    def test_powergossip_on_a_torus(self):
        self.check(POWERGOSSIP, TORUS)

    def test_powergossip_that_exchanges_after_the_step(self):
        self.check(POWERGOSSIP, RING, {"gossip.overlap": False})

    def test_every_other_algorithm_with_an_operator(self):
        for algorithm, operator in OTHERS.items():
            with self.subTest(algorithm):
                shutil.rmtree(self.state, ignore_errors=True)
                self.check({"gossip.algorithm": algorithm}, SMALL,
                           {f"compress.{key}": value for key, value in operator.items()})

    def test_every_method_of_a_mesh(self):
        for algorithm, keys in (MESH | MESH_APART).items():
            with self.subTest(algorithm):
                shutil.rmtree(self.state, ignore_errors=True)
                self.check({"gossip.algorithm": algorithm}, SMALL, {"topology.kind": "complete"},
                           {key if "." in key else f"compress.{key}": value
                            for key, value in keys.items()},
                           models=1 if algorithm in MESH else None)

    # Nothing measured enters a budget in bytes, so it has the same levels in both.
    def test_levels_that_follow_a_budget(self):
        top_k = {"compress.operator": "top-k", "compress.ratio": 0.005, "rate.bytes_per_round": 900}
        for algorithm, changes, models in (
                ("choco", {}, None),
                ("choco", {"rate.controller": "drift"}, None),
                ("choco", {"compress.scope": "tensor"}, None),
                ("beer", {"rate.bytes_per_round": 1800}, None),
                ("econtrol", {"topology.kind": "complete"}, 1)):
            with self.subTest(algorithm, **changes):
                shutil.rmtree(self.state, ignore_errors=True)
                self.check({"gossip.algorithm": algorithm}, SMALL, top_k, {"run.rounds": 30},
                           changes, models=models)

    def test_d2_on_a_graph_that_it_takes(self):
        self.check({"gossip.algorithm": "d2", "topology.kind": "complete"}, SMALL)

    def test_lessbit_with_the_local_problem_solved(self):
        self.check({"gossip.algorithm": "lessbit", "gossip.exact_step": True,
                    "compress.operator": "ternary", "data.kind": "quadratic",
                    "model.kind": "quadratic", "model.hidden": None}, SMALL)

    def test_push_sum_one_peer_a_round(self):
        self.check({"gossip.algorithm": "sgp", "topology.kind": "one-peer-exponential"},
                   SMALL, {"topology.nodes": 7})

    def test_clipped_exchanges(self):
        for changes in (D_PSGD, {"gossip.algorithm": "choco", "compress.operator": "sign"}):
            with self.subTest(changes):
                shutil.rmtree(self.state, ignore_errors=True)
                self.check(changes, {"robust.clip": True, "run.rounds": 12}, TORUS)

    def test_alone_nobody_sends_and_the_bits_agree_too(self):
        _, real = self.check({"gossip.algorithm": "none"})
        self.assertEqual([node["sent_bytes"] for node in real["nodes"]], [0] * 4)

    def test_the_report_has_the_promised_keys_in_their_order(self):
        simulated, real = self.check(D_PSGD, {"run.rounds": 5})
        self.assertEqual(list(real), RUN_KEYS)
        at = RUN_KEYS.index("train_seconds") + 1
        self.assertEqual(list(simulated), RUN_KEYS[:at] +
                         ["virtual_seconds", "node_rounds_per_second"] + RUN_KEYS[at:])
        for node in simulated["nodes"] + real["nodes"]:
            self.assertEqual(list(node), NODE_KEYS)

    def test_a_quadratic_has_a_relative_error_and_no_accuracy(self):
        runs = self.check({"data.kind": "quadratic", "data.dimension": 12, "train.batch": 0,
                           "train.learning_rate": 0.02, "model.kind": "quadratic",
                           "model.hidden": None})
        for run in runs:
            self.assertIn("relative_error", run)
            self.assertNotIn("mean_accuracy", run)
            for node in run["nodes"]:
                self.assertIn("relative_error", node)
                self.assertNotIn("accuracy", node)


if __name__ == "__main__":
    unittest.main()
