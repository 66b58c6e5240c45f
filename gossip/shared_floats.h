// A vector that is its own message.
#pragma once

#include <algorithm>
#include <cstddef>
#include <span>
#include <utility>

#include "protocol/bytes.h"

namespace starling::gossip {

// Floats of which messages are made that carry them as they are, without a copy: the copy is made
// when they change after that. A model of which a message is under way is in memory once.
class SharedFloats {
 public:
  explicit SharedFloats(std::span<const float> values) { copy(values); }

  std::size_t size() const { return values_.size(); }
  // Until the next call of own().
  std::span<const float> values() const { return values_; }
  // To be changed, until the next call of message() or are_in().
  std::span<float> own() {
    if (told_.size() > 0) copy(values_);
    return block_.floats();
  }
  SharedBytes message() {
    if (told_.size() == 0) told_ = std::move(block_);
    return told_;
  }
  // A message was made in another way, and these bytes of it are the values.
  void are_in(SharedBytes told) {
    values_ = told.floats();
    told_ = std::move(told);
    block_ = {};
  }

 private:
  void copy(std::span<const float> from) {
    ByteBlock block(from.size_bytes());
    std::ranges::copy(from, block.floats().begin());
    block_ = std::move(block);
    values_ = block_.floats();
    told_ = {};
  }

  // One of the two holds the values.
  ByteBlock block_;
  SharedBytes told_;
  std::span<const float> values_;
};

}  // namespace starling::gossip
