// What the writer and the reader of checkpoints share; README.md describes the format.
#pragma once

#include <cstddef>
#include <cstdint>

namespace starling::node {

constexpr const char* kCheckpointFormat = "starling checkpoint";
constexpr std::uint64_t kCheckpointVersion = 3;

// In __metadata__.
constexpr const char* kFormatNote = "format";
constexpr const char* kVersionNote = "version";
constexpr const char* kGenerationNote = "generation";
constexpr const char* kRoundNote = "round";
constexpr const char* kFingerprintPrefix = "fingerprint.";
constexpr const char* kStatePrefix = "state.";

// The last tensor: XXH3 (64 bits) of every byte of the file before it.
constexpr const char* kChecksumName = "checksum";
constexpr std::size_t kChecksumBytes = 8;

}  // namespace starling::node
