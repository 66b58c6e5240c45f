// [[node]] key and keys: what is pinned, and the sentence that answers each wrong one.
#include <doctest/doctest.h>
#include <fmt/format.h>

#include "refusals.h"

namespace starling::node {
namespace {

// Of keys that do not exist.
const std::string kFirst = "sha256:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
const std::string kSecond = "sha256:BBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBA";
const std::string kType = "\"sha256:\" and 43 letters, digits, '-' or '_'";

std::string node(const std::string& name, const std::string& line) {
  return fmt::format("[[node]]\nname = \"{}\"\naddress = \"{}:1\"\n{}\n", name, name, line);
}
std::string pin(const std::string& text) { return fmt::format("key = \"{}\"", text); }

TEST_CASE("config takes a key or a list of keys for every node") {
  const auto config =
      parse_config(node("a", pin(kFirst)) +
                       node("b", fmt::format("keys = [\"{}\", \"sha256:{}\"]", kSecond,
                                             "-_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA")) +
                       kRest,
                   "run.toml", "base", {});
  REQUIRE(config.ok());
  REQUIRE(config.value().nodes.size() == 2);
  CHECK(config.value().nodes[0].keys == std::vector{KeyPin{}});
  REQUIRE(config.value().nodes[1].keys.size() == 2);
  CHECK(text_of(config.value().nodes[1].keys[0]) == kSecond);
  const auto none = parse_config(kAll, "run.toml", "base", {});
  CHECK(none.value().nodes[0].keys.empty());
}

TEST_CASE("config refuses keys: a text that is no fingerprint") {
  const auto one = [](const std::string& line) { return node("a", line) + kRest; };
  check_refusals({
      {one("key = 7"), "run.toml:4:7: [[node]] key: found 7, expected " + kType},
      {one(pin("")), "run.toml:4:7: [[node]] key: found \"\", expected " + kType +
                         "; it does not begin with \"sha256:\""},
      {one(pin(kFirst + "A")),
       "run.toml:4:7: [[node]] key: found \"sha256:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA…\", "
       "expected " +
           kType + "; it has 44 characters after \"sha256:\""},
      {one(pin("sha256:AA=")), "run.toml:4:7: [[node]] key: found \"sha256:AA=\", expected " +
                                   kType +
                                   "; its column 10 is '=', which is no digit of base64url"},
      {one(pin("sha256:A\xe2\x80\x8b")),
       "run.toml:4:7: [[node]] key: found \"sha256:A\xe2\x80\x8b\", expected " + kType +
           "; its column 9 is byte 0xe2, which is no digit of base64url"},
      {one("keys = \"" + kFirst + "\""),
       "run.toml:4:8: [[node]] keys: found \"sha256:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA…\", expected "
       "an array of 1 to 8 of \"sha256:…\""},
      {one("keys = []"),
       "run.toml:4:8: [[node]] keys: found 0 keys, expected an array of 1 to 8 of \"sha256:…\""},
      {one("keys = [\"" + kFirst + "\", 3]"),
       "run.toml:4:63: [[node]] keys: found 3, expected an array of 1 to 8 of \"sha256:…\""},
      {one("keys = [\"" + kFirst + "\", \"" + kFirst + "\"]"),
       "run.toml:4:63: [[node]] keys: found \"" + kFirst +
           "\" twice, expected an array of 1 to 8 of \"sha256:…\"; drop one"},
      {one(pin(kFirst) + "\nkeys = [\"" + kSecond + "\"]"),
       "run.toml:5:8: [[node]] keys: found 'keys' beside 'key', expected an array of 1 to 8 of "
       "\"sha256:…\"; keep one of the two"},
  });
}

TEST_CASE("config refuses keys: of some nodes only, or one of two nodes") {
  check_refusals({
      {node("a", "") + node("b", pin(kFirst)) + kRest,
       "run.toml:2:8: [[node]] key: missing for a, expected one for every node, since b has one "
       "(run.toml:8:7); `starling keygen` makes one"},
      {node("a", pin(kFirst)) + node("b", pin(kFirst)) + kRest,
       "run.toml:8:7: [[node]] key: found \"" + kFirst +
           "\" for b, which is a key of a (run.toml:4:7); expected a different one for each node"},
  });
}

}  // namespace
}  // namespace starling::node
