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

TEST_CASE("safetensors: a place that cannot be taken leaves nothing beside it") {
  const TempFolder folder;
  const std::string taken = folder.file("folder");
  std::filesystem::create_directory(taken);
  const auto written = write_safetensors(taken, layout_of_two(), kValues, {});
  REQUIRE_FALSE(written.ok());
  CHECK(written.error().message.find(taken + ": cannot be replaced: ") == 0);
  CHECK_FALSE(std::filesystem::exists(taken + ".new"));
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

TEST_CASE("safetensors: a header length above the limit is refused though the file is as long") {
  const std::string header(17 << 20, ' ');
  CHECK(refusal(with_header(header, 0)) == "header length 17825792, expected at most 16777216");
}

TEST_CASE("safetensors: a header that nests deeply is refused before it is parsed") {
  const std::string deep = std::string(100'000, '[') + std::string(100'000, ']');
  CHECK(refusal(with_header(tensor(deep), 0)) == "its header nests deeper than 8 levels");
  CHECK(refusal(with_header(tensor("[[[[[[[]]]]]]]"), 0)) == "tensor 'x' has no dtype");
  CHECK(refusal(with_header(tensor("[[[[[[[[]]]]]]]]"), 0)) ==
        "its header nests deeper than 8 levels");
}

TEST_CASE("safetensors: brackets in names are no nesting") {
  const std::string name = R"(\"[[[[[[[[[[\\)";
  const std::string entry = R"({"dtype":"F32","shape":[1],"data_offsets":[0,4]})";
  const TempFolder folder;
  folder.write("m", with_header("{\"" + name + "\":" + entry + "}", 4));
  const auto model = read_safetensors(folder.file("m"));
  REQUIRE(model.ok());
  CHECK(model->layout.tensors()[0].name == R"("[[[[[[[[[[\)");
}

TEST_CASE("safetensors: a tensor that is in the header twice") {
  const std::string entry = R"({"dtype":"F32","shape":[1],"data_offsets":[0,4]})";
  CHECK(refusal(with_header("{\"x\":" + entry + ",\"x\":" + entry + "}", 4)) ==
        "tensor 'x' is in the header twice");
}

TEST_CASE("safetensors: a header in another order than the data, as other programs write it") {
  const TempFolder folder;
  std::string file = with_header(R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[4,12]},)"
                                 R"("b":{"shape":[],"data_offsets":[0,4],"dtype":"F32"}})",
                                 0);
  const float values[] = {1, 2, 3};
  file.append(reinterpret_cast<const char*>(values), sizeof values);
  folder.write("m", file);
  const auto model = read_safetensors(folder.file("m"));
  REQUIRE(model.ok());
  CHECK(model->layout.describe() == "b: a:2");
  CHECK(model->parameters == std::vector<float>{1, 2, 3});
}

TEST_CASE("safetensors: a tensor that cannot be is named, with what is wrong with it") {
  const std::vector<std::pair<std::string, std::string>> cases = {
      {R"({"dtype":"BF16","shape":[2],"data_offsets":[0,4]})",
       "is of type BF16, expected F32; convert the file first"},
      {R"({"dtype":3,"shape":[2],"data_offsets":[0,8]})", "has a dtype that is no string"},
      {R"({"dtype":"F32","shape":[2],"data_offsets":[4,12]})",
       "begins at byte 4, expected 0, where the tensor before it ends"},
      {R"({"dtype":"F32","shape":[2],"data_offsets":[0,4]})",
       "lies from byte 0 to 4, expected 8 bytes for its shape"},
      {R"({"dtype":"F32","shape":[0],"data_offsets":[8,0]})",
       "lies from byte 8 to 0, expected 0 bytes for its shape"},
      {R"({"dtype":"F32","shape":[-2],"data_offsets":[0,8]})",
       "has the shape [-2], expected a list of sizes"},
      {R"({"dtype":"F32","shape":2,"data_offsets":[0,8]})",
       "has the shape 2, expected a list of sizes"},
      {R"({"dtype":"F32","shape":[2],"data_offsets":[0]})",
       "has the offsets [0], expected begin and end"},
      {R"({"dtype":"F32","shape":[2],"data_offsets":["0","8"]})",
       R"(has the offsets ["0","8"], expected begin and end)"},
      {R"({"dtype":"F32","shape":[2]})", "has no data_offsets"},
      {R"({"shape":[2],"data_offsets":[0,8]})", "has no dtype"},
      {"[1,2]", "has no dtype"},
      {"null", "has no dtype"},
  };
  for (const auto& [entry, wrong] : cases) {
    CHECK(refusal(with_header(tensor(entry), 8)) == "tensor 'x' " + wrong);
  }
}

TEST_CASE("safetensors: a long or unprintable name does not spoil the sentence") {
  const std::string name = "\\u0007" + std::string(78, 'n') + "äöü";
  CHECK(refusal(with_header("{\"" + name + "\":1}", 0)) ==
        "tensor '?" + std::string(78, 'n') + "…' has no dtype");
}

TEST_CASE("safetensors: a shape whose size overflows is refused before memory is asked for") {
  for (const char* shape : {"[4611686018427387904]", "[4611686018427387904,4]",
                            "[4294967296,4294967296]", "[0,18446744073709551615]"}) {
    const std::string entry =
        std::string(R"({"dtype":"F32","shape":)") + shape + R"(,"data_offsets":[0,0]})";
    CHECK(refusal(with_header(tensor(entry), 0)).find("tensor 'x' has the shape ") == 0);
  }
  // Each possible alone.
  std::string header = "{";
  for (const char* name : {"a", "b"}) {
    const std::uint64_t bytes = std::uint64_t{4} << 40, begin = *name == 'a' ? 0 : bytes;
    header += std::string("\"") + name + R"(":{"dtype":"F32","shape":[1099511627776],)" +
              R"("data_offsets":[)" + std::to_string(begin) + "," + std::to_string(begin + bytes) +
              "]}" + (*name == 'a' ? "," : "}");
  }
  CHECK(refusal(with_header(header, 0)) ==
        "tensor 'b' ends at byte 8796093022208, beyond every file");
}

TEST_CASE("safetensors: two tensors that share bytes, and a gap between two") {
  const auto two = [](const char* offsets) {
    return std::string(R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},)"
                       R"("b":{"dtype":"F32","shape":[2],"data_offsets":)") +
           offsets + "}}";
  };
  CHECK(refusal(with_header(two("[4,12]"), 12)) ==
        "tensor 'b' begins at byte 4, expected 8, where the tensor before it ends");
  CHECK(refusal(with_header(two("[12,20]"), 20)) ==
        "tensor 'b' begins at byte 12, expected 8, where the tensor before it ends");
}
