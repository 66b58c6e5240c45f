#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "node/checkpoint_file.h"
#include "node/checkpoint_format.h"
#include "protocol/bytes.h"
#include "protocol/check.h"

namespace starling::node {
namespace {

// What the archive lists, until it is written: texts, and where the large parts lie.
class Listed final : public StateWriter {
 public:
  void value(const std::string& name, std::string text) override {
    values.emplace_back(name, std::move(text));
  }
  void blob(const std::string& name, BlobType type, std::span<const std::byte> data) override {
    INVARIANT(name != kChecksumName);
    (type == BlobType::float32 ? floats : bytes).emplace_back(name, data);
  }

  std::vector<std::pair<std::string, std::string>> values;
  std::vector<std::pair<std::string, std::span<const std::byte>>> floats, bytes;
};

SafetensorsHeader header_of(const CheckpointAbout& about, const Listed& state) {
  SafetensorsHeader header;
  header.notes = {{kFormatNote, kCheckpointFormat},
                  {kVersionNote, fmt::format("{}", kCheckpointVersion)},
                  {kGenerationNote, fmt::format("{}", about.generation)},
                  {kRoundNote, fmt::format("{}", about.round)}};
  for (const FingerprintField& field : about.fingerprint) {
    header.notes[kFingerprintPrefix + field.name] = field.value;
  }
  for (const auto& [name, text] : state.values) header.notes[kStatePrefix + name] = text;
  std::uint64_t end = 0;
  const auto add = [&](const std::string& name, const char* dtype, std::size_t scalars,
                       std::size_t scalar_bytes) {
    const std::uint64_t begin = std::exchange(end, end + scalars * scalar_bytes);
    header.entries.push_back({name, dtype, {scalars}, begin, end});
  };
  // Floats first, so that they all lie aligned.
  for (const auto& [name, data] : state.floats) add(name, "F32", data.size() / 4, 4);
  for (const auto& [name, data] : state.bytes) add(name, "U8", data.size(), 1);
  add(kChecksumName, "U8", kChecksumBytes, 1);
  return header;
}

// Small parts are gathered, large ones are written from where they lie; all are hashed.
class Stream {
 public:
  explicit Stream(Store::Output& out) : out_(out) { gathered_.reserve(kGatheredMax); }

  Result<void> add(std::span<const std::byte> data) {
    hash_.add(data);
    bytes_ += data.size();
    if (data.size() > kGatheredMax - gathered_.size()) {
      if (Result<void> written = flush(); !written) return written;
    }
    if (data.size() >= kGatheredMax) return out_.write(data);
    gathered_.insert(gathered_.end(), data.begin(), data.end());
    return {};
  }
  Result<void> flush() {
    if (gathered_.empty()) return {};
    Result<void> written = out_.write(gathered_);
    gathered_.clear();
    return written;
  }
  std::uint64_t hash() const { return hash_.value(); }
  std::uint64_t bytes() const { return bytes_; }

 private:
  static constexpr std::size_t kGatheredMax = 64 << 10;

  Store::Output& out_;
  RunningHash hash_;
  std::vector<std::byte> gathered_;
  std::uint64_t bytes_ = 0;
};

}  // namespace

Result<std::uint64_t> write_checkpoint(Store::Output& out, const CheckpointAbout& about,
                                       const ArchiveState& state) {
  Listed listed;
  Archive archive(listed);
  state(archive);
  const std::string header = to_json(header_of(about, listed));
  const std::uint64_t header_bytes = header.size();
  if (header_bytes > kSafetensorsHeaderMax) {
    return Error{ErrorCode::io, fmt::format("a checkpoint's header would have {} bytes, a reader "
                                            "takes {}: this node has too many edges for one file",
                                            header_bytes, kSafetensorsHeaderMax)};
  }
  Stream stream(out);
  Result<void> written = stream.add(std::as_bytes(std::span(&header_bytes, 1)));
  const auto add = [&](std::span<const std::byte> data) {
    if (written) written = stream.add(data);
  };
  add(std::as_bytes(std::span(header)));
  for (const auto& [name, data] : listed.floats) add(data);
  for (const auto& [name, data] : listed.bytes) add(data);
  const std::uint64_t checksum = stream.hash();
  add(std::as_bytes(std::span(&checksum, 1)));
  if (written) written = stream.flush();
  if (!written) return written.error();
  return stream.bytes();
}

}  // namespace starling::node
