#include "node/config_loader.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "node/config_names.h"

namespace starling::node {
namespace {

constexpr std::size_t kNodesMax = 4096;

const Key* find_key(const std::string& section, std::string_view name) {
  for (const Key& key : all_keys()) {
    if (key.section == section && key.name == name) return &key;
  }
  return nullptr;
}

// The section that has a key of this name; "" for none.
std::string home_of(std::string_view name) {
  for (const Key& key : all_keys()) {
    if (key.name == name) return key.section;
  }
  return {};
}

std::vector<std::string> bracketed_sections() {
  std::vector<std::string> out;
  for (const std::string& section : section_names()) out.push_back(bracketed(section));
  return out;
}

Error unknown_section(const Entry& entry) {
  const bool table = std::holds_alternative<Table>(entry.value.data);
  const std::string home = table ? "" : home_of(entry.key);
  if (!home.empty()) {
    return config_error(
        fmt::format("{}: {}: found a key outside of the sections, expected it "
                    "under {}",
                    entry.where, entry.key, bracketed(home)));
  }
  const std::string near = nearest(entry.key, section_names());
  const std::string advice = near.empty()
                                 ? fmt::format("expected one of {}", listed(bracketed_sections()))
                                 : fmt::format("did you mean {}?", bracketed(near));
  return config_error(
      fmt::format("{}: [{}]: unknown section; {}", entry.where, shown(entry.key), advice));
}

// `inside`: "" or, in a table of the section, its name and a dot ("values.").
Error unknown_key(const std::string& section, const std::string& inside, const Entry& entry) {
  const std::string near = nearest(entry.key, key_names(section));
  const std::string home = home_of(entry.key);
  std::string advice = fmt::format("expected one of {}", listed(key_names(section)));
  if (!near.empty()) advice = fmt::format("did you mean '{}'?", near);
  if (!home.empty()) advice = fmt::format("it belongs under {}", bracketed(home));
  return config_error(fmt::format("{}: {} {}{}: unknown key; {}", entry.where, bracketed(section),
                                  inside, shown(entry.key), advice));
}

Result<void> read_keys(Draft& draft, const std::string& section, const std::string& inside,
                       const Table& table);

// A table under a key of [compress]: an operator inside the operator.
Result<void> read_part(Draft& draft, const Key& key, const std::string& inside,
                       const Table& table) {
  compress::OperatorOptions outer = std::exchange(draft.op, {});
  Result<void> read = read_keys(draft, key.section, inside + key.name + ".", table);
  (outer.*key.part).assign(1, std::exchange(draft.op, {}));
  draft.op = std::move(outer);
  return read;
}

Result<void> read_key(Draft& draft, const std::string& section, const std::string& inside,
                      const Entry& entry) {
  const Key* key = find_key(section, entry.key);
  if (!key) return unknown_key(section, inside, entry);
  draft.places[section + "." + inside + key->name] = entry.value.where;
  const auto* table = std::get_if<Table>(&entry.value.data);
  if (key->part && table) return read_part(draft, *key, inside, *table);
  if (const auto wrong = key->store(draft, entry.value)) {
    const std::string hint = wrong->hint.empty() ? "" : "; " + wrong->hint;
    return config_error(fmt::format("{}: {} {}{}: found {}, expected {}{}", wrong->where,
                                    bracketed(section), inside, key->name, wrong->found, key->type,
                                    hint));
  }
  return {};
}

Result<void> read_keys(Draft& draft, const std::string& section, const std::string& inside,
                       const Table& table) {
  for (const Entry& entry : table) {
    if (Result<void> read = read_key(draft, section, inside, entry); !read) return read;
  }
  return {};
}

Error wrong_node_section(const Value& value) {
  return config_error(fmt::format(
      "{}: [[node]]: found {}, expected a section [[node]] with name and address for each node",
      value.where, shown(value)));
}

Result<void> read_nodes(Draft& draft, const Value& value) {
  const auto* tables = std::get_if<Array>(&value.data);
  if (!tables) return wrong_node_section(value);
  if (tables->size() > kNodesMax) {
    return config_error(fmt::format("{}: [[node]]: found {} nodes, expected at most {}",
                                    value.where, tables->size(), kNodesMax));
  }
  if (!tables->empty()) draft.places["node"] = tables->front().where;
  for (const Value& item : *tables) {
    const auto* table = std::get_if<Table>(&item.data);
    if (!table) return wrong_node_section(item);
    draft.entry = {};
    draft.keys_where.clear();
    if (Result<void> read = read_keys(draft, "node", "", *table); !read) return read;
    for (const auto& [field, name] :
         {std::pair{&draft.entry.name, "name"}, std::pair{&draft.entry.address, "address"}}) {
      if (!field->empty()) continue;
      return config_error(fmt::format("{}: [[node]] {}: missing, expected {}", item.where, name,
                                      find_key("node", name)->type));
    }
    draft.nodes.push_back({draft.entry, draft.where("node", "name"), draft.where("node", "address"),
                           draft.keys_where});
  }
  return {};
}

Result<void> read_section(Draft& draft, const Entry& entry) {
  const auto sections = section_names();
  if (std::find(sections.begin(), sections.end(), entry.key) == sections.end()) {
    return unknown_section(entry);
  }
  draft.places[entry.key] = entry.where;
  if (entry.key == "node") return read_nodes(draft, entry.value);
  const auto* table = std::get_if<Table>(&entry.value.data);
  if (table) {
    Result<void> read = read_keys(draft, entry.key, "", *table);
    if (entry.key == "compress") draft.config.compress = draft.op;
    return read;
  }
  return config_error(fmt::format("{}: [{}]: found {}, expected one section [{}] with keys",
                                  entry.value.where, entry.key, shown(entry.value), entry.key));
}

std::string_view trimmed(std::string_view text) {
  const auto first = text.find_first_not_of(" \t");
  if (first == text.npos) return {};
  return text.substr(first, text.find_last_not_of(" \t") - first + 1);
}

// The part before '=': the section and the key, neither checked against the table yet.
struct Target {
  std::string section, key;
};

Result<Target> parse_target(std::string_view left, const std::string& where) {
  left = trimmed(left);
  const auto dot = left.find('.');
  if (dot != left.npos && dot > 0 && dot + 1 < left.size()) {
    return Target{std::string(trimmed(left.substr(0, dot))),
                  std::string(trimmed(left.substr(dot + 1)))};
  }
  const std::string home = home_of(left);
  const std::string hint = home.empty() ? "" : fmt::format("; did you mean {}.{}?", home, left);
  return config_error(fmt::format("{}: expected section.key=value{}", where, hint));
}

Entry& entry_of(Table& table, const std::string& key, const Value& fresh) {
  const auto at = std::find_if(table.begin(), table.end(),
                               [&key](const Entry& entry) { return entry.key == key; });
  if (at != table.end()) return *at;
  return table.emplace_back(Entry{key, fresh.where, fresh});
}

// Goes down to the table of the last key of "values.bits", as far as tables can be there; what has
// no value yet gets an empty one. `key` becomes the rest.
Table& table_of(Table& section, std::string& key, const Value& empty, const std::string& name) {
  constexpr int kPartsMax = 4;
  Table* table = &section;
  for (int i = 0; i < kPartsMax; ++i) {
    const auto dot = key.find('.');
    const Key* part = dot == key.npos ? nullptr : find_key(name, trimmed(key).substr(0, dot));
    if (!part || !part->part) break;
    Entry& entry = entry_of(*table, part->name, empty);
    if (!std::holds_alternative<Table>(entry.value.data)) entry.value = empty;
    table = &std::get<Table>(entry.value.data);
    key.erase(0, dot + 1);
  }
  return *table;
}

Result<void> apply_override(Table& root, const std::string& text) {
  const auto equals = text.find('=');
  const std::string where = fmt::format("--set {}", shown(text));
  const Result<Target> target = parse_target(std::string_view(text).substr(0, equals), where);
  if (!target) return target.error();
  if (equals == text.npos) {
    return config_error(fmt::format("{}: expected section.key=value", where));
  }
  if (target->section == "node") {
    return config_error(
        fmt::format("{}: [[node]] {}: found a key of many nodes, expected one of a "
                    "section; change the file",
                    where, shown(target->key)));
  }
  Result<Value> value = parse_override(std::string_view(text).substr(equals + 1), where);
  if (!value) return value.error();

  const Value empty_section{.data = Table{}, .where = where, .raw = {}};
  Entry& section = entry_of(root, target->section, empty_section);
  auto* table = std::get_if<Table>(&section.value.data);
  if (!table) return {};  // read_section refuses it with the file's place
  std::string key = target->key;
  Table& inner = table_of(*table, key, empty_section, target->section);
  Entry& entry = entry_of(inner, key, *value);
  entry.where = where;
  entry.value = std::move(*value);
  return {};
}

}  // namespace

Result<void> apply_overrides(Table& root, const std::vector<std::string>& overrides) {
  for (const std::string& text : overrides) {
    if (Result<void> applied = apply_override(root, text); !applied) return applied;
  }
  return {};
}

Result<void> read_sections(Draft& draft, const Table& root) {
  for (const Entry& entry : root) {
    if (Result<void> read = read_section(draft, entry); !read) return read;
  }
  return {};
}

}  // namespace starling::node
