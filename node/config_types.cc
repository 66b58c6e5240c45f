#include "node/config_types.h"

#include <algorithm>
#include <cctype>
#include <charconv>
#include <system_error>

namespace starling::node::types {
namespace {

constexpr std::size_t kNameBytesMax = 64;
constexpr std::size_t kAddressBytesMax = 280;  // a host name of 253, brackets, port

bool is_word(char c) {
  return std::isalnum(static_cast<unsigned char>(c)) || c == '-' || c == '_' || c == '.';
}

}  // namespace

std::string name_problem(const std::string& name) {
  const bool fits = !name.empty() && name.size() <= kNameBytesMax &&
                    std::all_of(name.begin(), name.end(), is_word) &&
                    std::isalnum(static_cast<unsigned char>(name.front()));
  return fits ? "" : "?";
}

std::string address_problem(const std::string& address) {
  if (address.empty() || address.size() > kAddressBytesMax) return "?";
  const auto colon = address.rfind(':');
  if (colon == address.npos) return fmt::format("add a port, \"{}:7700\"", shown(address));
  std::string host = address.substr(0, colon);
  const bool v6 = host.size() > 2 && host.front() == '[' && host.back() == ']';
  if (!v6 && host.find(':') != host.npos) {
    return "write an IPv6 address in brackets, \"[::1]:7700\"";
  }
  if (v6) host = host.substr(1, host.size() - 2);
  const bool host_fits = std::all_of(host.begin(), host.end(), [v6](char c) {
    return is_word(c) || (v6 && (c == ':' || c == '%'));
  });
  if (host.empty() || !host_fits) return "?";
  const std::string port = address.substr(colon + 1);
  unsigned number = 0;
  const auto [end, failure] = std::from_chars(port.data(), port.data() + port.size(), number);
  const bool port_fits = failure == std::errc() && end == port.data() + port.size() &&
                         port.front() != '0' && number <= 65535;
  return port_fits ? "" : "the port is a whole number from 1 to 65535";
}

std::optional<Mismatch> store_key(Draft& draft, const Value& value) {
  if (!draft.entry.keys.empty()) {
    return Mismatch{"'key' beside 'keys'", value.where, "keep one of the two"};
  }
  const auto* text = std::get_if<std::string>(&value.data);
  if (!text) return mismatch(value);
  const auto pin = parse_key_pin(*text);
  if (!pin) return Mismatch{in_quotes(shown(*text)), value.where, pin.error().message};
  draft.entry.keys = {*pin};
  draft.keys_where = value.where;
  return std::nullopt;
}

std::optional<Mismatch> store_keys(Draft& draft, const Value& value) {
  const auto* array = std::get_if<Array>(&value.data);
  if (!array) return mismatch(value);
  if (array->empty() || array->size() > kNodeKeysMax) {
    return Mismatch{fmt::format("{} keys", array->size()), value.where};
  }
  std::vector<KeyPin> keys;
  if (!draft.entry.keys.empty()) {
    return Mismatch{"'keys' beside 'key'", value.where, "keep one of the two"};
  }
  for (const Value& item : *array) {
    draft.entry.keys.clear();
    if (auto wrong = store_key(draft, item)) return wrong;
    const KeyPin pin = draft.entry.keys.front();
    if (std::find(keys.begin(), keys.end(), pin) != keys.end()) {
      return Mismatch{in_quotes(text_of(pin)) + " twice", item.where, "drop one"};
    }
    keys.push_back(pin);
  }
  draft.entry.keys = std::move(keys);
  draft.keys_where = value.where;
  return std::nullopt;
}

std::optional<Mismatch> store_edges(Draft& draft, const Value& value) {
  const auto* array = std::get_if<Array>(&value.data);
  if (!array) return mismatch(value);
  draft.edges.clear();
  for (const Value& item : *array) {
    const auto* pair = std::get_if<Array>(&item.data);
    if (!pair) return mismatch(item);
    if (pair->size() != 2) {
      return Mismatch{fmt::format("an edge of {} ends", pair->size()), item.where};
    }
    EdgeEnd ends[2];
    for (std::size_t i = 0; i < 2; ++i) {
      if (const auto* name = std::get_if<std::string>(&(*pair)[i].data)) {
        ends[i] = *name;
      } else if (const auto* index = std::get_if<std::int64_t>(&(*pair)[i].data)) {
        ends[i] = *index;
      } else {
        return mismatch((*pair)[i]);
      }
    }
    draft.edges.push_back({ends[0], ends[1], item.where});
  }
  return std::nullopt;
}

std::optional<Mismatch> store_relaxation(Draft& draft, const Value& value) {
  const auto* text = std::get_if<std::string>(&value.data);
  draft.config.optimal_relaxation = text && *text == "optimal";
  if (draft.config.optimal_relaxation) return std::nullopt;
  if (text && !nearest(*text, {"optimal"}).empty()) {
    return Mismatch{shown(value), value.where, "did you mean \"optimal\"?"};
  }
  const auto s = number(value, {above(0), below(2)});
  if (!s) return mismatch(value);
  draft.config.gossip.relaxation = *s;
  return std::nullopt;
}

}  // namespace starling::node::types
