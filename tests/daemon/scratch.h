// A directory that is gone with the test.
#pragma once

#include <cstdlib>
#include <filesystem>
#include <string>

namespace starling::daemon {

struct Scratch {
  Scratch() {
    std::string name = (std::filesystem::temp_directory_path() / "starling-test-XXXXXX").string();
    path = ::mkdtemp(name.data());
  }
  ~Scratch() { std::filesystem::remove_all(path); }
  std::filesystem::path path;
};

}  // namespace starling::daemon
