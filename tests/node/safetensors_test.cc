// Models as files: what is written is read again, and what is broken is refused with a reason.
#include "node/safetensors.h"

#include <doctest/doctest.h>

#include <cstring>
#include <limits>

#include "tests/train/files.h"

using namespace starling;
using namespace starling::node;
using starling::train::test::TempFolder;

namespace {

TensorLayout layout_of_two() {
  TensorLayout layout;
  layout.add("layer0.weight", {2, 3});
  layout.add("layer0.bias", {2});
  return layout;
}

const std::vector<float> kValues = {1, -2, 0.5F, 3e38F, -0.0F, 1e-40F, 7, 8};

std::string with_header(const std::string& header, std::size_t data_bytes) {
  const std::uint64_t size = header.size();
  std::string file(sizeof size, '\0');
  std::memcpy(file.data(), &size, sizeof size);
  return file + header + std::string(data_bytes, '\0');
}

// The refusal of a file with that content, without the file's name.
std::string refusal(const std::string& content) {
  const TempFolder folder;
  folder.write("m.safetensors", content);
  const auto model = read_safetensors(folder.file("m.safetensors"));
  REQUIRE_FALSE(model.ok());
  CHECK(model.error().code == ErrorCode::io);
  const std::string prefix = folder.file("m.safetensors") + ": ";
  REQUIRE(model.error().message.substr(0, prefix.size()) == prefix);
  return model.error().message.substr(prefix.size());
}

std::string tensor(const std::string& entry) { return R"({"x":)" + entry + "}"; }

}  // namespace

TEST_CASE("safetensors: what is written is read, bit for bit") {
  const TempFolder folder;
  const std::string file = folder.file("m.safetensors");
  const std::map<std::string, std::string> notes = {{"round", "40"}, {"run", "ä \"quoted\""}};
  REQUIRE(write_safetensors(file, layout_of_two(), kValues, notes).ok());
  const auto model = read_safetensors(file);
  REQUIRE(model.ok());
  CHECK(model->layout == layout_of_two());
  CHECK(model->notes == notes);
  REQUIRE(model->parameters.size() == kValues.size());
  CHECK(std::memcmp(model->parameters.data(), kValues.data(), kValues.size() * 4) == 0);
}

// The format as its readers know it: length, JSON padded with spaces to eight bytes, raw data.
TEST_CASE("safetensors: the bytes of a small file") {
  const TempFolder folder;
  TensorLayout layout;
  layout.add("x", {1, 2});
  REQUIRE(write_safetensors(folder.file("m"), layout, std::vector<float>{1, 2}, {}).ok());
  std::string header =
      R"({"__metadata__":{},"x":{"dtype":"F32","shape":[1,2],"data_offsets":[0,8]}})";
  header.resize((header.size() + 7) / 8 * 8, ' ');
  const std::string file = folder.read("m");
  CHECK(file.substr(0, 8 + header.size()) == with_header(header, 0));
  CHECK(file.substr(8 + header.size()) == std::string("\0\0\x80\x3f\0\0\0\x40", 8));
}

TEST_CASE("safetensors: a model without tensors is a model") {
  const TempFolder folder;
  REQUIRE(write_safetensors(folder.file("m"), {}, {}, {}).ok());
  CHECK(read_safetensors(folder.file("m"))->parameters.empty());
}

TEST_CASE("safetensors: a note that is not UTF-8 is mended, not refused") {
  const TempFolder folder;
  REQUIRE(write_safetensors(folder.file("m"), {}, {}, {{"path", "a\xff"}}).ok());
  CHECK(read_safetensors(folder.file("m"))->notes.at("path") == "a\xef\xbf\xbd");
}

TEST_CASE("safetensors: the file is replaced as a whole and nothing stays beside it") {
  const TempFolder folder;
  const std::string file = folder.file("m.safetensors");
  folder.write("m.safetensors", "something older and longer than the model that follows it");
  folder.write("m.safetensors.new", "left by a process that died");
  REQUIRE(write_safetensors(file, layout_of_two(), kValues, {}).ok());
  CHECK(read_safetensors(file).ok());
  CHECK_FALSE(std::filesystem::exists(file + ".new"));
}

TEST_CASE("safetensors: a file that cannot be written leaves the old one alone") {
  const TempFolder folder;
  const std::string file = folder.file("m.safetensors");
  folder.write("m.safetensors", "old");
  std::filesystem::create_directory(file + ".new");  // stands in the way
  const auto written = write_safetensors(file, layout_of_two(), kValues, {});
  REQUIRE_FALSE(written.ok());
  CHECK(written.error().code == ErrorCode::io);
  CHECK(written.error().message.find(file + ".new: cannot be written: ") == 0);
  CHECK(folder.read("m.safetensors") == "old");
}

TEST_CASE("safetensors: a file that is not there") {
  const TempFolder folder;
  CHECK(read_safetensors(folder.file("none")).error().message ==
        folder.file("none") + ": cannot be read; it should be a .safetensors file");
}

TEST_CASE("safetensors: a file that is cut off anywhere is refused") {
  const TempFolder folder;
  REQUIRE(write_safetensors(folder.file("m"), layout_of_two(), kValues, {}).ok());
  const std::string whole = folder.read("m");
  for (std::size_t size = 0; size < whole.size(); ++size) {
    CAPTURE(size);
    CHECK(refusal(whole.substr(0, size)).find(std::to_string(size) + " bytes") !=
          std::string::npos);
  }
  CHECK(refusal(whole + "more").find(std::to_string(whole.size() + 4) + " bytes") !=
        std::string::npos);
}

TEST_CASE("safetensors: a header length that lies is not believed") {
  for (const std::uint64_t length :
       {std::uint64_t{1} << 20, std::uint64_t{1} << 40, std::numeric_limits<std::uint64_t>::max(),
        std::numeric_limits<std::uint64_t>::max() - 7}) {
    std::string file(64, ' ');
    std::memcpy(file.data(), &length, sizeof length);
    CHECK(refusal(file) ==
          "header length " + std::to_string(length) + " does not fit a file of 64 bytes");
  }
}

TEST_CASE("safetensors: a header that is no JSON object") {
  for (const char* header : {"", "{", "[]", "null", "F32", "{\"x\":1}}"}) {
    CHECK(refusal(with_header(header, 0)) == "its header is no JSON object");
  }
}

TEST_CASE("safetensors: a tensor that this program did not write is named") {
  const std::string rest = ", expected F32 data that follows the tensor before it";
  for (const std::string entry : {
           R"({"dtype":"F16","shape":[2],"data_offsets":[0,8]})",  // another type
           R"({"dtype":3,"shape":[2],"data_offsets":[0,8]})",
           R"({"dtype":"F32","shape":[2],"data_offsets":[4,12]})",  // a gap
           R"({"dtype":"F32","shape":[2],"data_offsets":[0,4]})",   // shape and place disagree
           R"({"dtype":"F32","shape":[-2],"data_offsets":[0,8]})",
           R"({"dtype":"F32","shape":2,"data_offsets":[0,8]})",
           R"({"dtype":"F32","shape":[2],"data_offsets":[0]})",
           R"({"dtype":"F32","shape":[2],"data_offsets":["0","8"]})",
           R"({"dtype":"F32","shape":[2]})",
           R"({"shape":[2],"data_offsets":[0,8]})",
           "[1,2]",
           "null",
       }) {
    CHECK(refusal(with_header(tensor(entry), 8)) == "tensor 'x' is " + entry + rest);
  }
}

TEST_CASE("safetensors: a shape whose size overflows is refused before memory is asked for") {
  for (const char* shape : {"[4611686018427387904]", "[4611686018427387904,4]",
                            "[4294967296,4294967296]", "[0,18446744073709551615]"}) {
    const std::string entry =
        std::string(R"({"dtype":"F32","shape":)") + shape + R"(,"data_offsets":[0,0]})";
    CHECK(refusal(with_header(tensor(entry), 0)).find("tensor 'x' is ") == 0);
  }
}

TEST_CASE("safetensors: two tensors that share bytes are refused") {
  const std::string header = R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},)"
                             R"("b":{"dtype":"F32","shape":[2],"data_offsets":[4,12]}})";
  CHECK(refusal(with_header(header, 12)).find("tensor 'b' is ") == 0);
}
