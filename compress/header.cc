#include "compress/header.h"

namespace starling::compress {
namespace {

constexpr std::size_t kTensorAt = 4;

}  // namespace

std::string_view name_of(Op op) {
  switch (op) {
    case Op::identity: return "identity";
    case Op::bfloat16: return "bfloat16";
    case Op::float16: return "float16";
    case Op::sparse: return "sparse";
    case Op::block_top: return "block-top";
    case Op::random_k: return "random-k";
    case Op::sign: return "sign";
    case Op::quantize: return "quantize";
    case Op::ternary: return "ternary";
    case Op::natural: return "natural";
    case Op::natural_dithering: return "natural-dithering";
    case Op::low_rank: return "low-rank";
    case Op::count_sketch: return "count-sketch";
    case Op::one_bit: return "one-bit";
    case Op::variable_rate: return "variable-rate";
    case Op::induced: return "induced";
    case Op::tensors: return "tensors";
    case Op::rated: return "rated";
    case Op::repeated: return "repeated";
  }
  return "?";
}

std::span<std::byte> write_header(const Header& header, std::span<std::byte> out) {
  INVARIANT(out.size() >= kHeaderBytes);
  std::byte* to = out.data();
  store(static_cast<std::uint8_t>(header.op), to);
  store(header.flags, to + 1);
  store(header.param, to + 2);
  store(header.tensor, to + kTensorAt);
  store(header.d, to + 8);
  store(header.count, to + 16);
  store(header.bucket, to + 20);
  store(header.seed, to + 24);
  return out.subspan(kHeaderBytes);
}

Result<Header> read_header(std::span<const std::byte> message, Op op, std::size_t d) {
  if (message.size() < kHeaderBytes) {
    return refused("header", fmt::format("{} bytes", message.size()),
                   fmt::format("at least {}", kHeaderBytes));
  }
  const std::byte* from = message.data();
  Header header{.op = static_cast<Op>(load<std::uint8_t>(from)),
                .flags = load<std::uint8_t>(from + 1),
                .param = load<std::uint16_t>(from + 2),
                .tensor = load<std::uint32_t>(from + kTensorAt),
                .d = load<std::uint64_t>(from + 8),
                .count = load<std::uint32_t>(from + 16),
                .bucket = load<std::uint32_t>(from + 20),
                .seed = load<std::uint64_t>(from + 24)};
  if (header.op != op) {
    return refused("header field op",
                   fmt::format("{} ({})", load<std::uint8_t>(from), name_of(header.op)),
                   fmt::format("{} ({})", static_cast<unsigned>(op), name_of(op)));
  }
  if (header.d != d) return refused("header field d", header.d, d);
  return header;
}

std::uint32_t tensor_of(std::span<const std::byte> message) {
  INVARIANT(message.size() >= kHeaderBytes);
  return load<std::uint32_t>(message.data() + kTensorAt);
}

void set_tensor(std::uint32_t number, std::span<std::byte> message) {
  INVARIANT(message.size() >= kHeaderBytes);
  store(number, message.data() + kTensorAt);
}

Result<void> expect_fields(const Header& found, const Header& expected) {
  for (const auto& [field, a, b] :
       {std::tuple{"header field flags", std::uint64_t{found.flags}, std::uint64_t{expected.flags}},
        std::tuple{"header field param", std::uint64_t{found.param}, std::uint64_t{expected.param}},
        std::tuple{"header field count", std::uint64_t{found.count}, std::uint64_t{expected.count}},
        std::tuple{"header field bucket", std::uint64_t{found.bucket},
                   std::uint64_t{expected.bucket}},
        std::tuple{"header field seed", found.seed, expected.seed}}) {
    if (Result<void> same = expect(field, a, b); !same) return same;
  }
  return {};
}

}  // namespace starling::compress
