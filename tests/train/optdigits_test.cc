#include <doctest/doctest.h>

#include "tests/train/files.h"
#include "train/readers.h"

using namespace starling;
using namespace starling::train;
using starling::train::test::TempFolder;

namespace {

const std::filesystem::path kShipped = STARLING_SOURCE_DIR "/data/uci-optdigits";

// 64 pixels of the given value, and the digit.
std::string line(int pixel, int digit) {
  std::string text;
  for (int i = 0; i < 64; ++i) text.append(std::to_string(pixel)).append(",");
  return text.append(std::to_string(digit)).append("\n");
}

void write_good(const TempFolder& folder) {
  folder.write("optdigits.tra", std::string("# a comment\n").append(line(16, 9)));
  folder.write("optdigits.hol", line(4, 2));
  folder.write("optdigits.tes", line(0, 0));
}

}  // namespace

TEST_CASE("optdigits: the shipped files have UCI's rows") {
  const auto sets = read_optdigits(kShipped);
  REQUIRE(sets.ok());
  CHECK(sets->train.rows() == 3823);
  CHECK(sets->test.rows() == 1797);
  CHECK(sets->train.features == 64);
  CHECK(sets->train.classes == 10);
  CHECK(sets->train.x.size() == 3823 * 64);
  CHECK(sets->test.row(0)[2] == 5.0F / 16);
  CHECK(sets->test.y[0] == 0);
}

TEST_CASE("optdigits: tra comes before hol, pixels are divided by 16, comments are skipped") {
  const TempFolder folder;
  write_good(folder);
  const auto sets = read_optdigits(folder.path());
  REQUIRE(sets.ok());
  REQUIRE(sets->train.rows() == 2);
  CHECK(sets->train.y == std::vector<std::uint32_t>{9, 2});
  CHECK(sets->train.row(0)[0] == 1.0F);
  CHECK(sets->train.row(1)[63] == 0.25F);
}

TEST_CASE("optdigits: CRLF and a last line without an end are read") {
  const TempFolder folder;
  write_good(folder);
  std::string text = line(16, 9);
  text.back() = '\r';
  text.append("\n").append(line(1, 3));
  text.pop_back();
  folder.write("optdigits.tra", text);
  const auto sets = read_optdigits(folder.path());
  REQUIRE(sets.ok());
  CHECK(sets->train.y == std::vector<std::uint32_t>{9, 3, 2});
}

TEST_CASE("optdigits: a missing file is named together with what the folder should hold") {
  const TempFolder folder;
  write_good(folder);
  std::filesystem::remove(folder.file("optdigits.hol"));
  const auto sets = read_optdigits(folder.path());
  REQUIRE_FALSE(sets.ok());
  CHECK(sets.error().code == ErrorCode::data);
  CHECK(sets.error().message ==
        "cannot read " + folder.file("optdigits.hol") +
            ": No such file or directory; data.path must name the folder with optdigits.tra, "
            "optdigits.hol and optdigits.tes");
}

TEST_CASE("optdigits: a pixel out of range is named with line and place") {
  const TempFolder folder;
  write_good(folder);
  folder.write("optdigits.tes", line(0, 0).append("0,17").append(line(0, 0), 3));
  const auto sets = read_optdigits(folder.path());
  REQUIRE_FALSE(sets.ok());
  CHECK(sets.error().message ==
        folder.file("optdigits.tes") +
            ":2: value 2 is '17', expected a whole number from 0 to 16; correct the line or "
            "restore the file from the UCI archive");
}

TEST_CASE("optdigits: a line cut short is refused with both counts") {
  const TempFolder folder;
  write_good(folder);
  folder.write("optdigits.tra", "1,2,3\n");
  const auto sets = read_optdigits(folder.path());
  REQUIRE_FALSE(sets.ok());
  CHECK(sets.error().message ==
        folder.file("optdigits.tra") +
            ":1: found 3 values, expected 65 (the pixels and the digit); correct the line or "
            "restore the file from the UCI archive");
}

TEST_CASE("optdigits: words, fractions and a digit of 10 are no values") {
  const TempFolder folder;
  for (const std::string& bad : {std::string("x,1\n"), std::string("1.5,1\n"), line(3, 10)}) {
    write_good(folder);
    folder.write("optdigits.tra", bad);
    CHECK_FALSE(read_optdigits(folder.path()).ok());
  }
}

TEST_CASE("optdigits: a file of comments alone has no rows") {
  const TempFolder folder;
  write_good(folder);
  folder.write("optdigits.tes", "# nothing\n\n");
  const auto sets = read_optdigits(folder.path());
  REQUIRE_FALSE(sets.ok());
  CHECK(sets.error().message.find("optdigits.tes: found no rows") != std::string::npos);
}
