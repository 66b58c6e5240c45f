// starling topology generate: a run file with the nodes and the graph that somebody asks for.
#include <fmt/format.h>

#include <cstdio>
#include <memory>
#include <string>

#include "daemon/commands.h"
#include "daemon/options.h"
#include "daemon/text_file.h"
#include "node/config.h"
#include "node/config_show.h"

namespace starling::daemon {
namespace {

struct GenerateOptions {
  std::string kind = "ring";
  std::size_t nodes = 8, degree = 0;
  std::size_t base_port = 7700;
  std::string address;  // of a node, {i} for its number; empty: 127.0.0.1 and a port each
  std::filesystem::path like, out;
};

// What there is to train where no other file says it: it needs no data.
constexpr const char* kRest = R"(
[run]
name = "generated"
rounds = 200

[data]
kind = "quadratic"

[model]
kind = "quadratic"

[train]
batch = 0
learning_rate = 0.02

[gossip]
algorithm = "d-psgd"
)";

std::string address_of(const GenerateOptions& options, std::size_t node) {
  if (options.address.empty()) return fmt::format("127.0.0.1:{}", options.base_port + node);
  std::string address = options.address;
  if (const auto at = address.find("{i}"); at != std::string::npos) {
    address.replace(at, 3, fmt::format("{}", node));
  }
  return address;
}

std::string graph_text(const GenerateOptions& options) {
  std::string text = fmt::format("[topology]\nkind = \"{}\"\n", options.kind);
  if (options.degree > 0) text += fmt::format("degree = {}\n", options.degree);
  for (std::size_t i = 0; i < options.nodes; ++i) {
    text +=
        fmt::format("\n[[node]]\nname = \"n{}\"\naddress = \"{}\"\n", i, address_of(options, i));
  }
  return text;
}

// The sections of another file but for its graph and its nodes.
Result<std::string> rest_of(const std::filesystem::path& like) {
  if (like.empty()) return std::string(kRest);
  const auto config = node::load_config(like, {});
  if (!config) return config.error();
  std::string rest = "\n";
  const std::string text = node::config_text(*config, false);
  for (std::size_t at = 0; at < text.size();) {
    const auto end = std::min(text.find("\n\n", at), text.size());
    const std::string section = text.substr(at, end - at);
    if (!section.starts_with("[topology]") && !section.starts_with("[[node]]")) {
      rest += section + "\n\n";
    }
    at = end + 2;
  }
  while (rest.ends_with("\n\n")) rest.pop_back();
  return rest;
}

// Wrong numbers are refused by what reads the text, which is what will read the file.
int generate(const GenerateOptions& options) {
  const auto rest = rest_of(options.like);
  if (!rest) return fail(rest.error());
  const std::string text = graph_text(options) + *rest;
  const std::string name = options.out.empty() ? "the file to be made" : options.out.string();
  const auto config = node::parse_config(text, name, {}, {});
  if (!config) return fail(config.error());
  if (options.out.empty()) {
    std::fputs(text.c_str(), stdout);
    return 0;
  }
  if (const auto written = write_text(options.out, text); !written) return fail(written.error());
  fmt::print("{}: {} of {} nodes; `starling topology {}` shows it\n", name, options.kind,
             options.nodes, name);
  return 0;
}

}  // namespace

void add_topology_generate(CommandLine topology, Verb& chosen) {
  auto options = std::make_shared<GenerateOptions>();
  CommandLine verb =
      topology.add_verb("generate", "Make a run file with a node for each place of a graph");
  verb.add_option("--kind", options->kind,
                  "the graph: ring, torus, exponential … as [topology] kind (default ring)")
      .type_name("KIND");
  verb.add_option("--nodes", options->nodes, "how many (default 8)").range(2, 4096).type_name("N");
  verb.add_option("--degree", options->degree, "random-regular: neighbors of a node")
      .range(1, 4095)
      .type_name("K");
  verb.add_option("--base-port", options->base_port,
                  "of n0 on 127.0.0.1; n1 has the next one (default 7700)")
      .range(1, 65535)
      .type_name("PORT");
  verb.add_option("--address", options->address,
                  "of each node in place of that, {i} for its number: '10.0.0.{i}:7700'")
      .type_name("HOST:PORT");
  verb.add_option("--like", options->like,
                  "the run file whose other sections are taken; without it quadratic data")
      .type_name("RUN.toml");
  verb.add_option("-o,--out", options->out, "where it goes; without it to standard output")
      .type_name("FILE");
  verb.when_chosen([options, &chosen] { chosen = [options] { return generate(*options); }; });
}

}  // namespace starling::daemon
