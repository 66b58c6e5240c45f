// What every operator must keep (specification §7), checked on one operator at a time.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "compress/compressor.h"

namespace starling::test {

// Makes the operator anew, without a history, for vectors of d floats.
using MakeOperator = std::function<std::unique_ptr<compress::Compressor>(std::size_t d)>;

struct Vector {
  std::string content;
  std::vector<float> x;
};

// Normal, heavy-tailed, zero, −0, denormal, huge, one-hot, all equal, alternating, sorted and
// reversed contents.
std::vector<Vector> vectors(std::size_t d);

// 0, 1 and the sizes around vector widths, buckets and blocks, up to 1,000,003.
std::vector<std::size_t> lengths();

std::vector<float> normals(std::size_t d, std::uint64_t key);
// N(0, 1) · exp(½ N(0, 1)): heavier tails, as gradients have.
std::vector<float> heavy(std::size_t d, std::uint64_t key);

double norm2(std::span<const float> x);                                // ‖x‖²
double distance2(std::span<const float> x, std::span<const float> y);  // ‖x - y‖²

std::vector<std::byte> encoded(compress::Compressor& c, std::span<const float> x,
                               std::uint64_t key);
// C(x) of a message that must decode.
std::vector<float> decoded(const compress::Compressor& c, std::span<const std::byte> message,
                           std::size_t d);

struct PropertyOptions {
  std::vector<std::size_t> lengths = test::lengths();
  // Whether ‖C(x) - x‖² <= (1 - δ)‖x‖² holds for every x and key, not only on average.
  bool always_contracts = false;
  // C(x)_i is a sum that may cancel: roundings are held against the largest coordinate, not i.
  bool cancels = false;
  // Whether a refusal names NaN by its index in the whole vector.
  bool flat_index = true;
  // Contents to leave out, by name, with the reason beside the call.
  std::vector<std::string> leave_out = {};
};

// Round trip and messages equal to the bit on every instruction set, at every alignment, with
// nothing written beside the target; size within the bound; decode_add linear in scale; error
// feedback telescopes and its message is that of the sum; NaN and infinity refused by index.
void check_operator(const MakeOperator& make, const PropertyOptions& options = {});

// Cut, prolonged and flipped messages: refused by a sentence with y untouched, or decoded; never a
// crash, and under the sanitizers no read beyond the message.
void check_hostile(const MakeOperator& make, std::size_t d);

}  // namespace starling::test
