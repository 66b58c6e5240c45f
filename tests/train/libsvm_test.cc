#include <doctest/doctest.h>

#include "tests/train/files.h"
#include "train/readers.h"

using namespace starling;
using namespace starling::train;
using starling::train::test::TempFolder;

namespace {

std::string message_of(const TempFolder& folder, std::string_view text) {
  folder.write("train", text);
  const auto sets = read_libsvm(folder.file("train"), "");
  REQUIRE_FALSE(sets.ok());
  CHECK(sets.error().code == ErrorCode::data);
  return sets.error().message;
}

}  // namespace

TEST_CASE("libsvm: sparse rows become dense, as wide as the wider of the two files") {
  const TempFolder folder;
  folder.write("train", "-1 1:0.5 3:2\n+1 2:-1e-1\n");
  folder.write("test", "+1 5:1\n");
  const auto sets = read_libsvm(folder.file("train"), folder.file("test"));
  REQUIRE(sets.ok());
  CHECK(sets->train ==
        Dataset{
            .features = 5, .classes = 2, .x = {0.5F, 0, 2, 0, 0, 0, -0.1F, 0, 0, 0}, .y = {0, 1}});
  CHECK(sets->test == Dataset{.features = 5, .classes = 2, .x = {0, 0, 0, 0, 1}, .y = {1}});
}

TEST_CASE("libsvm: CRLF, trailing blanks, empty lines and comments are no data") {
  const TempFolder folder;
  folder.write("train", "1 1:1 \r\n\r\n# remark\r\n2\t2:1 # tail\r\n");
  folder.write("test", "2 1:1");
  const auto sets = read_libsvm(folder.file("train"), folder.file("test"));
  REQUIRE(sets.ok());
  CHECK(sets->train.x == std::vector<float>{1, 0, 0, 1});
  CHECK(sets->train.y == std::vector<std::uint32_t>{0, 1});
}

TEST_CASE("libsvm: arbitrary whole labels become classes in ascending order") {
  const TempFolder folder;
  folder.write("train", "7 1:1\n-3 1:1\n40 1:1\n");
  folder.write("test", "0.0 1:1\n7 1:1\n");
  const auto sets = read_libsvm(folder.file("train"), folder.file("test"));
  REQUIRE(sets.ok());
  CHECK(sets->train.classes == 4);
  CHECK(sets->train.y == std::vector<std::uint32_t>{2, 0, 3});
  CHECK(sets->test.y == std::vector<std::uint32_t>{1, 2});
}

TEST_CASE("libsvm: without a test file every fifth row is held out") {
  const TempFolder folder;
  std::string text;
  for (int row = 1; row <= 11; ++row) {
    text += std::to_string(row % 2) + " 1:" + std::to_string(row) + "\n";
  }
  folder.write("train", text);
  const auto sets = read_libsvm(folder.file("train"), "");
  REQUIRE(sets.ok());
  CHECK(sets->test.x == std::vector<float>{5, 10});
  CHECK(sets->train.x == std::vector<float>{1, 2, 3, 4, 6, 7, 8, 9, 11});
}

TEST_CASE("libsvm: index 0 is refused with the line") {
  const TempFolder folder;
  CHECK(message_of(folder, "1 1:1\n1 0:1\n") ==
        folder.file("train") +
            ":2: index 0 follows 0, expected indices from 1 in ascending order; correct the line "
            "or remove it");
}

TEST_CASE("libsvm: broken entries are refused with what was found") {
  const TempFolder folder;
  for (const std::string word : {"3", "3:", ":3", "a:1", "2:nan", "2:inf", "-1:1", "2:1x"}) {
    CHECK(message_of(folder, "1 " + word + "\n") ==
          folder.file("train") + ":1: found '" + word +
              "', expected index:value; correct the line or remove it");
  }
}

TEST_CASE("libsvm: a repeated index is refused") {
  const TempFolder folder;
  CHECK(message_of(folder, "1 4:1 4:1\n").find("index 4 follows 4") != std::string::npos);
}

TEST_CASE("libsvm: a target that is no whole number is refused") {
  const TempFolder folder;
  CHECK(message_of(folder, "0.53 1:1\n") ==
        folder.file("train") +
            ":1: label '0.53' found, expected a whole number; correct the line or remove it");
  CHECK(message_of(folder, "nan 1:1\n").find("label 'nan'") != std::string::npos);
}

TEST_CASE("libsvm: a huge index takes no memory before it is refused") {
  const TempFolder folder;
  CHECK(message_of(folder, "1 18446744073709551615:1\n").find("expected at most 1073741824") !=
        std::string::npos);
  CHECK(message_of(folder, "1 1073741824:1\n1 1:1\n0 1:1\n0 1:1\n0 1:1\n")
            .find("5 rows of 1073741824 features found") != std::string::npos);
}

TEST_CASE("libsvm: an index that is far from all others does not size the memory") {
  const TempFolder folder;
  CHECK(message_of(folder, "1 1:1\n1 2:1\n0 3:1\n0 4:1\n1 190801480:1\n") ==
        folder.file("train") +
            ": index 190801480 found in 5 rows with 5 values, expected at most 3355443; correct "
            "the index, or give features smaller ones: rows are kept dense");
  folder.write("train", "1 1:1\n0 1:1\n1 1:1\n0 1:1\n1 3355443:1\n");
  CHECK(read_libsvm(folder.file("train"), "").ok());
}

TEST_CASE("libsvm: one label alone cannot be learnt") {
  const TempFolder folder;
  CHECK(message_of(folder, "1 1:1\n1 1:1\n1 1:1\n1 1:1\n1 1:1\n") ==
        folder.file("train") +
            ": 1 distinct labels found, expected 2 to 1000; use a classification data set");
}

TEST_CASE("libsvm: too few rows to hold any out") {
  const TempFolder folder;
  CHECK(message_of(folder, "1 1:1\n").find("name a test file in data.test_path") !=
        std::string::npos);
}

TEST_CASE("libsvm: an empty file, a folder and a missing file say so") {
  const TempFolder folder;
  CHECK(message_of(folder, "").find("found no rows") != std::string::npos);
  const auto as_folder = read_libsvm(folder.path(), "");
  REQUIRE_FALSE(as_folder.ok());
  CHECK(as_folder.error().message ==
        "cannot read " + folder.path().string() +
            ": it is a folder; data.path must name a file in LIBSVM text format");
  folder.write("train", "1 1:1\n");
  const auto missing = read_libsvm(folder.file("train"), folder.file("none"));
  REQUIRE_FALSE(missing.ok());
  CHECK(missing.error().message ==
        "cannot read " + folder.file("none") +
            ": No such file or directory; data.test_path must name a file in LIBSVM text format");
}
