#include <doctest/doctest.h>

#include <cmath>

#include "tests/train/files.h"
#include "train/readers.h"

using namespace starling;
using namespace starling::train;
using starling::train::test::TempFolder;

namespace {

constexpr const char* kTrainImages = "train-images-idx3-ubyte";
constexpr const char* kTrainLabels = "train-labels-idx1-ubyte";
constexpr const char* kTestImages = "t10k-images-idx3-ubyte";
constexpr const char* kTestLabels = "t10k-labels-idx1-ubyte";

std::string word(std::uint32_t value) {
  std::string bytes;
  for (int shift = 24; shift >= 0; shift -= 8) bytes += static_cast<char>(value >> shift);
  return bytes;
}

std::string images(std::uint32_t count, std::uint32_t rows, std::uint32_t columns,
                   const std::string& pixels) {
  return word(0x803) + word(count) + word(rows) + word(columns) + pixels;
}

std::string labels(const std::string& values) {
  return word(0x801) + word(static_cast<std::uint32_t>(values.size())) + values;
}

// Two training images of 1×2 pixels and one test image.
void write_good(const TempFolder& folder) {
  folder.write(kTrainImages, images(2, 1, 2, std::string("\x00\xff\x00\xff", 4)));
  folder.write(kTrainLabels, labels(std::string("\x00\x03", 2)));
  folder.write(kTestImages, images(1, 1, 2, std::string("\xff\x00", 2)));
  folder.write(kTestLabels, labels("\x01"));
}

std::string message_of(const TempFolder& folder) {
  const auto sets = read_idx(folder.path());
  REQUIRE_FALSE(sets.ok());
  CHECK(sets.error().code == ErrorCode::data);
  return sets.error().message;
}

}  // namespace

TEST_CASE("idx: pixels are normalised by the training set's mean and deviation") {
  const TempFolder folder;
  write_good(folder);
  const auto sets = read_idx(folder.path());
  REQUIRE(sets.ok());
  // Half the training pixels are 0 and half 1: mean 1/2, deviation 1/2.
  CHECK(sets->train == Dataset{.features = 2, .classes = 4, .x = {-1, 1, -1, 1}, .y = {0, 3}});
  CHECK(sets->test == Dataset{.features = 2, .classes = 4, .x = {1, -1}, .y = {1}});
}

TEST_CASE("idx: packed and plain files read the same") {
  const TempFolder plain, packed;
  write_good(plain);
  for (const char* name : {kTrainImages, kTrainLabels, kTestImages, kTestLabels}) {
    packed.write_gz(std::string(name) + ".gz", plain.read(name));
  }
  const auto a = read_idx(plain.path()), b = read_idx(packed.path());
  REQUIRE(a.ok());
  REQUIRE(b.ok());
  CHECK(a->train == b->train);
  CHECK(a->test == b->test);
}

TEST_CASE("idx: a missing file is named in both spellings") {
  const TempFolder folder;
  write_good(folder);
  std::filesystem::remove(folder.file(kTestLabels));
  CHECK(message_of(folder) ==
        "cannot find t10k-labels-idx1-ubyte or t10k-labels-idx1-ubyte.gz in " +
            folder.path().string() +
            "; data.path must name the folder with the four IDX files, MNIST's names");
}

TEST_CASE("idx: images where labels belong are told by their magic") {
  const TempFolder folder;
  write_good(folder);
  folder.write(kTrainLabels, folder.read(kTrainImages));
  CHECK(message_of(folder) == folder.file(kTrainLabels) +
                                  ": magic 0x00000803 found at offset 0, expected 0x00000801; "
                                  "download the file again");
}

TEST_CASE("idx: a plain file cut short anywhere is refused") {
  const TempFolder folder;
  write_good(folder);
  const std::string whole = folder.read(kTrainImages);
  for (std::size_t size = 0; size < whole.size(); ++size) {
    folder.write(kTrainImages, whole.substr(0, size));
    CHECK_FALSE(read_idx(folder.path()).ok());
  }
  folder.write(kTrainImages, whole.substr(0, whole.size() - 1));
  CHECK(message_of(folder) ==
        folder.file(kTrainImages) + ": 19 bytes found, expected 20; download the file again");
}

TEST_CASE("idx: a packed file cut short anywhere is refused") {
  const TempFolder folder;
  write_good(folder);
  const std::string content = folder.read(kTestImages);
  std::filesystem::remove(folder.file(kTestImages));
  const std::string name = std::string(kTestImages) + ".gz";
  folder.write_gz(name, content);
  const std::string whole = folder.read(name);
  for (std::size_t size = 0; size < whole.size(); ++size) {
    folder.write(name, whole.substr(0, size));
    CHECK_FALSE(read_idx(folder.path()).ok());
  }
  folder.write(name, whole.substr(0, whole.size() - 9));
  CHECK(message_of(folder).find("(zlib: ") != std::string::npos);
}

TEST_CASE("idx: a flipped byte in a packed file fails its checksum") {
  const TempFolder folder;
  write_good(folder);
  const std::string content = folder.read(kTrainImages);
  std::filesystem::remove(folder.file(kTrainImages));
  const std::string name = std::string(kTrainImages) + ".gz";
  folder.write_gz(name, content);
  std::string damaged = folder.read(name);
  damaged[damaged.size() - 6] ^= 1;  // in the CRC
  folder.write(name, damaged);
  CHECK(message_of(folder).find("incorrect data check") != std::string::npos);
}

TEST_CASE("idx: a plain file named .gz is refused") {
  const TempFolder folder;
  write_good(folder);
  const std::string content = folder.read(kTrainLabels);
  std::filesystem::remove(folder.file(kTrainLabels));
  folder.write(std::string(kTrainLabels) + ".gz", content);
  CHECK(message_of(folder) ==
        folder.file(kTrainLabels) +
            ".gz: found no gzip header, expected gzip data; download the file again");
}

TEST_CASE("idx: a header that declares more than the file can hold takes no memory") {
  const TempFolder folder;
  write_good(folder);
  folder.write(kTrainImages, images(0xffffffff, 0xffffffff, 0xffffffff, "abcd"));
  CHECK(message_of(folder) ==
        folder.file(kTrainImages) +
            ": the header's dimension 1 is 4294967295, expected 1 or more and no more data than "
            "the file's 20 bytes can hold; download the file again");
  std::filesystem::remove(folder.file(kTrainImages));
  folder.write_gz(std::string(kTrainImages) + ".gz", images(60000, 28, 28, "abcd"));
  CHECK(message_of(folder).find("dimension 1 is 60000, expected") != std::string::npos);
}

TEST_CASE("idx: no images at all are refused") {
  const TempFolder folder;
  write_good(folder);
  folder.write(kTrainImages, images(0, 1, 2, ""));
  CHECK(message_of(folder).find("dimension 1 is 0") != std::string::npos);
}

TEST_CASE("idx: bytes after the declared data are refused") {
  const TempFolder folder;
  write_good(folder);
  folder.write(kTestLabels, labels("\x01") + "x");
  CHECK(message_of(folder) ==
        folder.file(kTestLabels) +
            ": more than the 9 bytes found that its header declares; download the file again");
}

TEST_CASE("idx: as many labels as images") {
  const TempFolder folder;
  write_good(folder);
  folder.write(kTrainLabels, labels("\x01\x01\x01"));
  CHECK(message_of(folder) == folder.file(kTrainLabels) + ": 3 labels found, expected 2 as " +
                                  folder.file(kTrainImages) +
                                  " has images; use files of the same data set");
}

TEST_CASE("idx: test images of another size are refused") {
  const TempFolder folder;
  write_good(folder);
  folder.write(kTestImages, images(1, 2, 2, "abcd"));
  CHECK(message_of(folder).find("images of 2x2 found, expected 1x2") != std::string::npos);
}
