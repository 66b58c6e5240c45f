// An input is the files of a data set: the first byte says of which kind, a byte 0xff begins the
// next file. Aborts where a set is taken whose rows, features or labels do not fit together, or
// refused without a word.
#include "train/readers.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <array>
#include <cstdlib>
#include <filesystem>
#include <string>

#include "corpus.h"
#include "input.h"
#include "protocol/check.h"

namespace starling::fuzz {
namespace {

namespace fs = std::filesystem;

// A directory of this process.
class Scratch {
 public:
  Scratch() {
    std::string name = (fs::temp_directory_path() / "starling-fuzz-XXXXXX").string();
    INVARIANT(::mkdtemp(name.data()));
    path_ = name;
  }
  ~Scratch() { fs::remove_all(path_); }

  const fs::path& path() const { return path_; }
  void write(const char* name, std::string_view text) const {
    const int file = ::open((path_ / name).c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0600);
    INVARIANT(file >= 0);
    INVARIANT(::write(file, text.data(), text.size()) == static_cast<ssize_t>(text.size()));
    ::close(file);
  }

 private:
  fs::path path_;
};

using Names = std::array<const char*, 4>;
constexpr Names kOptdigits{"optdigits.tra", "optdigits.hol", "optdigits.tes", nullptr};
constexpr Names kIdx{"train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte",
                     "t10k-labels-idx1-ubyte"};
constexpr Names kLibsvm{"train", "test", nullptr, nullptr};

void check(const train::Dataset& data) {
  INVARIANT(data.x.size() == data.rows() * data.features);
  INVARIANT(data.y.size() == data.rows());
  for (const std::uint32_t label : data.y) INVARIANT(label < data.classes);
  for (const float x : data.x) INVARIANT(x == x);
}

Seed seed(int kind, const std::vector<std::string>& files) {
  Seed out{static_cast<std::byte>(kind)};
  for (const std::string& file : files) {
    for (const char c : file) out.push_back(static_cast<std::byte>(c));
    out.push_back(std::byte{0xff});
  }
  out.pop_back();
  return out;
}

}  // namespace

std::vector<Seed> seeds() {
  std::string digit;
  for (int pixel = 0; pixel < 64; ++pixel) digit += fmt::format("{},", pixel % 17);
  const std::string rows = digit + "3\n# a comment\n" + digit + "9\r\n";
  const auto images = [](int count) {
    std::string file{0, 0, 8, 3, 0, 0, 0, static_cast<char>(count), 0, 0, 0, 2, 0, 0, 0, 2};
    for (int i = 0; i < 4 * count; ++i) file += static_cast<char>(i * 7);
    return file;
  };
  const auto labels = [](int count) {
    std::string file{0, 0, 8, 1, 0, 0, 0, static_cast<char>(count)};
    for (int i = 0; i < count; ++i) file += static_cast<char>(i % 3);
    return file;
  };
  return {seed(0, {rows, rows, digit + "0"}),
          seed(0, {rows, digit + "10", rows}),
          seed(1, {images(3), labels(3), images(2), labels(2)}),
          seed(1, {images(3), labels(2), images(2), labels(2)}),
          seed(2, {"+1 1:0.5 3:1e-2\n-1 2:1\n", "-1 1:1 # none\n+1 3:2\n"}),
          seed(2, {"1 1:1\n2 1:2\n3 2:1\n1 2:2\n2 1:1\n", ""}),
          seed(2, {"1 0:1\n", "x 1:1\n"})};
}

}  // namespace starling::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace starling;
  static const fuzz::Scratch scratch;
  fuzz::Input input(data, size);
  const std::size_t kind = input.below(3);
  std::size_t files = 0;
  for (const char* name : kind == 0 ? fuzz::kOptdigits : kind == 1 ? fuzz::kIdx : fuzz::kLibsvm) {
    if (!name) break;
    const std::string_view text = input.text_until(0xff);
    if (!text.empty()) ++files;
    scratch.write(name, text);
  }
  const auto sets = [&]() -> Result<train::DataSets> {
    if (kind == 0) return train::read_optdigits(scratch.path());
    if (kind == 1) return train::read_idx(scratch.path());
    return train::read_libsvm(scratch.path() / "train",
                              files == 2 ? scratch.path() / "test" : std::filesystem::path());
  }();
  if (!sets) {
    INVARIANT(!sets.error().message.empty());
    INVARIANT(sets.error().message.find('\n') == std::string::npos);
    return 0;
  }
  fuzz::check(sets->train);
  fuzz::check(sets->test);
  return 0;
}
