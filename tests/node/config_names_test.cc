#include "node/config_names.h"

#include <doctest/doctest.h>

#include <string>
#include <vector>

namespace starling::node {
namespace {

TEST_CASE("edit_distance counts changes, additions, omissions and swaps") {
  CHECK(edit_distance("", "") == 0);
  CHECK(edit_distance("rank", "rank") == 0);
  CHECK(edit_distance("rank", "Rank") == 0);
  CHECK(edit_distance("", "rank") == 4);
  CHECK(edit_distance("rank", "") == 4);
  CHECK(edit_distance("rnak", "rank") == 1);
  CHECK(edit_distance("ranks", "rank") == 1);
  CHECK(edit_distance("rak", "rank") == 1);
  CHECK(edit_distance("tank", "rank") == 1);
  CHECK(edit_distance("kitten", "sitting") == 3);
}

TEST_CASE("nearest: a slip finds its name, another word finds none") {
  const std::vector<std::string> keys = {"rank", "iterations", "overlap", "relaxation"};
  CHECK(nearest("rnak", keys) == "rank");
  CHECK(nearest("iteration", keys) == "iterations");
  CHECK(nearest("RELAXATON", keys) == "relaxation");
  CHECK(nearest("seed", keys).empty());
  CHECK(nearest("", keys).empty());
  CHECK(nearest("rank", {}).empty());
  CHECK(nearest("n9", {"n0", "n1"}).empty());
  CHECK(nearest("N1", {"n0", "n1"}) == "n1");
  CHECK(nearest("rangs", {"range", "rangy"}) == "range");
  CHECK(nearest(std::string(100'000, 'a'), {std::string(64, 'a')}).empty());
}

TEST_CASE("listed cuts a long list") {
  CHECK(listed({}).empty());
  CHECK(listed({"a", "b"}) == "a, b");
  std::vector<std::string> many;
  for (int i = 0; i < 28; ++i) many.push_back(std::string("n").append(std::to_string(i)));
  CHECK(listed(many) ==
        "n0, n1, n2, n3, n4, n5, n6, n7, n8, n9, n10, n11, n12, n13, n14, n15, n16, "
        "n17, n18, n19, n20, n21, n22, n23 … (28 in all)");
}

}  // namespace
}  // namespace starling::node
