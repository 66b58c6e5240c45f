// An input is a run file; lines behind a zero byte are overrides. Aborts where one is refused
// without a sentence that names the place, or taken with nodes that do not fit together.
#include <algorithm>
#include <string>

#include "corpus.h"
#include "input.h"
#include "node/config.h"
#include "protocol/check.h"

namespace starling::fuzz {
namespace {

Seed seed(std::string_view text) {
  const auto bytes = std::as_bytes(std::span(text));
  return {bytes.begin(), bytes.end()};
}

}  // namespace

std::vector<Seed> seeds() {
  using namespace std::string_view_literals;
  return {
      seed("[topology]\nnodes = 4\n[data]\npath = \"d\"\n[model]\nhidden = [8]\n"),
      seed(
          "[run]\nname = \"a\"\nseed = 7\nrounds = 40\nuntil_accuracy = 0.9\ncompare = "
          "[\"none\", \"d-psgd\"]\n[topology]\nkind = \"edges\"\nedges = [[\"a\", \"b\"], [1, 2]]\n"
          "[[node]]\nname = \"a\"\naddress = \"h:1\"\n[[node]]\nname = \"b\"\naddress = "
          "\"[::1]:2\"\n[[node]]\nname = \"c\"\naddress = \"10.0.0.1:3\"\n[data]\nkind = "
          "\"libsvm\"\npath = \"d\"\nsplit = \"dirichlet\"\nalpha = 0.3\n[model]\nkind = "
          "\"logistic\"\nl2 = 1e-4\n[train]\nbatch = 0\nschedule = \"cosine\"\n"),
      seed(
          "[topology]\nkind = \"torus\"\nnodes = 12\n[data]\npath = \"d\"\n[model]\nhidden = [8]\n"
          "[gossip]\nalgorithm = \"choco\"\n[compress]\noperator = \"induced\"\nfirst = { operator "
          "= \"top-k\", ratio = 0.01, values = \"bfloat16\" }\nrest = { operator = \"quantize\", "
          "bits = 4 }\n"),
      seed("[run]\nrounds = 0x10\n[topology]\nnodes = 4\n[data]\npath = 'd'\n[model]\nhidden = [8]"
           "\n\0run.seed=3\ngossip.algorithm = powergossip\ncompress.bits=\n"sv),
      seed("a = { b = [[[[1]]]], \"c\\u00e9\" = 1979-05-27T07:32:00Z }\n[x.y]\nz = '''\n'''\n"),
  };
}

}  // namespace starling::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace starling;
  fuzz::Input input(data, size);
  const std::string text(input.text_until(0));
  std::vector<std::string> overrides;
  while (!input.empty()) overrides.emplace_back(input.text_until('\n'));
  const auto config = node::parse_config(text, "run.toml", "base", overrides);
  if (!config) {
    INVARIANT(config.error().code == ErrorCode::config);
    const std::string& message = config.error().message;
    INVARIANT(message.starts_with("run.toml") || message.starts_with("--set"));
    INVARIANT(message.find('\n') == std::string::npos);
    return 0;
  }
  INVARIANT(config->nodes.size() >= 2 && config->nodes.size() == config->topology.nodes);
  for (std::size_t i = 0; i < config->nodes.size(); ++i) {
    const auto found = node::find_node(*config, config->nodes[i].name);
    INVARIANT(found && index_of(*found) == i);
  }
  return 0;
}
