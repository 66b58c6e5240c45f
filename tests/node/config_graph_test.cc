// Nodes, edges and relations between keys: the sentence that answers each wrong one.
#include <doctest/doctest.h>

#include "refusals.h"

namespace starling::node {
namespace {

TEST_CASE("config refuses nodes: names and addresses") {
  check_refusals({
      {"[topology]\nkind = \"ring\"\n" + kRest,
       "run.toml:1:2: [topology] nodes: missing, expected their number, or a section [[node]] "
       "with name and address for each"},
      {"[run]\n" + kRest,
       "run.toml: [topology] nodes: missing, expected their number, or a section [[node]] "
       "with name and address for each"},
      {"[topology]\nnodes = 4\n[[node]]\nname = \"a\"\naddress = \"h:1\"\n" + kRest,
       "run.toml:2:9: [topology] nodes: found beside [[node]] (run.toml:3:1), which names the "
       "nodes; remove one of them"},
      {"[topology]\nbase_port = 9000\n[[node]]\nname = \"a\"\naddress = \"h:1\"\n[[node]]\n"
       "name = \"b\"\naddress = \"h:2\"\n" +
           kRest,
       "run.toml:2:13: [topology] base_port: found beside [[node]] (run.toml:3:1), which "
       "names the nodes; remove one of them"},
      {"[[node]]\nname = \"a\"\n" + kRest,
       "run.toml:1:1: [[node]] address: missing, expected \"host:port\" with a port from 1 to "
       "65535"},
      {"[[node]]\naddress = \"h:1\"\n" + kRest,
       "run.toml:1:1: [[node]] name: missing, expected 1 to 64 letters, digits, '-', '_' or "
       "'.', the first a letter or a digit"},
      {address("h:1") + kRest, "run.toml:1:1: [topology] nodes: found 1, a flock has at least 2"},
      {"[[node]]\nname = \"a\"\naddress = \"h:1\"\n[[node]]\nname = \"a\"\naddress = \"h:2\"\n" +
           kRest,
       "run.toml:5:8: [[node]] name: found \"a\" again, which run.toml:2:8 has; expected a "
       "different name for each node"},
      {"[[node]]\nname = \"a\"\naddress = \"h:1\"\n[[node]]\nname = \"b\"\naddress = \"H:1\"\n" +
           kRest,
       "run.toml:6:11: [[node]] address: found \"H:1\" for b, which is the address of a; "
       "expected a different one for each node"},
      {"[[node]]\nname = \"a b\"\naddress = \"h:1\"\n" + kRest,
       "run.toml:2:8: [[node]] name: found \"a b\", expected 1 to 64 letters, digits, '-', "
       "'_' or '.', the first a letter or a digit"},
      {"[[node]]\nname = \"-a\"\naddress = \"h:1\"\n" + kRest,
       "run.toml:2:8: [[node]] name: found \"-a\", expected 1 to 64 letters, digits, '-', '_' "
       "or '.', the first a letter or a digit"},
      {"[[node]]\nname = \"\"\naddress = \"h:1\"\n" + kRest,
       "run.toml:2:8: [[node]] name: found \"\", expected 1 to 64 letters, digits, '-', '_' "
       "or '.', the first a letter or a digit"},
      {"[[node]]\nname = "
       "\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\"\naddress = "
       "\"h:1\"\n" +
           kRest,
       "run.toml:2:8: [[node]] name: found \"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa…\", "
       "expected 1 to 64 letters, digits, '-', '_' or '.', the first a letter or a digit"},
      {address("localhost") + kRest,
       "run.toml:3:11: [[node]] address: found \"localhost\", expected \"host:port\" with a "
       "port from 1 to 65535; add a port, \"localhost:7700\""},
      {address("h:0") + kRest,
       "run.toml:3:11: [[node]] address: found \"h:0\", expected \"host:port\" with a port "
       "from 1 to 65535; the port is a whole number from 1 to 65535"},
      {address("h:65536") + kRest,
       "run.toml:3:11: [[node]] address: found \"h:65536\", expected \"host:port\" with a "
       "port from 1 to 65535; the port is a whole number from 1 to 65535"},
      {address("h:070") + kRest,
       "run.toml:3:11: [[node]] address: found \"h:070\", expected \"host:port\" with a port "
       "from 1 to 65535; the port is a whole number from 1 to 65535"},
      {address("h:") + kRest,
       "run.toml:3:11: [[node]] address: found \"h:\", expected \"host:port\" with a port "
       "from 1 to 65535; the port is a whole number from 1 to 65535"},
      {address(":7700") + kRest,
       "run.toml:3:11: [[node]] address: found \":7700\", expected \"host:port\" with a port "
       "from 1 to 65535"},
      {address("h:77x") + kRest,
       "run.toml:3:11: [[node]] address: found \"h:77x\", expected \"host:port\" with a port "
       "from 1 to 65535; the port is a whole number from 1 to 65535"},
      {address("::1:7700") + kRest,
       "run.toml:3:11: [[node]] address: found \"::1:7700\", expected \"host:port\" with a "
       "port from 1 to 65535; write an IPv6 address in brackets, \"[::1]:7700\""},
      {address("[]:7700") + kRest,
       "run.toml:3:11: [[node]] address: found \"[]:7700\", expected \"host:port\" with a "
       "port from 1 to 65535"},
      {address("a/b:1") + kRest,
       "run.toml:3:11: [[node]] address: found \"a/b:1\", expected \"host:port\" with a port "
       "from 1 to 65535"},
      {address("http://h:1") + kRest,
       "run.toml:3:11: [[node]] address: found \"http://h:1\", expected \"host:port\" with a "
       "port from 1 to 65535; write an IPv6 address in brackets, \"[::1]:7700\""},
      {"[[node]]\nname = \"a\"\naddress = 7700\n" + kRest,
       "run.toml:3:11: [[node]] address: found 7700, expected \"host:port\" with a port from "
       "1 to 65535"},
      {"[topology]\nnodes = 8\nbase_port = 65530\n" + kRest,
       "run.toml:3:13: [topology] base_port: found 65530, which puts node 8 of 8 on port "
       "65537; expected at most 65528"},
      {"[topology]\nnodes = 8\nbase_port = 0\n" + kRest,
       "run.toml:3:13: [topology] base_port: found 0, expected a whole number from 1 to 65535"},
  });
}

TEST_CASE("config refuses edges and graphs") {
  check_refusals({
      {"[topology]\nkind = \"edges\"\nedges = [[\"ann\", \"bob\"], [\"bob\", \"clea\"]]\n" +
           kFriends + kRest,
       "run.toml:3:26: [topology] edges: found an edge to \"clea\", who is no node; did you "
       "mean \"cleo\"?"},
      {"[topology]\nkind = \"edges\"\nedges = [[\"ann\", \"bob\"], [\"bob\", \"zzzz\"]]\n" +
           kFriends + kRest,
       "run.toml:3:26: [topology] edges: found an edge to \"zzzz\", who is no node; expected "
       "one of ann, bob, cleo"},
      {"[topology]\nkind = \"edges\"\nedges = [[\"ann\", \"bob\"],\n  [\"bob\", \"bob\"]]\n" +
           kFriends + kRest,
       "run.toml:4:3: [topology] edges: found an edge from bob to itself, expected two "
       "different nodes"},
      {"[topology]\nkind = \"edges\"\nedges = [[\"ann\", \"bob\"], [\"bob\", \"cleo\"], [1, "
       "0]]\n" +
           kFriends + kRest,
       "run.toml:3:43: [topology] edges: found the edge bob-ann again, expected each pair "
       "once in either order"},
      {"[topology]\nkind = \"edges\"\nedges = [[\"ann\", \"bob\"]]\n" + kFriends + kRest,
       "run.toml:3:9: [topology] edges: the graph is not connected, no way leads from ann to "
       "cleo; add an edge between the parts"},
      {"[topology]\nkind = \"edges\"\nedges = [[0, 1], [1, 3]]\n" + kFriends + kRest,
       "run.toml:3:18: [topology] edges: found node 3, expected an index from 0 to 2 or a name"},
      {"[topology]\nkind = \"edges\"\nedges = [[0, 1], [1, -1]]\n" + kFriends + kRest,
       "run.toml:3:18: [topology] edges: found node -1, expected an index from 0 to 2 or a "
       "name"},
      {"[topology]\nkind = \"edges\"\nedges = [[\"ann\"]]\n" + kFriends + kRest,
       "run.toml:3:10: [topology] edges: found an edge of 1 ends, expected an array of pairs "
       "of node names or indices, [[\"n0\", \"n1\"], …]"},
      {"[topology]\nkind = \"edges\"\nedges = [[\"ann\", \"bob\", \"cleo\"]]\n" + kFriends + kRest,
       "run.toml:3:10: [topology] edges: found an edge of 3 ends, expected an array of pairs "
       "of node names or indices, [[\"n0\", \"n1\"], …]"},
      {"[topology]\nkind = \"edges\"\nedges = [\"ann\", \"bob\"]\n" + kFriends + kRest,
       "run.toml:3:10: [topology] edges: found \"ann\", expected an array of pairs of node "
       "names or indices, [[\"n0\", \"n1\"], …]"},
      {"[topology]\nkind = \"edges\"\nedges = [[\"ann\", true]]\n" + kFriends + kRest,
       "run.toml:3:18: [topology] edges: found true, expected an array of pairs of node names "
       "or indices, [[\"n0\", \"n1\"], …]"},
      {"[topology]\nkind = \"edges\"\nedges = \"ann-bob\"\n" + kFriends + kRest,
       "run.toml:3:9: [topology] edges: found \"ann-bob\", expected an array of pairs of node "
       "names or indices, [[\"n0\", \"n1\"], …]"},
      {"[topology]\nkind = \"edges\"\nedges = []\n" + kFriends + kRest,
       "run.toml:3:9: [topology] edges: found an empty array, expected the pairs of nodes "
       "that kind = \"edges\" is about"},
      {"[topology]\nkind = \"edges\"\n" + kFriends + kRest,
       "run.toml:1:2: [topology] edges: missing, expected the pairs of nodes that kind = "
       "\"edges\" is about"},
      {"[topology]\nkind = \"directed-edges\"\n" + kFriends + kRest,
       "run.toml:1:2: [topology] edges: missing, expected the pairs of nodes that kind = "
       "\"directed-edges\" is about"},
      {"[topology]\nkind = \"directed-edges\"\nedges = [[\"ann\", \"bob\"], [\"bob\", \"ann\"], "
       "[\"ann\", \"cleo\"]]\n" +
           kFriends + kRest,
       "run.toml:3:9: [topology] edges: the directed graph is not strongly connected, no way leads "
       "from cleo to ann; add an edge there"},
      {"[topology]\nkind = \"directed-edges\"\nedges = [[0, 1], [1, 2], [2, 0], [1, 2]]\n" +
           kFriends + kRest,
       "run.toml:3:34: [topology] edges: found the edge bob-cleo again, expected each pair once in "
       "this order"},
      {"[topology]\nkind = \"one-peer-exponential\"\nnodes = 4\n[gossip]\nrelaxation = "
       "\"optimal\"\n" +
           kRest,
       "run.toml:5:14: [gossip] relaxation: found \"optimal\", but the directed graph "
       "\"one-peer-exponential\" has no such; give a number"},
      {"[topology]\nedges = [[0, 1]]\n" + kFriends + kRest,
       "run.toml:2:9: [topology] edges: found edges beside kind = \"ring\", which makes its "
       "own; set kind = \"edges\", or remove them (--set topology.edges=[])"},
      {"[topology]\nkind = \"torus\"\nnodes = 7\n" + kRest,
       "run.toml:3:9: [topology] nodes: found 7, a torus needs a product of two numbers of at "
       "least 3, such as 9, 12, 15 or 16; choose another number or kind = \"ring\""},
      {"[topology]\nkind = \"random-regular\"\nnodes = 5\ndegree = 3\n" + kRest,
       "run.toml:4:10: [topology] degree: found 3 for 5 nodes, a random regular graph needs a "
       "degree from 2 to 4 with nodes * degree even"},
      {"[topology]\nkind = \"random-regular\"\nnodes = 5\n" + kRest,
       "run.toml:1:2: [topology] degree: found 0 for 5 nodes, a random regular graph needs a "
       "degree from 2 to 4 with nodes * degree even"},
      {"[topology]\nnodes = 1025\n[gossip]\nrelaxation = \"optimal\"\n" + kRest,
       "run.toml:4:14: [gossip] relaxation: found \"optimal\" for 1025 nodes, expected at "
       "most 1024 nodes for it; give a number"},
  });
}

TEST_CASE("config refuses relations: keys that do not go together") {
  check_refusals({
      {"[data]\nkind = \"quadratic\"\n[model]\nhidden = [8]\n" + kRing,
       "run.toml:2:8: [data] kind: found \"quadratic\", which goes with [model] kind = "
       "\"quadratic\" alone; set that, or name a data set of rows and labels"},
      {"[data]\npath = \"d\"\n[model]\nkind = \"quadratic\"\n" + kRing,
       "run.toml:4:8: [model] kind: found \"quadratic\", which does not go with [data] kind = "
       "\"optdigits\"; set [model] kind to mlp, softmax or logistic, or [data] kind to "
       "quadratic"},
      {"[data]\nkind = \"quadratic\"\n" + kRing,
       "run.toml:2:8: [data] kind: found \"quadratic\", which goes with [model] kind = "
       "\"quadratic\" alone; set that, or name a data set of rows and labels"},
      {"[data]\nkind = \"idx\"\n" + kRing,
       "run.toml:1:2: [data] path: missing, expected the path of the idx data"},
      {kRing, "run.toml: [data] path: missing, expected the path of the optdigits data"},
      {"[data]\nkind = \"quadratic\"\n[model]\nkind = \"quadratic\"\n[run]\nuntil_accuracy = "
       "0.9\n" +
           kRing,
       "run.toml:6:18: [run] until_accuracy: found 0.9, but quadratic data has no accuracy; "
       "remove the key"},
      {"[data]\npath = \"d\"\n" + kRing,
       "run.toml: [model] hidden: missing, expected a width for each hidden layer of the mlp, "
       "such as [128, 64]; a model without hidden layers is kind = \"softmax\""},
      {"[data]\npath = \"d\"\n[model]\nhidden = []\n" + kRing,
       "run.toml:4:10: [model] hidden: found an empty array, expected a width for each hidden "
       "layer of the mlp, such as [128, 64]; a model without hidden layers is kind = "
       "\"softmax\""},
      {"[train]\nnesterov = true\n" + kAll,
       "run.toml:2:12: [train] nesterov: found true without momentum; set momentum (0.9, say) "
       "or remove nesterov"},
      {"[gossip]\nalgorithm = \"d-psgd\"\n[compress]\noperator = \"low-rank\"\n" + kAll,
       "run.toml:4:12: [compress] operator: found \"low-rank\", but d-psgd (in [gossip] "
       "algorithm) takes \"identity\"; set that, or \"auto\""},
      {"[compress]\noperator = \"identity\"\n" + kAll,
       "run.toml:2:12: [compress] operator: found \"identity\", but powergossip (in [gossip] "
       "algorithm) takes \"low-rank\"; set that, or \"auto\""},
      {"[run]\ncompare = [\"none\", \"d-psgd\"]\n[compress]\noperator = \"low-rank\"\n" + kAll,
       "run.toml:4:12: [compress] operator: found \"low-rank\", but d-psgd (in [run] compare) "
       "takes \"identity\"; set that, or \"auto\""},
  });
}

TEST_CASE("config: a node that has left keeps its place, and its address is free") {
  const std::string text = kFriends + "left = true\n[[node]]\nname = \"dan\"\naddress = \"H:3\"\n";
  const auto config = parse_config(text + kRest, "run.toml", "base", {});
  if (!config) FAIL(config.error().message);
  CHECK(config->topology.nodes == 4);
  CHECK(config->topology.left == std::vector<std::size_t>{2});
  CHECK(config->nodes[3].name == "dan");
  CHECK(find_node(*config, "cleo").ok());
  CHECK(find_present_node(*config, "cleo").error().message ==
        "run.toml: [[node]] left: node \"cleo\" has left the run; expected one that has not, or "
        "remove left = true at every node to take it back");
  check_refusals({
      {"[topology]\nkind = \"edges\"\nedges = [[\"ann\", \"bob\"], [\"bob\", \"cleo\"]]\n" +
           kFriends + "left = true\n" + kRest,
       "run.toml:3:26: [topology] edges: found the edge bob-cleo, but cleo has left; remove the "
       "edge, or left = true"},
      {kFriends + "left = 1\n" + kRest,
       "run.toml:10:8: [[node]] left: found 1, expected true or false"},
  });
}

}  // namespace
}  // namespace starling::node
