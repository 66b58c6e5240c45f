// Saved state in memory: what a checkpoint file is to the archive, without the file.
#pragma once

#include <algorithm>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "protocol/archive.h"

namespace starling {

// Copies what is saved. The maps are open, so that a test can damage them before loading.
struct MemoryState final : StateWriter, StateReader {
  struct Saved {
    BlobType type;
    std::vector<std::byte> data;
    bool operator==(const Saved&) const = default;
  };
  std::map<std::string, std::string> values;
  std::map<std::string, Saved> blobs;

  void value(const std::string& name, std::string text) override { values[name] = std::move(text); }
  void blob(const std::string& name, BlobType type, std::span<const std::byte> data) override {
    blobs[name] = {type, {data.begin(), data.end()}};
  }

  std::vector<std::string> names() const override {
    std::vector<std::string> all;
    for (const auto& [name, text] : values) all.push_back(name);
    for (const auto& [name, saved] : blobs) all.push_back(name);
    return all;
  }
  std::optional<std::string> value(const std::string& name) const override {
    const auto at = values.find(name);
    if (at == values.end()) return std::nullopt;
    return at->second;
  }
  std::optional<Blob> blob(const std::string& name) const override {
    const auto at = blobs.find(name);
    if (at == blobs.end()) return std::nullopt;
    return Blob{at->second.type, at->second.data.size()};
  }
  Result<void> read(const std::string& name, std::span<std::byte> out) const override {
    std::ranges::copy(blobs.at(name).data, out.begin());
    return {};
  }

  bool operator==(const MemoryState& other) const {
    return values == other.values && blobs == other.blobs;
  }
};

}  // namespace starling
