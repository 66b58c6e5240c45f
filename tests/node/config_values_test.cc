// One value under one key: the whole sentence that answers each wrong one.
#include <doctest/doctest.h>

#include "refusals.h"

namespace starling::node {
namespace {

TEST_CASE("config refuses values: whole numbers") {
  check_refusals({
      {"[gossip]\nrank = 0\n" + kAll,
       "run.toml:2:8: [gossip] rank: found 0, expected a whole number from 1 to 4096"},
      {"[gossip]\nrank = -3\n" + kAll,
       "run.toml:2:8: [gossip] rank: found -3, expected a whole number from 1 to 4096"},
      {"[gossip]\nrank = 4097\n" + kAll,
       "run.toml:2:8: [gossip] rank: found 4097, expected a whole number from 1 to 4096"},
      {"[gossip]\nrank = 1.0\n" + kAll,
       "run.toml:2:8: [gossip] rank: found 1.0, expected a whole number from 1 to 4096"},
      {"[gossip]\nrank = \"1\"\n" + kAll,
       "run.toml:2:8: [gossip] rank: found \"1\", expected a whole number from 1 to 4096"},
      {"[gossip]\nrank = true\n" + kAll,
       "run.toml:2:8: [gossip] rank: found true, expected a whole number from 1 to 4096"},
      {"[gossip]\nrank = [1]\n" + kAll,
       "run.toml:2:8: [gossip] rank: found an array, expected a whole number from 1 to 4096"},
      {"[gossip]\nrank = 2024-01-01\n" + kAll,
       "run.toml:2:8: [gossip] rank: found a date or a time, expected a whole number from 1 "
       "to 4096"},
      {"[gossip]\nrank = { a = 1 }\n" + kAll,
       "run.toml:2:8: [gossip] rank: found a table, expected a whole number from 1 to 4096"},
      {"[gossip]\niterations = 65\n" + kAll,
       "run.toml:2:14: [gossip] iterations: found 65, expected a whole number from 1 to 64"},
      {"[run]\nrounds = 0\n" + kAll,
       "run.toml:2:10: [run] rounds: found 0, expected a whole number from 1 to 1000000000"},
      {"[run]\nseed = -1\n" + kAll,
       "run.toml:2:8: [run] seed: found -1, expected a whole number from 0 to "
       "9223372036854775807"},
      {"[run]\nevaluate_every = -1\n" + kAll,
       "run.toml:2:18: [run] evaluate_every: found -1, expected a whole number from 0 to "
       "1000000000"},
      {"[train]\nbatch = -1\n" + kAll,
       "run.toml:2:9: [train] batch: found -1, expected a whole number from 0 to 1000000"},
      {"[train]\nlocal_steps = 0\n" + kAll,
       "run.toml:2:15: [train] local_steps: found 0, expected a whole number from 1 to 1000000"},
      {"[train]\nwarmup = 9223372036854775807\n" + kAll,
       "run.toml:2:10: [train] warmup: found 9223372036854775807, expected a whole number "
       "from 0 to 1000000000"},
      {"[topology]\nnodes = 1\n" + kRest,
       "run.toml:2:9: [topology] nodes: found 1, expected a whole number from 2 to 4096"},
      {"[topology]\nnodes = 5000\n" + kRest,
       "run.toml:2:9: [topology] nodes: found 5000, expected a whole number from 2 to 4096"},
      {"[data]\ndimension = 0\n" + kRing,
       "run.toml:2:13: [data] dimension: found 0, expected a whole number from 1 to 1000000"},
      {"[checkpoint]\nevery = -1\n" + kAll,
       "run.toml:2:9: [checkpoint] every: found -1, expected a whole number from 0 to "
       "1000000000"},
  });
}

TEST_CASE("config refuses values: numbers") {
  check_refusals({
      {"[train]\nlearning_rate = 0\n" + kAll,
       "run.toml:2:17: [train] learning_rate: found 0, expected a number above 0 and at most "
       "1000"},
      {"[train]\nlearning_rate = nan\n" + kAll,
       "run.toml:2:17: [train] learning_rate: found nan, expected a number above 0 and at "
       "most 1000"},
      {"[train]\nlearning_rate = inf\n" + kAll,
       "run.toml:2:17: [train] learning_rate: found inf, expected a number above 0 and at "
       "most 1000"},
      {"[train]\nlearning_rate = \"fast\"\n" + kAll,
       "run.toml:2:17: [train] learning_rate: found \"fast\", expected a number above 0 and "
       "at most 1000"},
      {"[train]\nmomentum = 1.0\n" + kAll,
       "run.toml:2:12: [train] momentum: found 1.0, expected a number of at least 0 and below "
       "1"},
      {"[train]\nmomentum = -0.1\n" + kAll,
       "run.toml:2:12: [train] momentum: found -0.1, expected a number of at least 0 and "
       "below 1"},
      {"[train]\nweight_decay = -1\n" + kAll,
       "run.toml:2:16: [train] weight_decay: found -1, expected a number from 0 to 1000"},
      {"[data]\nalpha = 0.0\n" + kRing,
       "run.toml:2:9: [data] alpha: found 0.0, expected a number above 0 and at most 1000000"},
      {"[data]\ncondition = 0.5\n" + kRing,
       "run.toml:2:13: [data] condition: found 0.5, expected a number from 1 to 1000000000"},
      {"[data]\nnoise = -inf\n" + kRing,
       "run.toml:2:9: [data] noise: found -inf, expected a number from 0 to 1000000"},
      {"[run]\nuntil_accuracy = 95\n" + kAll,
       "run.toml:2:18: [run] until_accuracy: found 95, expected a number above 0 and at most 1"},
      {"[model]\nl2 = -1e-3\n" + kRing,
       "run.toml:2:6: [model] l2: found -0.001, expected a number from 0 to 1000"},
      {"[gossip]\ngamma = 0\n" + kAll,
       "run.toml:2:9: [gossip] gamma: found 0, expected a number above 0 and at most 1"},
      {"[gossip]\nzeta = 1.5\n" + kAll,
       "run.toml:2:8: [gossip] zeta: found 1.5, expected a number above 0 and at most 1"},
      {"[gossip]\nalpha = -1\n" + kAll,
       "run.toml:2:9: [gossip] alpha: found -1, expected a number above 0 and at most 1"},
      {"[gossip]\nbeta = 0\n" + kAll,
       "run.toml:2:8: [gossip] beta: found 0, expected a number above 0 and at most 1"},
      {"[gossip]\nrho = 1.0\n" + kAll,
       "run.toml:2:7: [gossip] rho: found 1.0, expected a number above 0 and below 1"},
      {"[gossip]\ntheta = 0.0\n" + kAll,
       "run.toml:2:9: [gossip] theta: found 0.0, expected a number above 0 and at most 1000000"},
      {"[gossip]\nbits = 1\n" + kAll,
       "run.toml:2:8: [gossip] bits: found 1, expected a whole number from 2 to 16"},
      {"[gossip]\nbits = 17\n" + kAll,
       "run.toml:2:8: [gossip] bits: found 17, expected a whole number from 2 to 16"},
      {"[gossip]\nexact_step = 1\n" + kAll,
       "run.toml:2:14: [gossip] exact_step: found 1, expected true or false"},
      {"[gossip]\nrelaxation = 2\n" + kAll,
       "run.toml:2:14: [gossip] relaxation: found 2, expected a number above 0 and below 2, "
       "or \"optimal\""},
      {"[gossip]\nrelaxation = 0.0\n" + kAll,
       "run.toml:2:14: [gossip] relaxation: found 0.0, expected a number above 0 and below 2, "
       "or \"optimal\""},
      {"[gossip]\nrelaxation = \"optimum\"\n" + kAll,
       "run.toml:2:14: [gossip] relaxation: found \"optimum\", expected a number above 0 and "
       "below 2, or \"optimal\"; did you mean \"optimal\"?"},
      {"[gossip]\nrelaxation = \"best\"\n" + kAll,
       "run.toml:2:14: [gossip] relaxation: found \"best\", expected a number above 0 and "
       "below 2, or \"optimal\""},
      {"[limits]\nmax_send = \"8kbit\"\n" + kAll,
       "run.toml:2:12: [limits] max_send: found \"8kbit\", expected a rate as \"20mbit\" (kbit, "
       "mbit, gbit) of 64kbit at least, or \"0\""},
      {"[limits]\nneighbor_max_receive = \"fast\"\n" + kAll,
       "run.toml:2:24: [limits] neighbor_max_receive: found \"fast\", expected a rate as "
       "\"20mbit\" "
       "(kbit, mbit, gbit) of 64kbit at least, or \"0\""},
      {"[checkpoint]\nevery_seconds = -0.5\n" + kAll,
       "run.toml:2:17: [checkpoint] every_seconds: found -0.5, expected a number from 0 to "
       "1000000"},
  });
}

TEST_CASE("config refuses values: truth values, texts and choices") {
  check_refusals({
      {"[gossip]\noverlap = 1\n" + kAll,
       "run.toml:2:11: [gossip] overlap: found 1, expected true or false"},
      {"[metrics]\nlisten = 9464\n" + kAll,
       "run.toml:2:10: [metrics] listen: found 9464, expected \"host:port\" with a port from 1 to "
       "65535"},
      {"[metrics]\nlisten = \"127.0.0.1:65535\"\n" + kAll,
       "run.toml:2:10: [metrics] listen: found port 65535, which puts that of n1 on 65536; "
       "expected "
       "a smaller one, for each node of a host has the next port"},
      {"[checkpoint]\nenabled = \"no\"\n" + kAll,
       "run.toml:2:11: [checkpoint] enabled: found \"no\", expected true or false"},
      {"[robust]\nclip = \"yes\"\n" + kAll,
       "run.toml:2:8: [robust] clip: found \"yes\", expected true or false"},
      {"[robust]\nclip = 1.5\n" + kAll,
       "run.toml:2:8: [robust] clip: found 1.5, expected true or false"},
      {"[robust]\nclipping = true\n" + kAll,
       "run.toml:2:1: [robust] clipping: unknown key; expected one of clip"},
      {"[train]\nnesterov = \"yes\"\n" + kAll,
       "run.toml:2:12: [train] nesterov: found \"yes\", expected true or false"},
      {"[run]\nname = \"\"\n" + kAll,
       "run.toml:2:8: [run] name: found \"\", expected 1 to 64 letters, digits, '-', '_' or "
       "'.', the first a letter or a digit"},
      {"[run]\nname = \"a b\"\n" + kAll,
       "run.toml:2:8: [run] name: found \"a b\", expected 1 to 64 letters, digits, '-', '_' "
       "or '.', the first a letter or a digit"},
      {"[run]\nname = \"..\"\n" + kAll,
       "run.toml:2:8: [run] name: found \"..\", expected 1 to 64 letters, digits, '-', '_' or "
       "'.', the first a letter or a digit"},
      {"[run]\nname = \"../x\"\n" + kAll,
       "run.toml:2:8: [run] name: found \"../x\", expected 1 to 64 letters, digits, '-', '_' "
       "or '.', the first a letter or a digit"},
      {"[run]\nname = 7\n" + kAll,
       "run.toml:2:8: [run] name: found 7, expected 1 to 64 letters, digits, '-', '_' or '.', "
       "the first a letter or a digit"},
      {"[run]\nname = \"tab\\there, and then a good deal more than fits in a message\"\n" + kAll,
       "run.toml:2:8: [run] name: found \"tab\\u0009here, and then a good deal more than…\", "
       "expected 1 to 64 letters, digits, '-', '_' or '.', the first a letter or a digit"},
      {"[topology]\nkind = \"rign\"\n" + kRest,
       "run.toml:2:8: [topology] kind: found \"rign\", expected one of \"ring\", \"torus\", "
       "\"exponential\", \"complete\", \"star\", \"path\", \"random-regular\", \"edges\", "
       "\"one-peer-exponential\", \"directed-edges\"; did "
       "you mean \"ring\"?"},
      {"[topology]\nkind = \"random_regular\"\n" + kRest,
       "run.toml:2:8: [topology] kind: found \"random_regular\", expected one of \"ring\", "
       "\"torus\", \"exponential\", \"complete\", \"star\", \"path\", \"random-regular\", "
       "\"edges\", \"one-peer-exponential\", \"directed-edges\"; did you mean \"random-regular\"?"},
      {"[topology]\nkind = \"hypercube\"\n" + kRest,
       "run.toml:2:8: [topology] kind: found \"hypercube\", expected one of \"ring\", "
       "\"torus\", \"exponential\", \"complete\", \"star\", \"path\", \"random-regular\", "
       "\"edges\", \"one-peer-exponential\", \"directed-edges\""},
      {"[topology]\nkind = 3\n" + kRest,
       "run.toml:2:8: [topology] kind: found 3, expected one of \"ring\", \"torus\", "
       "\"exponential\", \"complete\", \"star\", \"path\", \"random-regular\", \"edges\", "
       "\"one-peer-exponential\", \"directed-edges\""},
      {"[gossip]\nalgorithm = \"powergosip\"\n" + kAll,
       "run.toml:2:13: [gossip] algorithm: found \"powergosip\", expected one of \"none\", "
       "\"d-psgd\", \"powergossip\", \"powergossip-exact\", \"choco\", \"cold\", "
       "\"dyna-cold\", \"lead\", \"def-atc\", \"actc\", \"nids\", \"d2\", \"gradient-tracking\", "
       "\"deepsqueeze\", \"beer\", \"lessbit\", \"moniqua\", \"sgp\", \"ad-psgd\", \"ef-sgd\", "
       "\"doublesqueeze\", \"ef21\", \"ef21-bc\", \"ef21-sgdm\" … (37 in all); did you mean "
       "\"powergossip\"?"},
      {"[gossip]\nalgorithm = \"D-PSGD\"\n" + kAll,
       "run.toml:2:13: [gossip] algorithm: found \"D-PSGD\", expected one of \"none\", \"d-psgd\", "
       "\"powergossip\", \"powergossip-exact\", \"choco\", \"cold\", "
       "\"dyna-cold\", \"lead\", \"def-atc\", \"actc\", \"nids\", \"d2\", \"gradient-tracking\", "
       "\"deepsqueeze\", \"beer\", \"lessbit\", \"moniqua\", \"sgp\", \"ad-psgd\", \"ef-sgd\", "
       "\"doublesqueeze\", \"ef21\", \"ef21-bc\", \"ef21-sgdm\" … (37 in all); did you mean "
       "\"d-psgd\"?"},
      {"[model]\nkind = \"logstic\"\n" + kRing,
       "run.toml:2:8: [model] kind: found \"logstic\", expected one of \"mlp\", \"softmax\", "
       "\"logistic\", \"quadratic\"; did you mean \"logistic\"?"},
      {"[train]\noptimizer = \"adamw\"\n" + kAll,
       "run.toml:2:13: [train] optimizer: found \"adamw\", expected one of \"sgd\", \"adam\"; "
       "did you mean \"adam\"?"},
      {"[data]\nsplit = \"by_label\"\n" + kRing,
       "run.toml:2:9: [data] split: found \"by_label\", expected one of \"iid\", "
       "\"dirichlet\", \"by-label\"; did you mean \"by-label\"?"},
      {"[data]\npath = \"\"\n" + kRing, "run.toml:2:8: [data] path: found \"\", expected a path"},
      {"[data]\npath = 3\n" + kRing, "run.toml:2:8: [data] path: found 3, expected a path"},
      {"[data]\npath = \"a\\u0000b\"\n" + kRing,
       "run.toml:2:8: [data] path: found \"a\\u0000b\", expected a path"},
      {"[run]\ncompare = \"none\"\n" + kAll,
       "run.toml:2:11: [run] compare: found \"none\", expected an array of \"none\", \"d-psgd\", "
       "\"powergossip\", \"powergossip-exact\", \"choco\", \"cold\", "
       "\"dyna-cold\", \"lead\", \"def-atc\", \"actc\", \"nids\", \"d2\", \"gradient-tracking\", "
       "\"deepsqueeze\", \"beer\", \"lessbit\", \"moniqua\", \"sgp\", \"ad-psgd\", \"ef-sgd\", "
       "\"doublesqueeze\", \"ef21\", \"ef21-bc\", \"ef21-sgdm\" … (37 in all)"},
      {"[run]\ncompare = [\"none\", \"dpsgd\"]\n" + kAll,
       "run.toml:2:20: [run] compare: found \"dpsgd\", expected an array of \"none\", \"d-psgd\", "
       "\"powergossip\", \"powergossip-exact\", \"choco\", \"cold\", "
       "\"dyna-cold\", \"lead\", \"def-atc\", \"actc\", \"nids\", \"d2\", \"gradient-tracking\", "
       "\"deepsqueeze\", \"beer\", \"lessbit\", \"moniqua\", \"sgp\", \"ad-psgd\", \"ef-sgd\", "
       "\"doublesqueeze\", \"ef21\", \"ef21-bc\", \"ef21-sgdm\" … (37 in all); did you mean "
       "\"d-psgd\"?"},
      {"[run]\ncompare = [\"none\", 3]\n" + kAll,
       "run.toml:2:20: [run] compare: found 3, expected an array of \"none\", \"d-psgd\", "
       "\"powergossip\", \"powergossip-exact\", \"choco\", \"cold\", "
       "\"dyna-cold\", \"lead\", \"def-atc\", \"actc\", \"nids\", \"d2\", \"gradient-tracking\", "
       "\"deepsqueeze\", \"beer\", \"lessbit\", \"moniqua\", \"sgp\", \"ad-psgd\", \"ef-sgd\", "
       "\"doublesqueeze\", \"ef21\", \"ef21-bc\", \"ef21-sgdm\" … (37 in all)"},
      {"[run]\ncompare = [\"none\", \"none\"]\n" + kAll,
       "run.toml:2:20: [run] compare: found \"none\" twice, expected an array of \"none\", "
       "\"d-psgd\", \"powergossip\", \"powergossip-exact\", \"choco\", \"cold\", "
       "\"dyna-cold\", \"lead\", \"def-atc\", \"actc\", \"nids\", \"d2\", \"gradient-tracking\", "
       "\"deepsqueeze\", \"beer\", \"lessbit\", \"moniqua\", \"sgp\", \"ad-psgd\", \"ef-sgd\", "
       "\"doublesqueeze\", \"ef21\", \"ef21-bc\", \"ef21-sgdm\" … (37 in all); drop one"},
      {"[model]\nhidden = 8\n" + kRing,
       "run.toml:2:10: [model] hidden: found 8, expected an array of at most 16 whole numbers "
       "from 1 to 65536"},
      {"[model]\nhidden = [8, 0]\n" + kRing,
       "run.toml:2:14: [model] hidden: found 0, expected an array of at most 16 whole numbers "
       "from 1 to 65536"},
      {"[model]\nhidden = [8, \"8\"]\n" + kRing,
       "run.toml:2:14: [model] hidden: found \"8\", expected an array of at most 16 whole "
       "numbers from 1 to 65536"},
      {"[model]\nhidden = [1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1]\n" + kRing,
       "run.toml:2:10: [model] hidden: found 17 numbers, expected an array of at most 16 "
       "whole numbers from 1 to 65536"},
  });
}

}  // namespace
}  // namespace starling::node
