// The norm of a bucket, beside the sum of error feedback where there is one. compress::ref holds
// the plain loops that define every bit of the results; the functions here return the same bits on
// every instruction set. Any alignment; nothing overlaps. Every thread.
#pragma once

#include <span>

namespace starling::compress {

enum class BucketNorm { max, l2 };

// max |x_i|, or ‖x‖₂ (Σ x_i² over 16 lanes of double; cannot overflow). 0 for an empty x; not
// finite exactly where x is not.
double bucket_norm(std::span<const float> x, BucketNorm norm);
// e += g; the norm is that of the new e.
double add_and_norm(std::span<float> e, std::span<const float> g, BucketNorm norm);

namespace ref {
double bucket_norm(std::span<const float> x, BucketNorm norm);
double add_and_norm(std::span<float> e, std::span<const float> g, BucketNorm norm);
}  // namespace ref

}  // namespace starling::compress
