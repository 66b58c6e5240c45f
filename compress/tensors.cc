#include "compress/tensors.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>

#include "compress/counter_random.h"
#include "compress/finite.h"
#include "compress/header.h"

namespace starling::compress {
namespace {

// A contract in the class that asks least, which all the others imply.
Contract as_bounded(const Contract& c) {
  if (c.guarantee == Guarantee::contractive) return {Guarantee::bounded, 1 - c.constant};
  return {Guarantee::bounded, c.constant, c.absolute};
}

Contract join(Contract a, Contract b) {
  if (a.guarantee != b.guarantee) a = as_bounded(a), b = as_bounded(b);
  const bool contractive = a.guarantee == Guarantee::contractive;
  const auto [low, high] = std::minmax(a.constant, b.constant);
  return {a.guarantee, contractive ? low : high, a.absolute + b.absolute};
}

// What the raw values keep of a class: everything.
Contract lossless(Guarantee guarantee) {
  return {guarantee, guarantee == Guarantee::contractive ? 1.0 : 0.0};
}

// The first i whose e_i + g_i is no number.
std::optional<std::size_t> first_non_finite_sum(std::span<const float> e,
                                                std::span<const float> g) {
  constexpr std::size_t kBlock = 4096;
  float sums[kBlock];
  for (std::size_t begin = 0; begin < e.size(); begin += kBlock) {
    const std::size_t size = std::min(kBlock, e.size() - begin);
    for (std::size_t i = 0; i < size; ++i) sums[i] = e[begin + i] + g[begin + i];
    if (const auto at = first_non_finite(std::span(sums, size))) return begin + *at;
  }
  return std::nullopt;
}

}  // namespace

Error non_finite_in(const TensorLayout& layout, std::size_t flat_index, float value) {
  for (const Tensor& t : layout.tensors()) {
    if (flat_index >= t.offset + t.size()) continue;
    return {ErrorCode::diverged, fmt::format("tensor '{}': found {} at index {}, expected finite "
                                             "values",
                                             t.name, value, flat_index - t.offset)};
  }
  INVARIANT(false);
}

Tensors::Tensors(TensorLayout layout, const MakePart& make) : layout_(std::move(layout)) {
  std::size_t raw_floats = 0;
  for (std::size_t number = 0; number < layout_.tensors().size(); ++number) {
    const Tensor& t = layout_.tensors()[number];
    if (t.size() == 0) continue;
    Part part{number, t.offset, t.size(), make(t, number)};
    if (part.code &&
        kPartLengthBytes + part.code->encoded_bytes_max(t.size()) < t.size() * sizeof(float)) {
      coded_.push_back(std::move(part));
    } else {
      part.code = nullptr;
      raw_floats += part.size;
      raw_.push_back(std::move(part));
    }
  }
  gathered_.resize(raw_floats);
  INVARIANT(encoded_bytes_max(layout_.size()) <= std::numeric_limits<PartLength>::max());
}

std::vector<std::string> Tensors::raw_tensors() const {
  std::vector<std::string> names;
  for (const Part& part : raw_) names.push_back(layout_.tensors()[part.tensor].name);
  return names;
}

Contract Tensors::contract(std::size_t d) const {
  INVARIANT(d == layout_.size());
  if (coded_.empty()) return lossless(Guarantee::contractive);
  Contract all = coded_.front().code->contract(coded_.front().size);
  for (const Part& part : std::span(coded_).subspan(1)) {
    all = join(all, part.code->contract(part.size));
  }
  return raw_.empty() ? all : join(all, lossless(all.guarantee));
}

std::size_t Tensors::encoded_bytes_max(std::size_t d) const {
  INVARIANT(d == layout_.size());
  std::size_t bytes = kHeaderBytes;
  for (const Part& part : coded_) {
    bytes += kPartLengthBytes + part.code->encoded_bytes_max(part.size);
  }
  if (!raw_.empty()) bytes += kPartLengthBytes + identity_.encoded_bytes_max(gathered_.size());
  return bytes;
}

Error Tensors::in_part(const Part& part, const Error& error) const {
  return {error.code,
          fmt::format("tensor '{}': {}", layout_.tensors()[part.tensor].name, error.message)};
}

template <class EncodePart>
Result<std::size_t> Tensors::encode_all(const EncodePart& encode_part, std::span<std::byte> out) {
  write_header(
      {.op = Op::tensors, .d = layout_.size(), .count = static_cast<std::uint32_t>(messages())},
      out);
  std::size_t at = kHeaderBytes;
  for (const Part& part : coded_) {
    const auto room = out.subspan(at + kPartLengthBytes, part.code->encoded_bytes_max(part.size));
    const Result<std::size_t> used = encode_part(part, room);
    if (!used) return in_part(part, used.error());
    set_tensor(static_cast<std::uint32_t>(part.tensor), room);
    store(static_cast<PartLength>(*used), out.data() + at);
    at += kPartLengthBytes + *used;
  }
  if (raw_.empty()) return at;
  const Result<std::size_t> used =
      identity_.encode(gathered_, 0, out.subspan(at + kPartLengthBytes));
  INVARIANT(used.ok());
  store(static_cast<PartLength>(*used), out.data() + at);
  return at + kPartLengthBytes + *used;
}

void Tensors::gather(std::span<const float> x) const {
  auto to = gathered_.begin();
  for (const Part& part : raw_) to = std::ranges::copy(x.subspan(part.offset, part.size), to).out;
}

Result<std::size_t> Tensors::encode(std::span<const float> x, std::uint64_t key,
                                    std::span<std::byte> out) {
  INVARIANT(x.size() == layout_.size());
  if (const auto at = first_non_finite(x)) return non_finite_in(layout_, *at, x[*at]);
  gather(x);
  return encode_all(
      [&](const Part& part, std::span<std::byte> room) {
        return part.code->encode(x.subspan(part.offset, part.size), subkey(key, part.tensor), room);
      },
      out);
}

Result<std::size_t> Tensors::encode_ef(std::span<float> e, std::span<const float> g,
                                       std::uint64_t key, std::span<std::byte> out) {
  INVARIANT(e.size() == layout_.size() && g.size() == e.size());
  if (const auto at = first_non_finite_sum(e, g)) {
    return non_finite_in(layout_, *at, e[*at] + g[*at]);
  }
  for (const Part& part : raw_) {
    for (std::size_t i = part.offset; i < part.offset + part.size; ++i) e[i] += g[i];
  }
  gather(e);
  for (const Part& part : raw_) std::ranges::fill(e.subspan(part.offset, part.size), 0.0f);
  return encode_all(
      [&](const Part& part, std::span<std::byte> room) {
        return part.code->encode_ef(e.subspan(part.offset, part.size),
                                    g.subspan(part.offset, part.size), subkey(key, part.tensor),
                                    room);
      },
      out);
}

// The messages one by one, each of a length that its operator could have written.
Result<std::vector<Tensors::Bytes>> Tensors::split(Bytes bytes) const {
  std::vector<Bytes> parts;
  PartReader reader(bytes.subspan(kHeaderBytes));
  for (std::size_t i = 0; i < messages(); ++i) {
    const auto part = reader.next("message", i);
    if (!part) return part.error();
    if (part->size() < kHeaderBytes) {
      return refused(fmt::format("length of message {}", i), part->size(),
                     fmt::format("at least {}", kHeaderBytes));
    }
    parts.push_back(*part);
    const std::size_t number = i < coded_.size() ? coded_[i].tensor : 0;
    const auto same = expect(fmt::format("header field tensor of message {}", i),
                             tensor_of(parts.back()), number);
    if (!same) return same.error();
  }
  if (auto end = reader.end(); !end) return end.error();
  return parts;
}

Result<void> Tensors::add_parts(const std::vector<Bytes>& parts, float scale,
                                std::span<float> y) const {
  const auto restore = [&](std::size_t count) {
    auto from = saved_.begin();
    for (std::size_t i = 0; i < count; from += static_cast<std::ptrdiff_t>(coded_[i++].size)) {
      std::copy_n(from, coded_[i].size, y.begin() + static_cast<std::ptrdiff_t>(coded_[i].offset));
    }
  };
  saved_.clear();
  for (std::size_t i = 0; i < coded_.size(); ++i) {
    const Part& part = coded_[i];
    const auto slice = y.subspan(part.offset, part.size);
    if (i + 1 < coded_.size()) saved_.insert(saved_.end(), slice.begin(), slice.end());
    if (Result<void> added = part.code->decode_add(parts[i], scale, slice); !added) {
      restore(i);
      return in_part(part, added.error());
    }
  }
  return {};
}

Result<void> Tensors::decode_add(Bytes bytes, float scale, std::span<float> y) const {
  INVARIANT(y.size() == layout_.size());
  const Result<Header> header = read_header(bytes, Op::tensors, y.size());
  if (!header) return header.error();
  const auto count = static_cast<std::uint32_t>(messages());
  if (auto same = expect("header field tensor", header->tensor, 0); !same) return same;
  if (auto same = expect_fields(*header, {.count = count}); !same) return same;
  const auto parts = split(bytes);
  if (!parts) return parts.error();
  if (!raw_.empty()) {
    // Into the copy, so that y waits until nothing can be refused any more.
    gather(y);
    if (auto added = identity_.decode_add(parts->back(), scale, gathered_); !added) {
      return Error{added.error().code, "raw tensors: " + added.error().message};
    }
  }
  if (auto added = add_parts(*parts, scale, y); !added) return added;
  auto from = gathered_.begin();
  for (const Part& part : raw_) {
    std::copy_n(from, part.size, y.begin() + static_cast<std::ptrdiff_t>(part.offset));
    from += static_cast<std::ptrdiff_t>(part.size);
  }
  return {};
}

void Tensors::archive(Archive& archive) {
  for (const Part& part : coded_) {
    const Archive::Scope scope(archive, "tensor", part.tensor);
    part.code->archive(archive);
  }
}

}  // namespace starling::compress
