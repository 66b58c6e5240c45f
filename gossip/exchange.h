// An exchange, and what one end of an edge says in it.
#pragma once

#include <compare>
#include <cstdint>

#include "protocol/archive.h"
#include "protocol/bytes.h"
#include "protocol/ids.h"

namespace starling::gossip {

// Every round has Method::exchanges() of these, on each edge in both directions.
struct Exchange {
  Round round = 0;
  std::uint32_t index = 0;  // from 0
  auto operator<=>(const Exchange&) const = default;

  void archive(Archive& archive) {
    archive.number("round", round);
    archive.number("exchange", index);
  }
};

// How far the two ends of an edge come to each other in an exchange; the same at both. An exchange
// keeps the terms that it was begun with: where it is made up for later the graph may be another.
struct EdgeTerms {
  double weight = 0;      // w_ij of the mixing matrix
  double relaxation = 1;  // s in x <- x + s(W - I)x, of the methods that have it
  bool operator==(const EdgeTerms&) const = default;

  void archive(Archive& archive) {
    archive.number("weight", weight);
    archive.number("relaxation", relaxation);
  }
};

struct Message {
  SharedBytes body;
  // What the neighbor needs to know before the body, because the edge is new or has missed
  // something. Otherwise empty.
  SharedBytes start = {};
  // Both as one body (opening.h), where they were written so.
  SharedBytes opening = {};
};

}  // namespace starling::gossip
