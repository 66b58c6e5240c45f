// From a run to what codes its messages: an operator, or one whose level follows a budget.
#pragma once

#include <cstddef>
#include <memory>

#include "compress/budget.h"
#include "compress/compressor.h"
#include "node/run.h"
#include "protocol/tensor_layout.h"

namespace starling::node {

bool is_mesh(const Config& config);
// Whether messages of the operator of [compress] are sent.
bool takes_operator(const Config& config);
// Whether their levels follow the budget of [rate].
bool follows_budget(const Config& config);

// What the operator codes, of a model of this layout.
TensorLayout coded_layout(const Run& run, const TensorLayout& layout);

// The operator as [compress] has it, which is the lowest level where there are several. Shards of a
// mesh differ in length by one, and are no tensors. Fails as compress::make_compressor.
Result<std::unique_ptr<compress::Compressor>> compressor_of(const Run& run,
                                                            const TensorLayout& layout);

// The one of what owners in a mesh tell: the same, where [compress] down does not say otherwise.
Result<std::unique_ptr<compress::Compressor>> down_compressor_of(const Run& run,
                                                                 const TensorLayout& layout);

// What codes the messages of a node, for both legs where it is one of a mesh.
struct Coding {
  std::unique_ptr<compress::Budget> budget;  // what the compressors refer to; null: nothing
  std::unique_ptr<compress::Compressor> first, second;
};

// Of a node of so many links; compressor_of() has made the operator once.
Coding coding_of(const Run& run, const TensorLayout& layout, std::size_t links);

// Fails (ErrorCode::config) for a budget that not even the lowest level meets, naming the least
// that would do. What a link is worth in seconds is not known before it is there, unless [limits]
// says it.
Result<void> check_rate(const Run& run, const TensorLayout& layout);

}  // namespace starling::node
