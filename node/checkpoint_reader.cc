#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "node/checkpoint_file.h"
#include "node/checkpoint_format.h"
#include "protocol/bytes.h"

namespace starling::node {
namespace {

constexpr std::size_t kBufferBytes = 1 << 20;

Error broken(std::string what) { return {ErrorCode::io, std::move(what)}; }

Result<std::uint64_t> number_at(const Store::Input& input, std::uint64_t offset) {
  std::uint64_t number = 0;
  const auto read = input.read(offset, std::as_writable_bytes(std::span(&number, 1)));
  if (!read) return read.error();
  return number;
}

Result<std::uint64_t> hash_of_first(const Store::Input& input, std::uint64_t bytes) {
  std::vector<std::byte> buffer(std::min<std::uint64_t>(bytes, kBufferBytes));
  RunningHash hash;
  for (std::uint64_t offset = 0; offset < bytes; offset += buffer.size()) {
    const auto piece =
        std::span(buffer).first(std::min<std::uint64_t>(buffer.size(), bytes - offset));
    if (const auto read = input.read(offset, piece); !read) return read.error();
    hash.add(piece);
  }
  return hash.value();
}

struct HeaderAt {
  SafetensorsHeader header;
  std::uint64_t data_begin = 0;
};

Result<HeaderAt> read_header(const Store::Input& input) {
  const auto header_bytes = number_at(input, 0);
  if (!header_bytes) return header_bytes.error();
  if (const auto wrong = objection_to_header_length(*header_bytes, input.size())) return *wrong;
  std::string text(*header_bytes, '\0');
  const auto read = input.read(8, std::as_writable_bytes(std::span(text)));
  if (!read) return read.error();
  auto header = parse_safetensors_header(text);
  if (!header) return header.error();
  return HeaderAt{std::move(*header), 8 + *header_bytes};
}

bool is_checkpoint(const SafetensorsHeader& header) {
  const auto format = header.notes.find(kFormatNote);
  return format != header.notes.end() && format->second == kCheckpointFormat;
}

bool ends_with_checksum(const SafetensorsHeader& header) {
  if (header.entries.empty() || header.entries.back().name != kChecksumName) return false;
  return header.entries.back().end - header.entries.back().begin == kChecksumBytes;
}

Error no_checkpoint() { return broken("it is a .safetensors file, but no checkpoint of starling"); }

// Why the checksum is wrong, as far as the file itself can tell.
Error damaged(const Store::Input& input, std::uint64_t found, std::uint64_t expected) {
  const auto header_bytes = number_at(input, 0);
  if (header_bytes && *header_bytes <= kSafetensorsHeaderMax && 8 + *header_bytes > input.size()) {
    return broken(fmt::format("it ends at byte {}, in its header of {}: it was cut short",
                              input.size(), *header_bytes));
  }
  const auto at = read_header(input);
  // One damaged byte does not hide both.
  if (at && !is_checkpoint(at->header) && !ends_with_checksum(at->header)) return no_checkpoint();
  if (at && at->data_begin + at->header.data_bytes() > input.size()) {
    return broken(fmt::format("it ends at byte {}, its header speaks of {}: it was cut short",
                              input.size(), at->data_begin + at->header.data_bytes()));
  }
  const std::uint64_t checked = input.size() - kChecksumBytes;
  return broken(
      fmt::format("its first {} bytes have the checksum {:016x}, expected {:016x}, which "
                  "byte {} says: it is damaged",
                  checked, found, expected, checked));
}

Result<std::uint64_t> number_note(const SafetensorsHeader& header, const char* name) {
  const auto note = header.notes.find(name);
  const std::string text = note == header.notes.end() ? "" : note->second;
  std::uint64_t number = 0;
  const auto [end, failed] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (failed == std::errc() && end == text.data() + text.size()) return number;
  return broken(fmt::format("its note '{}' is no number", name));
}

Result<void> check_format(const HeaderAt& at, std::uint64_t file_bytes) {
  if (!is_checkpoint(at.header)) return no_checkpoint();
  const auto version = number_note(at.header, kVersionNote);
  if (!version) return version.error();
  if (*version != kCheckpointVersion) {
    return broken(
        fmt::format("it has format version {}, expected {}; use the starlingd that wrote "
                    "it",
                    *version, kCheckpointVersion));
  }
  if (at.data_begin + at.header.data_bytes() != file_bytes || !ends_with_checksum(at.header)) {
    return broken(
        fmt::format("its last {} bytes are not the tensor '{}'", kChecksumBytes, kChecksumName));
  }
  return {};
}

// The part of a note's name behind `prefix`, where it has that.
std::optional<std::string> behind(const std::string& prefix, const std::string& name) {
  if (!name.starts_with(prefix)) return std::nullopt;
  return name.substr(prefix.size());
}

}  // namespace

Result<std::unique_ptr<CheckpointFile>> CheckpointFile::open(std::unique_ptr<Store::Input> input) {
  const std::uint64_t bytes = input->size();
  if (bytes < 8 + kChecksumBytes) {
    return broken(fmt::format("it ends at byte {}: it was cut short", bytes));
  }
  const auto found = hash_of_first(*input, bytes - kChecksumBytes);
  if (!found) return found.error();
  const auto expected = number_at(*input, bytes - kChecksumBytes);
  if (!expected) return expected.error();
  if (*found != *expected) return damaged(*input, *found, *expected);

  auto at = read_header(*input);
  if (!at) return at.error();
  if (const auto checked = check_format(*at, bytes); !checked) return checked.error();
  const auto generation = number_note(at->header, kGenerationNote);
  const auto round = number_note(at->header, kRoundNote);
  if (!generation) return generation.error();
  if (!round) return round.error();

  std::unique_ptr<CheckpointFile> file(new CheckpointFile);
  file->input_ = std::move(input);
  file->data_begin_ = at->data_begin;
  file->about_ = {.fingerprint = {}, .generation = *generation, .round = *round};
  for (const auto& [name, text] : at->header.notes) {
    if (const auto field = behind(kFingerprintPrefix, name)) {
      file->about_.fingerprint.push_back({*field, text});
    } else if (auto state = behind(kStatePrefix, name)) {
      file->values_[*state] = text;
    }
  }
  at->header.entries.pop_back();  // the checksum
  for (SafetensorsEntry& entry : at->header.entries) {
    const std::string name = entry.name;
    file->blobs_[name] = std::move(entry);
  }
  return file;
}

std::vector<std::string> CheckpointFile::names() const {
  std::vector<std::string> all;
  for (const auto& [name, text] : values_) all.push_back(name);
  for (const auto& [name, entry] : blobs_) all.push_back(name);
  return all;
}

std::optional<std::string> CheckpointFile::value(const std::string& name) const {
  const auto at = values_.find(name);
  if (at == values_.end()) return std::nullopt;
  return at->second;
}

std::optional<StateReader::Blob> CheckpointFile::blob(const std::string& name) const {
  const auto at = blobs_.find(name);
  if (at == blobs_.end()) return std::nullopt;
  return Blob{at->second.dtype == "F32" ? BlobType::float32 : BlobType::bytes,
              at->second.end - at->second.begin};
}

Result<void> CheckpointFile::read(const std::string& name, std::span<std::byte> out) const {
  const SafetensorsEntry& entry = blobs_.at(name);
  INVARIANT(out.size() == entry.end - entry.begin);
  return input_->read(data_begin_ + entry.begin, out);
}

}  // namespace starling::node
