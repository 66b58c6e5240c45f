// From the run file's words to an operator. Adding one takes a row in options.cc and a line here.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "compress/compressor.h"
#include "compress/options.h"
#include "protocol/result.h"
#include "protocol/tensor_layout.h"

namespace starling::compress {

class Budget;  // budget.h

// The operator for the flat vector of a model: one message for all of it, or one a tensor
// (tensors.h) where scope says so and always for low-rank. Errors of encode name the tensor. What
// an operator draws once, not for each message, comes from `seed`, which all nodes share. Fails
// (ErrorCode::config) as check_options does, and where no message would be shorter than the raw
// values; identity alone may send those.
Result<std::unique_ptr<Compressor>> make_compressor(const OperatorOptions& options,
                                                    const TensorLayout& layout, std::uint64_t seed);

// Whether the operator sends one message a tensor: low-rank, and where scope says so.
bool goes_by_tensor(const OperatorOptions& options);

// One operator for a vector (or, for low-rank, one matrix) of `tensor`'s size, as it is: errors by
// index, and of any size. `options` have passed check_options.
std::unique_ptr<Compressor> make_operator(const OperatorOptions& options, const Tensor& tensor,
                                          std::uint64_t seed);

// The operator of make_compressor at the level that `budget` chooses for each message (rated.h); of
// several tensors each has its own, where its operator has a ladder. `by_size`: for vectors of any
// size, without regard to tensors (make_operator). Fails as make_compressor does for the lowest
// level. `budget` outlives it.
struct RatedInputs {
  Budget& budget;
  std::size_t stream = 0, streams = 1;  // as RatedPlace has them
  bool by_size = false;
};
Result<std::unique_ptr<Compressor>> make_rated(const OperatorOptions& options,
                                               const TensorLayout& layout, std::uint64_t seed,
                                               const RatedInputs& inputs);

// The names of the tensors that go as raw float32 because their code would not be shorter, in the
// order of the layout; empty for an operator of the flat vector.
std::vector<std::string> raw_tensors(const OperatorOptions& options, const TensorLayout& layout);

// "contractive with delta 0.01", "unbiased with omega 0.125", …
std::string describe(const Contract& contract);

// What a person wants to know at the start of a run, in one line: the operator, its contract, the
// largest message beside the raw model, and what goes raw. `options` have passed make_compressor.
std::string summary(const OperatorOptions& options, const TensorLayout& layout);

}  // namespace starling::compress
