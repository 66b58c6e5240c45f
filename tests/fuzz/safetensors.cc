// An input is a file. Aborts where the reader takes one whose tensors do not cover its data, or
// refuses one without a word.
#include "node/safetensors.h"

#include <cstdint>
#include <cstring>
#include <sstream>
#include <string>

#include "corpus.h"
#include "protocol/check.h"

namespace starling::fuzz {
namespace {

Seed file(std::string header, std::size_t floats) {
  const std::uint64_t size = header.size();
  Seed seed(sizeof size + header.size() + floats * sizeof(float), std::byte{0x3f});
  std::memcpy(seed.data(), &size, sizeof size);
  std::memcpy(seed.data() + sizeof size, header.data(), header.size());
  return seed;
}

}  // namespace

std::vector<Seed> seeds() {
  return {
      file("{}", 0),
      file(R"({"x":{"dtype":"F32","shape":[2,3],"data_offsets":[0,24]}})", 6),
      file(R"({"__metadata__":{"round":"4"},"b":{"dtype":"F32","shape":[],"data_offsets":[8,12]},)"
           R"("a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}})",
           3),
      file(R"({"x":{"dtype":"BF16","shape":[2],"data_offsets":[0,4]}})", 1),
      file(R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},)"
           R"("a":{"dtype":"F32","shape":[0,5],"data_offsets":[8,8]}})",
           2),
      file(R"({"\u00e9\"[":{"dtype":"F32","shape":[[[[1]]]],"data_offsets":[0,-4]}})", 1),
  };
}

}  // namespace starling::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::istringstream in(std::string(reinterpret_cast<const char*>(data), size));
  const auto model = starling::node::read_safetensors(in, size);
  if (!model.ok()) {
    INVARIANT(!model.error().message.empty());
    return 0;
  }
  std::size_t floats = 0;
  for (const starling::Tensor& t : model->layout.tensors()) {
    INVARIANT(t.offset == floats);
    floats += t.size();
  }
  INVARIANT(floats == model->parameters.size());
  INVARIANT(floats * sizeof(float) < size);
  return 0;
}
