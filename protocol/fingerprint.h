// What two nodes must agree on before they exchange a byte of a model.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace starling {

// A named property of the run, as text that a person can read: {"model", "mlp 64-128-10"}.
struct FingerprintField {
  std::string name;
  std::string value;
  bool operator==(const FingerprintField&) const = default;
};

using Fingerprint = std::vector<FingerprintField>;

struct Mismatch {
  std::string field;
  std::string ours, theirs;  // "(absent)" where one side does not have the field
};

// The field that says who is away, of a mesh alone. Nodes for which it differs do not refuse each
// other for good: both go by what is newer.
inline constexpr const char* kAwayField = "away";

// The first field, in our order, that differs; fields that only they have come last.
std::optional<Mismatch> first_difference(const Fingerprint& ours, const Fingerprint& theirs);

}  // namespace starling
