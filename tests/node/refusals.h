// The table of refusals: a run file, the overrides, and the one sentence that answers them.
#pragma once

#include <doctest/doctest.h>

#include <string>
#include <vector>

#include "node/config.h"

namespace starling::node {

struct Refusal {
  std::string text;
  std::string message;
  std::vector<std::string> overrides = {};
};

// What stands after the text under test, so that only the text is wrong.
inline const std::string kRing = "[topology]\nnodes = 4\n";
inline const std::string kRest = "[data]\npath = \"d\"\n[model]\nhidden = [8]\n";
inline const std::string kAll = kRing + kRest;
inline const std::string kFriends =
    "[[node]]\nname = \"ann\"\naddress = \"h:1\"\n"
    "[[node]]\nname = \"bob\"\naddress = \"h:2\"\n"
    "[[node]]\nname = \"cleo\"\naddress = \"h:3\"\n";

inline std::string address(const std::string& address) {
  return "[[node]]\nname = \"a\"\naddress = \"" + address + "\"\n";
}

inline void check_refusals(const std::vector<Refusal>& refusals) {
  for (const Refusal& refusal : refusals) {
    CAPTURE(refusal.text);
    const auto config = parse_config(refusal.text, "run.toml", "base", refusal.overrides);
    REQUIRE_FALSE(config.ok());
    CHECK(config.error().code == ErrorCode::config);
    CHECK(config.error().message == refusal.message);
    CHECK(config.error().message.find('\n') == std::string::npos);
  }
}

}  // namespace starling::node
