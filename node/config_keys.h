// Every key of the run file, declared once: name, type and range, meaning, and where its value
// goes. The loader, the messages and the documentation read the same table.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "node/config.h"
#include "node/config_text.h"

namespace starling::node {

using EdgeEnd = std::variant<std::int64_t, std::string>;  // an index or a name

struct ListedEdge {
  EdgeEnd a, b;
  std::string where;
};

struct PlacedNode {
  NodeEntry entry;
  std::string name_where, address_where;
  std::string keys_where;  // "": it has none
};

// A run file that has been read, and whose relations between keys are still to be checked.
struct Draft {
  Config config;
  std::filesystem::path base;  // relative paths of the file start here
  std::size_t base_port = 7700;
  std::vector<ListedEdge> edges;
  std::vector<PlacedNode> nodes;  // as listed under [[node]]
  NodeEntry entry;                // the [[node]] being read
  std::string keys_where;         // where its keys are
  compress::OperatorOptions op;   // the operator being read: [compress], or a table inside
  // "section", "section.key" and "section.key.key": what was given, where.
  std::map<std::string, std::string> places;

  bool given(const std::string& key) const { return places.contains(key); }
  // Of the key ("rank", "values.bits"), else of the table it would be in, else the file.
  std::string where(const std::string& section, const std::string& key) const;
};

// A value that its key does not take.
struct Mismatch {
  std::string found, where;
  std::string hint = {};  // what to do, where that is not plain from the expectation
};

struct Key {
  std::string section, name;
  std::string type;  // continues "expected": "a whole number from 1 to 4096"
  std::string text;  // one sentence
  // Checks the value and stores it.
  std::function<std::optional<Mismatch>(Draft&, const Value&)> store;
  // The value as the documentation shows it; "" where there is none.
  std::function<std::string(const Draft&)> show;
  // Of a key that also takes a table with the keys of its section: where what that says goes.
  std::vector<compress::OperatorOptions> compress::OperatorOptions::*part = nullptr;
};

// In the order of the documentation: [run], [topology], [[node]] …
const std::vector<Key>& all_keys();
std::vector<std::string> section_names();
std::vector<std::string> key_names(const std::string& section);

// "[gossip]", or "[[node]]".
std::string bracketed(const std::string& section);

// Between keys: everything that one key alone cannot tell. In config_checks.cc.
Result<void> check_relations(const Draft& draft);
// The part of it that is about [compress]. In config_compress.cc.
Result<void> check_compress(const Draft& draft);
// Whether messages of the operator of [compress] are sent.
bool sends_operator(gossip::AlgorithmKind algorithm);
// [rate]. In config_rate.cc.
Result<void> check_rate(const Draft& draft);
// [metrics], when the nodes are known. In config_metrics.cc.
Result<void> check_metrics(const Draft& draft);
// Fills config.nodes, config.topology and config.gossip.relaxation. In config_nodes.cc.
Result<void> build_topology(Draft& draft);

}  // namespace starling::node
