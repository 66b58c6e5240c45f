// Text, sections, keys and overrides: the whole sentence that answers each wrong one.
#include <doctest/doctest.h>

#include "refusals.h"

namespace starling::node {
namespace {

TEST_CASE("config refuses toml: text that is not TOML") {
  check_refusals({
      {"[run\n",
       "run.toml:1:5: not valid TOML, while parsing table header: expected ']', saw '\\n'"},
      {"[run]\nname = ring8\n",
       "run.toml:2:8: not valid TOML, while parsing value: could not determine value type; "
       "text values stand in quotes"},
      {"[run]\nname = \"ring8\n",
       "run.toml:2:14: not valid TOML, while parsing string: unescaped control characters "
       "other than TAB (U+0009) are explicitly prohibited; is a closing quote missing?"},
      {"[run]\nseed = 1\nseed = 2\n",
       "run.toml:3:8: not valid TOML, while parsing key-value pair: cannot redefine existing "
       "integer 'seed'"},
      {"[run]\n[run]\n",
       "run.toml:2:1: not valid TOML, while parsing table header: cannot redefine existing "
       "table 'run'"},
      {"[run]\nseed = 1 2\n",
       "run.toml:2:10: not valid TOML, while parsing key-value pair: expected a comment or "
       "whitespace, saw '2'"},
      {"[run]\nseed = 99999999999999999999\n",
       "run.toml:2:28: not valid TOML, while parsing decimal integer: '99999999999999999999' "
       "is not representable in 64 bits"},
      {"[run]\nname = \"\\q\"\n",
       "run.toml:2:10: not valid TOML, while parsing string: unknown escape sequence '\\q'"},
      {"rounds\n",
       "run.toml:1:7: not valid TOML, while parsing key-value pair: expected '=', saw '\\n'"},
      {"[run]\nseed = {a = 1\n",
       "run.toml:2:14: not valid TOML, while parsing inline table: expected key or closing "
       "'}', saw '\\n'"},
      {"[a.b.c.d.e.f.g.h.i.j]\n",
       "run.toml:1:19: found a key of more than 8 dotted parts, expected section and key"},
      {"[run]\nname = \"a.b.c.d.e.f.g.h.i.j.k\"\nx.1.2.3.4.5.6.7.8.9 = 1\n",
       "run.toml:3:18: found a key of more than 8 dotted parts, expected section and key"},
  });
}

TEST_CASE("config refuses names: sections and keys that do not exist") {
  check_refusals({
      {"[gosip]\nrank = 1\n" + kAll,
       "run.toml:1:2: [gosip]: unknown section; did you mean [gossip]?"},
      {"[zzz]\n" + kAll,
       "run.toml:1:2: [zzz]: unknown section; expected one of [run], [topology], [[node]], "
       "[data], [model], [train], [gossip], [robust], [compress], [rate], [checkpoint], [limits], "
       "[metrics]"},
      {"[Gossip]\n" + kAll, "run.toml:1:2: [Gossip]: unknown section; did you mean [gossip]?"},
      {"rounds = 4\n" + kAll,
       "run.toml:1:1: rounds: found a key outside of the sections, expected it under [run]"},
      {"zzzz = 4\n" + kAll,
       "run.toml:1:1: [zzzz]: unknown section; expected one of [run], [topology], [[node]], "
       "[data], [model], [train], [gossip], [robust], [compress], [rate], [checkpoint], [limits], "
       "[metrics]"},
      {"[gossip]\nrnak = 1\n" + kAll,
       "run.toml:2:1: [gossip] rnak: unknown key; did you mean 'rank'?"},
      {"[gossip]\n  ranks = 1\n" + kAll,
       "run.toml:2:3: [gossip] ranks: unknown key; did you mean 'rank'?"},
      {"[run]\nzzzzzz = 1\n" + kAll,
       "run.toml:2:1: [run] zzzzzz: unknown key; expected one of name, seed, rounds, "
       "evaluate_every, until_accuracy, compare, insecure_plaintext, memory_limit, join, "
       "hand_over_seconds"},
      {"[train]\nrank = 1\n" + kAll,
       "run.toml:2:1: [train] rank: unknown key; it belongs under [gossip]"},
      {"[train]\nlearningRate = 1\n" + kAll,
       "run.toml:2:1: [train] learningRate: unknown key; did you mean 'learning_rate'?"},
      {"run = 5\n" + kAll, "run.toml:1:7: [run]: found 5, expected one section [run] with keys"},
      {"[[run]]\nseed = 1\n" + kAll,
       "run.toml:1:1: [run]: found an array of tables, expected one section [run] with keys"},
      {"[node]\nname = \"a\"\n" + kRest,
       "run.toml:1:1: [[node]]: found a table, expected a section [[node]] with name and "
       "address for each node"},
      {"node = [\"a\"]\n" + kRest,
       "run.toml:1:9: [[node]]: found \"a\", expected a section [[node]] with name and "
       "address for each node"},
      {"[run.deep]\nx = 1\n" + kAll,
       "run.toml:1:6: [run] deep: unknown key; expected one of name, seed, rounds, "
       "evaluate_every, until_accuracy, compare, insecure_plaintext, memory_limit, join, "
       "hand_over_seconds"},
      {"[[node]]\nnam = \"a\"\n" + kRest,
       "run.toml:2:1: [[node]] nam: unknown key; did you mean 'name'?"},
  });
}

TEST_CASE("config refuses overrides: each is named as it was written") {
  check_refusals({
      {kAll,
       "--set gossip.rank=0: [gossip] rank: found 0, expected a whole number from 1 to 4096",
       {"gossip.rank=0"}},
      {kAll,
       "--set gossip.rnak=1: [gossip] rnak: unknown key; did you mean 'rank'?",
       {"gossip.rnak=1"}},
      {kAll,
       "--set gosip.rank=1: [gosip]: unknown section; did you mean [gossip]?",
       {"gosip.rank=1"}},
      {kAll, "--set rounds=5: expected section.key=value; did you mean run.rounds?", {"rounds=5"}},
      {kAll, "--set nonsense: expected section.key=value", {"nonsense"}},
      {kAll, "--set =5: expected section.key=value", {"=5"}},
      {kAll, "--set gossip.rank: expected section.key=value", {"gossip.rank"}},
      {kAll, "--set .rank=1: expected section.key=value", {".rank=1"}},
      {kAll, "--set gossip.=1: expected section.key=value", {"gossip.=1"}},
      {kAll, "--set gossip.rank=: found nothing after '=', expected a value", {"gossip.rank="}},
      {kAll, "--set gossip.rank=  : found nothing after '=', expected a value", {"gossip.rank=  "}},
      {kAll,
       "--set gossip.rank=two: [gossip] rank: found \"two\", expected a whole number from 1 "
       "to 4096",
       {"gossip.rank=two"}},
      {kAll,
       "--set gossip.algorithm=powergosip: [gossip] algorithm: found \"powergosip\", expected "
       "one of \"none\", \"d-psgd\", \"powergossip\", \"powergossip-exact\", \"choco\", \"cold\", "
       "\"dyna-cold\", \"lead\", \"def-atc\", \"actc\", \"nids\", \"d2\", \"gradient-tracking\", "
       "\"deepsqueeze\", \"beer\", \"lessbit\", \"moniqua\", \"sgp\", \"ad-psgd\", \"ef-sgd\", "
       "\"doublesqueeze\", \"ef21\", \"ef21-bc\", \"ef21-sgdm\" … (37 in all); did you mean "
       "\"powergossip\"?",
       {"gossip.algorithm=powergosip"}},
      {kAll,
       "--set run.compare=none: [run] compare: found \"none\", expected an array of \"none\", "
       "\"d-psgd\", \"powergossip\", \"powergossip-exact\", \"choco\", \"cold\", "
       "\"dyna-cold\", \"lead\", \"def-atc\", \"actc\", \"nids\", \"d2\", \"gradient-tracking\", "
       "\"deepsqueeze\", \"beer\", \"lessbit\", \"moniqua\", \"sgp\", \"ad-psgd\", \"ef-sgd\", "
       "\"doublesqueeze\", \"ef21\", \"ef21-bc\", \"ef21-sgdm\" … (37 in all)",
       {"run.compare=none"}},
      {kAll,
       "--set run.compare=[none]: not valid TOML, while parsing floating-point: expected "
       "'nan', saw 'no'; text values stand in quotes",
       {"run.compare=[none]"}},
      {kAll,
       "--set run.name=\"x: not valid TOML, while parsing string: encountered end-of-file",
       {"run.name=\"x"}},
      {kAll,
       "--set run.name=a\\u000ab: [run] name: found \"a\\u000ab\", expected 1 to 64 letters, "
       "digits, '-', '_' or '.', the first a letter or a digit",
       {"run.name=a\nb"}},
      {kAll,
       "--set topology.edges=[[0,1]]: [topology] edges: found edges beside kind = \"ring\", "
       "which makes its own; set kind = \"edges\", or remove them (--set topology.edges=[])",
       {"topology.edges=[[0,1]]"}},
      {kAll,
       "--set node.name=x: [[node]] name: found a key of many nodes, expected one of a "
       "section; change the file",
       {"node.name=x"}},
      {kAll,
       "run.toml:1:2: [topology] edges: missing, expected the pairs of nodes that kind = "
       "\"edges\" is about",
       {"topology.kind=edges"}},
      {kAll,
       "run.toml:2:9: [topology] nodes: found 4, a torus needs a product of two numbers of at "
       "least 3, such as 9, 12, 15 or 16; choose another number or kind = \"ring\"",
       {"topology.kind=torus"}},
      {kAll,
       "--set run.seed=[[[[[[[[[[1]]]]]]]]]]: [run] seed: found an array, expected a whole "
       "number from 0 to 9223372036854775807",
       {"run.seed=[[[[[[[[[[1]]]]]]]]]]"}},
      {kAll,
       "--set run.seed={a.b.c.d.e.f.g.h.i.j=1}: not valid TOML, found a key of too many "
       "dotted parts",
       {"run.seed={a.b.c.d.e.f.g.h.i.j=1}"}},
      {kAll,
       "--set run.seed.x=1: [run] seed.x: unknown key; did you mean 'seed'?",
       {"run.seed.x=1"}},
      {kAll,
       "--set gossip.rank=0: [gossip] rank: found 0, expected a whole number from 1 to 4096",
       {"gossip.rank=3", "gossip.rank=0"}},
      {"run = 5\n" + kAll,
       "run.toml:1:7: [run]: found 5, expected one section [run] with keys",
       {"run.seed=1"}},
      {kAll,
       "--set train.learning_rate=1.: [train] learning_rate: found \"1.\", expected a number "
       "above 0 and at most 1000",
       {"train.learning_rate=1."}},
      {kAll,
       "--set data.path=[]: [data] path: found an empty array, expected a path",
       {"data.path=[]"}},
      {address("h:1") + kRest,
       "--set topology.nodes=4: [topology] nodes: found beside [[node]] (run.toml:1:1), which "
       "names the nodes; remove one of them",
       {"topology.nodes=4"}},
      {kAll,
       "--set gossip.relaxation=nan: [gossip] relaxation: found nan, expected a number above "
       "0 and below 2, or \"optimal\"",
       {"gossip.relaxation=nan"}},
      {kAll,
       "--set run.name=2024-1-1 x: [run] name: found \"2024-1-1 x\", expected 1 to 64 "
       "letters, digits, '-', '_' or '.', the first a letter or a digit",
       {"run.name=2024-1-1 x"}},
  });
}

}  // namespace
}  // namespace starling::node
