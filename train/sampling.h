// Draws that protocol/random.h does not offer, each a pure function of its key. Any thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "protocol/random.h"

namespace starling::train {

// Fisher-Yates; uses random.below(i, i + 1) for i = n-1 … 1.
void shuffle(const Random& random, std::span<std::uint32_t> items);

// The logarithm of one Gamma(shape, 1) variate, shape > 0: as a logarithm it survives the tiny
// shapes whose variates are below the smallest double. Marsaglia and Tsang, "A simple method for
// generating gamma variables", ACM TOMS 26(3), 2000, with their boost for shape < 1. Uses the whole
// key: uniform(0) for the boost, uniform(3k+1 … 3k+3) for attempt k.
double log_gamma_variate(const Random& random, double shape);

}  // namespace starling::train
