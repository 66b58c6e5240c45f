#include <fmt/format.h>
#include <zlib.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cmath>
#include <cstring>
#include <memory>
#include <string>

#include "train/readers.h"

namespace starling::train {
namespace {

namespace fs = std::filesystem;

// The IDX magic of unsigned bytes is 0x0800 + the number of dimensions, big endian; the dimensions
// follow, four bytes each.
constexpr std::uint32_t kMagicBytes = 0x0800;
constexpr std::size_t kWord = 4;
constexpr std::size_t kRankMax = 3;
// Deflate cannot shrink data further than about 1032 : 1 (zlib's technical notes).
constexpr std::uint64_t kDeflateRatioMax = 1032;
constexpr std::size_t kReadBytes = std::size_t{1} << 20;

constexpr const char* kAgain = "download the file again";

struct IdxFile {
  std::string path;
  std::array<std::uint32_t, kRankMax> shape{1, 1, 1};
  std::vector<std::uint8_t> bytes;  // as many as the product of the shape
};

// One file being read, through zlib when it is packed. Owns the handle.
class Input {
 public:
  Input(const fs::path& path, bool packed)
      : path_(path.string()), packed_(packed), file_(gzopen(path_.c_str(), "rb")) {}

  const std::string& path() const { return path_; }
  bool packed() const { return packed_; }
  bool open() const { return file_ != nullptr; }
  // A plain file under a .gz name: zlib would pass it through.
  bool falsely_packed() const { return packed_ && gzdirect(file_.get()) != 0; }

  // The bytes read, fewer than `size` at the end of the data or at damage.
  std::size_t read(std::uint8_t* to, std::size_t size) {
    std::size_t done = 0;
    while (done < size) {
      const auto part = static_cast<unsigned>(std::min(size - done, kReadBytes));
      const int got = gzread(file_.get(), to + done, part);
      if (got <= 0) break;
      done += static_cast<std::size_t>(got);
    }
    return done;
  }

  // zlib's complaint; empty when there is none.
  std::string damage() const {
    int code = Z_OK;
    const char* text = gzerror(file_.get(), &code);
    if (code == Z_OK || code == Z_STREAM_END) return {};
    return code == Z_ERRNO ? std::strerror(errno) : text;
  }

 private:
  struct Close {
    void operator()(gzFile_s* file) const { gzclose_r(file); }
  };
  std::string path_;
  bool packed_;
  std::unique_ptr<gzFile_s, Close> file_;
};

Error refused(const std::string& path, const std::string& problem) {
  return {ErrorCode::data, fmt::format("{}: {}; {}", path, problem, kAgain)};
}

Result<Input> open_input(const fs::path& folder, const std::string& name) {
  for (const bool packed : {false, true}) {
    const fs::path path = folder / (packed ? name + ".gz" : name);
    std::error_code ignored;
    if (!fs::is_regular_file(path, ignored)) continue;
    errno = 0;
    Input input(path, packed);
    if (input.open()) {
      if (input.falsely_packed()) {
        return refused(input.path(), "found no gzip header, expected gzip data");
      }
      return input;
    }
    return Error{ErrorCode::data, fmt::format("cannot read {}: {}; check its permissions",
                                              path.string(), std::strerror(errno))};
  }
  return Error{ErrorCode::data,
               fmt::format("cannot find {} or {}.gz in {}; data.path must name the folder with the "
                           "four IDX files, MNIST's names",
                           name, name, folder.string())};
}

std::uint32_t big_endian(const std::uint8_t* at) {
  return std::uint32_t{at[0]} << 24 | std::uint32_t{at[1]} << 16 | std::uint32_t{at[2]} << 8 |
         std::uint32_t{at[3]};
}

Error cut_short(const Input& input, std::uint64_t found, std::uint64_t expected) {
  const std::string damage = input.damage();
  return refused(input.path(), fmt::format("{} bytes found{}, expected {}{}", found,
                                           input.packed() ? " after unpacking" : "", expected,
                                           damage.empty() ? "" : " (zlib: " + damage + ")"));
}

// Reads the header into file.shape and returns the number of bytes that must follow it.
Result<std::uint64_t> read_header(Input& input, std::size_t rank, IdxFile& file) {
  std::array<std::uint8_t, kWord * (1 + kRankMax)> header{};
  const std::size_t size = kWord * (1 + rank);
  if (const std::size_t got = input.read(header.data(), size); got < size) {
    return cut_short(input, got, size);
  }
  if (const std::uint32_t magic = big_endian(header.data()); magic != kMagicBytes + rank) {
    return refused(input.path(), fmt::format("magic {:#010x} found at offset 0, expected {:#010x}",
                                             magic, kMagicBytes + rank));
  }
  std::error_code unknown;
  const std::uint64_t on_disk = fs::file_size(input.path(), unknown);
  const std::uint64_t most = unknown ? 0 : on_disk * (input.packed() ? kDeflateRatioMax : 1);
  std::uint64_t bytes = 1;
  for (std::size_t d = 0; d < rank; ++d) {
    file.shape[d] = big_endian(header.data() + kWord * (1 + d));
    if (file.shape[d] == 0 || bytes > most / file.shape[d]) {
      return refused(input.path(),
                     fmt::format("the header's dimension {} is {}, expected 1 or more and no more "
                                 "data than the file's {} bytes can hold",
                                 d + 1, file.shape[d], on_disk));
    }
    bytes *= file.shape[d];
  }
  return bytes;
}

Result<IdxFile> read_idx_file(const fs::path& folder, const std::string& name, std::size_t rank) {
  Result<Input> input = open_input(folder, name);
  if (!input) return input.error();
  IdxFile file{.path = input->path(), .shape = {1, 1, 1}, .bytes = {}};
  const Result<std::uint64_t> expected = read_header(*input, rank, file);
  if (!expected) return expected.error();
  const std::uint64_t header = kWord * (1 + rank);
  file.bytes.resize(*expected);
  const std::size_t got = input->read(file.bytes.data(), file.bytes.size());
  if (got < file.bytes.size()) return cut_short(*input, header + got, header + *expected);
  // Reading on makes zlib verify its checksum, and finds what does not belong here.
  std::uint8_t extra = 0;
  const bool longer = input->read(&extra, 1) == 1;
  if (longer) {
    return refused(file.path, fmt::format("more than the {} bytes found that its header declares",
                                          header + *expected));
  }
  if (const std::string damage = input->damage(); !damage.empty()) {
    return refused(file.path,
                   fmt::format("gzip data damaged (zlib: {}), expected an intact file", damage));
  }
  return file;
}

struct Scale {
  double mean = 0;
  double deviation = 1;
};

// Over all pixels/255, exactly, from a histogram of the bytes.
Scale scale_of(const std::vector<std::uint8_t>& pixels) {
  std::array<double, 256> count{};
  for (const std::uint8_t p : pixels) count[p] += 1;
  double sum = 0, squares = 0;
  for (std::size_t p = 0; p < count.size(); ++p) {
    sum += count[p] * static_cast<double>(p);
    squares += count[p] * static_cast<double>(p * p);
  }
  const double n = static_cast<double>(pixels.size());
  const double variance = squares / n - (sum / n) * (sum / n);
  return {sum / n / 255, variance > 0 ? std::sqrt(variance) / 255 : 1};
}

Result<Dataset> to_dataset(const IdxFile& images, const IdxFile& labels, const Scale& scale) {
  if (images.shape[0] != labels.shape[0]) {
    return Error{ErrorCode::data,
                 fmt::format("{}: {} labels found, expected {} as {} has images; use files of the "
                             "same data set",
                             labels.path, labels.shape[0], images.shape[0], images.path)};
  }
  std::array<float, 256> value{};
  for (std::size_t p = 0; p < value.size(); ++p) {
    value[p] = static_cast<float>((static_cast<double>(p) / 255 - scale.mean) / scale.deviation);
  }
  Dataset data;
  data.features = std::size_t{images.shape[1]} * images.shape[2];
  data.x.resize(images.bytes.size());
  std::transform(images.bytes.begin(), images.bytes.end(), data.x.begin(),
                 [&](std::uint8_t p) { return value[p]; });
  data.y.assign(labels.bytes.begin(), labels.bytes.end());
  data.classes = std::size_t{*std::max_element(labels.bytes.begin(), labels.bytes.end())} + 1;
  return data;
}

}  // namespace

Result<DataSets> read_idx(const fs::path& folder) {
  std::array<IdxFile, 4> files;
  constexpr std::array kNames = {"train-images-idx3-ubyte", "train-labels-idx1-ubyte",
                                 "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"};
  for (std::size_t i = 0; i < files.size(); ++i) {
    Result<IdxFile> file = read_idx_file(folder, kNames[i], i % 2 == 0 ? 3 : 1);
    if (!file) return file.error();
    files[i] = std::move(*file);
  }
  const auto& [train_images, train_labels, test_images, test_labels] = files;
  if (train_images.shape[1] != test_images.shape[1] ||
      train_images.shape[2] != test_images.shape[2]) {
    return Error{ErrorCode::data,
                 fmt::format("{}: images of {}x{} found, expected {}x{} as in {}; use files of the "
                             "same data set",
                             test_images.path, test_images.shape[1], test_images.shape[2],
                             train_images.shape[1], train_images.shape[2], train_images.path)};
  }
  const Scale scale = scale_of(train_images.bytes);
  Result<Dataset> train = to_dataset(train_images, train_labels, scale);
  if (!train) return train.error();
  Result<Dataset> test = to_dataset(test_images, test_labels, scale);
  if (!test) return test.error();
  train->classes = test->classes = std::max({train->classes, test->classes, std::size_t{2}});
  return DataSets{std::move(*train), std::move(*test)};
}

}  // namespace starling::train
