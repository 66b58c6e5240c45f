// Gives every file of a directory to a fuzz target, without a fuzzer: what CI runs under the
// sanitizers with any compiler.
//   replay_NAME DIR           every file, sorted by name
//   replay_NAME --seeds DIR   writes the target's own seeds
#include <fmt/format.h>

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

#include "corpus.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

namespace {

namespace fs = std::filesystem;

int write_seeds(const fs::path& directory) {
  fs::create_directories(directory);
  int number = 0;
  for (const starling::fuzz::Seed& seed : starling::fuzz::seeds()) {
    std::ofstream out(directory / fmt::format("seed-{:03}", number++), std::ios::binary);
    out.write(reinterpret_cast<const char*>(seed.data()),
              static_cast<std::streamsize>(seed.size()));
    if (!out.flush()) return std::fprintf(stderr, "replay: cannot write a seed\n"), 1;
  }
  return 0;
}

int replay(const fs::path& directory) {
  std::vector<fs::path> files;
  for (const auto& entry : fs::directory_iterator(directory)) files.push_back(entry.path());
  std::ranges::sort(files);
  for (const fs::path& file : files) {
    std::ifstream in(file, std::ios::binary);
    const std::string bytes{std::istreambuf_iterator<char>(in), {}};
    // Of its exact size, so that the sanitizer sees a read behind it.
    const std::vector<std::uint8_t> input(bytes.begin(), bytes.end());
    LLVMFuzzerTestOneInput(input.data(), input.size());
  }
  std::printf("replayed %zu inputs of %s\n", files.size(), directory.c_str());
  return files.empty() ? 1 : 0;
}

}  // namespace

int main(int argc, char** argv) {
  const bool seeds = argc == 3 && std::string(argv[1]) == "--seeds";
  if (argc != 2 && !seeds) {
    std::fprintf(stderr, "usage: replay_NAME [--seeds] DIR\n");
    return 2;
  }
  return seeds ? write_seeds(argv[2]) : replay(argv[1]);
}
