// What an object saves, and an object of it again.
#pragma once

#include "protocol/memory_state.h"

namespace starling::test {

using starling::MemoryState;

// What `object` has to say of itself.
template <class Object>
MemoryState saved(Object& object) {
  MemoryState state;
  Archive archive(static_cast<StateWriter&>(state));
  object.archive(archive);
  return state;
}

template <class Object>
Result<void> load(const MemoryState& state, Object& object) {
  Archive archive(static_cast<const StateReader&>(state));
  object.archive(archive);
  return archive.done();
}

}  // namespace starling::test
