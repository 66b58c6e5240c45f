#include "protocol/fingerprint.h"

#include <algorithm>

namespace starling {
namespace {

constexpr const char* kAbsent = "(absent)";

const FingerprintField* find(const Fingerprint& fields, const std::string& name) {
  const auto it = std::find_if(fields.begin(), fields.end(),
                               [&](const FingerprintField& f) { return f.name == name; });
  return it == fields.end() ? nullptr : &*it;
}

}  // namespace

std::optional<Mismatch> first_difference(const Fingerprint& ours, const Fingerprint& theirs) {
  for (const FingerprintField& field : ours) {
    const FingerprintField* other = find(theirs, field.name);
    if (!other) return Mismatch{field.name, field.value, kAbsent};
    if (other->value != field.value) return Mismatch{field.name, field.value, other->value};
  }
  for (const FingerprintField& field : theirs) {
    if (!find(ours, field.name)) return Mismatch{field.name, kAbsent, field.value};
  }
  return std::nullopt;
}

}  // namespace starling
