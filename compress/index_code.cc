#include "compress/index_code.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <initializer_list>

#include "compress/bits.h"
#include "compress/header.h"
#include "compress/kernels/rice.h"

namespace starling::compress {
namespace {

constexpr std::size_t kBlock = 65536;
constexpr unsigned kRiceMax = 31;

using Indices = std::span<const std::uint32_t>;

std::size_t blocks_of(std::size_t d) { return (d + kBlock - 1) / kBlock; }

std::size_t bytes_of(std::uint64_t bits) { return (bits + 7) / 8; }

unsigned floor_log2(std::uint64_t n) { return static_cast<unsigned>(std::bit_width(n)) - 1; }

unsigned rice_parameter(std::size_t k, std::size_t d) {
  if (k == 0 || d - k < k) return 0;
  return std::min(floor_log2((d - k) / k), kRiceMax);
}

std::uint64_t rice_bits(Indices indices, unsigned b) {
  if (indices.empty()) return 0;
  std::uint64_t bits = indices.size() * std::uint64_t{b + 1} + (indices[0] >> b);
  for (std::size_t j = 1; j < indices.size(); ++j) {
    bits += (indices[j] - indices[j - 1] - 1) >> b;
  }
  return bits;
}

// Where the high parts of Elias-Fano begin, and where they end.
struct EliasFano {
  EliasFano(std::size_t k, std::size_t d)
      : low(k == 0 ? 0 : floor_log2(d / k)),
        begin(std::uint64_t{k} * low),
        end(k == 0 ? 0 : begin + k + (d >> low) + 1) {}
  unsigned low;
  std::uint64_t begin, end;  // bits
};

std::size_t fixed_bytes(IndexCode code, std::size_t k, std::size_t d) {
  if (k == 0) return 0;
  switch (code) {
    case IndexCode::elias_fano: return bytes_of(EliasFano(k, d).end);
    case IndexCode::blocks16: return blocks_of(d) * sizeof(std::uint32_t) + 2 * k;
    case IndexCode::bitmap: return bytes_of(d);
    case IndexCode::rice:
    case IndexCode::all: break;
  }
  return 0;
}

void write_elias_fano(Indices indices, std::size_t d, std::span<std::byte> out) {
  const EliasFano at(indices.size(), d);
  BitWriter writer(out);
  const std::uint64_t mask = (std::uint64_t{1} << at.low) - 1;
  for (const std::uint32_t index : indices) writer.put(index & mask, at.low);
  std::uint64_t high = 0;
  for (const std::uint32_t index : indices) {
    writer.put_unary((index >> at.low) - high);
    high = index >> at.low;
  }
  for (std::uint64_t left = (d >> at.low) + 1 - high; left > 0;) {
    const std::uint64_t now = std::min<std::uint64_t>(left, 64);
    writer.put(0, static_cast<unsigned>(now));
    left -= now;
  }
  writer.finish();
}

void write_blocks16(Indices indices, std::size_t d, std::byte* out) {
  std::byte* offsets = out + blocks_of(d) * sizeof(std::uint32_t);
  std::size_t begin = 0;
  for (std::size_t block = 0; block < blocks_of(d); ++block) {
    const auto end_of_block =
        std::partition_point(indices.begin() + static_cast<std::ptrdiff_t>(begin), indices.end(),
                             [block](std::uint32_t index) { return index / kBlock <= block; });
    const auto end = static_cast<std::size_t>(end_of_block - indices.begin());
    store(static_cast<std::uint32_t>(end - begin), out + block * sizeof(std::uint32_t));
    begin = end;
  }
  for (std::size_t j = 0; j < indices.size(); ++j) {
    store(static_cast<std::uint16_t>(indices[j]), offsets + 2 * j);
  }
}

void write_bitmap(Indices indices, std::size_t d, std::byte* out) {
  std::memset(out, 0, bytes_of(d));
  for (const std::uint32_t index : indices) out[index / 8] |= std::byte{1} << (index % 8);
}

template <class Found>
Error no_index(std::size_t j, const Found& found, std::size_t d) {
  return refused(fmt::format("index {}", j), found, fmt::format("below {}", d));
}

Error too_short(std::size_t found) {
  return refused("index bytes", fmt::format("only {}", found), "more");
}

Error padding() { return refused("bits behind the indices", "a one", "zeros"); }

Result<std::size_t> read_rice(unsigned b, std::size_t d, std::span<const std::byte> in,
                              std::span<std::uint32_t> out) {
  BitReader reader(in);
  std::uint64_t next = 0;
  for (std::size_t j = 0; j < out.size(); ++j) {
    const std::uint64_t index = next + reader.get_rice(b, d);
    if (index >= d) {
      if (reader.overrun()) return too_short(in.size());
      return no_index(j, fmt::format("{} or more", index), d);
    }
    out[j] = static_cast<std::uint32_t>(index);
    next = index + 1;
  }
  if (reader.overrun()) return too_short(in.size());
  if (!reader.padded_with_zeros()) return padding();
  return reader.bytes_used();
}

Result<std::size_t> read_elias_fano(std::size_t d, std::span<const std::byte> in,
                                    std::span<std::uint32_t> out) {
  const EliasFano at(out.size(), d);
  const std::size_t bytes = bytes_of(at.end);
  if (in.size() < bytes) return too_short(in.size());
  BitReader lows(in.first(bytes)), highs(in.first(bytes));
  highs.skip(at.begin);
  std::uint64_t high = 0, next = 0;
  for (std::size_t j = 0; j < out.size(); ++j) {
    high += highs.get_unary(d >> at.low);
    const std::uint64_t index = high << at.low | lows.get(at.low);
    if (index >= d) return no_index(j, index, d);
    if (index < next) {
      return refused(fmt::format("index {}", j), index, fmt::format("at least {}", next));
    }
    out[j] = static_cast<std::uint32_t>(index);
    next = index + 1;
  }
  if (!highs.rest_is_zero()) return padding();
  return bytes;
}

// The offsets of one block; false where they do not rise.
bool read_block(std::size_t block, const std::byte* offsets, std::span<std::uint32_t> out) {
  const auto first = static_cast<std::uint32_t>(block * kBlock);
  std::uint32_t falls = 0, before = 0;  // no early exit, so that it vectorises
  for (std::size_t j = 0; j < out.size(); ++j) {
    const std::uint32_t offset = load<std::uint16_t>(offsets + 2 * j);
    falls |= j > 0 && offset <= before ? 1 : 0;
    before = offset;
    out[j] = first + offset;
  }
  return falls == 0;
}

Result<std::size_t> read_blocks16(std::size_t d, std::span<const std::byte> in,
                                  std::span<std::uint32_t> out) {
  const std::size_t bytes = fixed_bytes(IndexCode::blocks16, out.size(), d);
  if (in.size() < bytes) return too_short(in.size());
  const std::byte* offsets = in.data() + blocks_of(d) * sizeof(std::uint32_t);
  std::size_t begin = 0;
  for (std::size_t block = 0; block < blocks_of(d); ++block) {
    const std::size_t count = load<std::uint32_t>(in.data() + block * sizeof(std::uint32_t));
    if (count > out.size() - begin) {
      return refused(fmt::format("count of index block {}", block), count,
                     fmt::format("at most {}", out.size() - begin));
    }
    if (!read_block(block, offsets + 2 * begin, out.subspan(begin, count))) {
      return refused(fmt::format("offsets of index block {}", block), "falling ones", "rising");
    }
    begin += count;
  }
  if (begin != out.size()) return refused("counts of index blocks", begin, out.size());
  if (out.back() >= d) return no_index(out.size() - 1, out.back(), d);
  return bytes;
}

Result<std::size_t> read_bitmap(std::size_t d, std::span<const std::byte> in,
                                std::span<std::uint32_t> out) {
  const std::size_t bytes = bytes_of(d);
  if (in.size() < bytes) return too_short(in.size());
  std::size_t at = 0;
  for (std::size_t begin = 0; begin < bytes; begin += 8) {
    std::uint64_t word = 0;
    std::memcpy(&word, in.data() + begin, std::min<std::size_t>(8, bytes - begin));
    if (static_cast<std::size_t>(std::popcount(word)) > out.size() - at) {
      return refused("ones of the index bitmap", "more", out.size());
    }
    for (; word != 0; word &= word - 1) {
      out[at++] = static_cast<std::uint32_t>(begin * 8 + std::countr_zero(word));
    }
  }
  if (at != out.size()) return refused("ones of the index bitmap", at, out.size());
  if (out.back() >= d) return padding();
  return bytes;
}

}  // namespace

IndexPlan plan_indices_as(IndexCode code, Indices ascending, std::size_t d) {
  INVARIANT(code != IndexCode::all || ascending.size() == d);
  if (code != IndexCode::rice) return {code, 0, fixed_bytes(code, ascending.size(), d)};
  const unsigned b = rice_parameter(ascending.size(), d);
  return {code, static_cast<std::uint8_t>(b), bytes_of(rice_bits(ascending, b))};
}

IndexPlan plan_indices(Indices ascending, std::size_t d) {
  if (ascending.size() == d) return {IndexCode::all, 0, 0};
  IndexPlan best = plan_indices_as(IndexCode::rice, ascending, d);
  if (ascending.empty()) return best;
  for (const IndexCode code : {IndexCode::bitmap, IndexCode::blocks16}) {
    const IndexPlan other = plan_indices_as(code, ascending, d);
    if (other.bytes <= best.bytes) best = other;
  }
  return best;
}

std::size_t index_bytes_max_as(IndexCode code, std::size_t k, std::size_t d) {
  if (code != IndexCode::rice || k == 0) return fixed_bytes(code, k, d);
  const unsigned b = rice_parameter(k, d);
  return bytes_of(std::uint64_t{k} * (b + 1) + ((d - k) >> b));
}

std::size_t index_bytes_max(std::size_t k, std::size_t d) {
  if (k == d) return 0;
  return std::min({index_bytes_max_as(IndexCode::rice, k, d),
                   index_bytes_max_as(IndexCode::blocks16, k, d),
                   index_bytes_max_as(IndexCode::bitmap, k, d)});
}

void write_indices(const IndexPlan& plan, Indices ascending, std::size_t d,
                   std::span<std::byte> out) {
  INVARIANT(out.size() >= plan.bytes);
  if (ascending.empty()) return;
  const auto to = out.first(plan.bytes);
  switch (plan.code) {
    case IndexCode::rice: return write_rice(ascending, plan.parameter, to);
    case IndexCode::elias_fano: return write_elias_fano(ascending, d, to);
    case IndexCode::blocks16: return write_blocks16(ascending, d, to.data());
    case IndexCode::bitmap: return write_bitmap(ascending, d, to.data());
    case IndexCode::all: return;
  }
}

Result<std::size_t> read_indices(const IndexPlan& plan, std::size_t d,
                                 std::span<const std::byte> in, std::span<std::uint32_t> out) {
  const unsigned code = static_cast<unsigned>(plan.code), b = plan.parameter;
  if (code < 1 || code > 5) return refused("header field flags: index code", code, "1 to 5");
  const unsigned most = plan.code == IndexCode::rice ? kRiceMax : 0;
  if (b > most) return refused("header field param", b, fmt::format("at most {}", most));
  if (plan.code == IndexCode::all) {
    if (out.size() != d) return refused("header field count", out.size(), d);
    for (std::size_t j = 0; j < d; ++j) out[j] = static_cast<std::uint32_t>(j);
    return std::size_t{0};
  }
  if (out.empty()) return std::size_t{0};
  if (plan.code == IndexCode::rice) return read_rice(b, d, in, out);
  if (plan.code == IndexCode::elias_fano) return read_elias_fano(d, in, out);
  return plan.code == IndexCode::blocks16 ? read_blocks16(d, in, out) : read_bitmap(d, in, out);
}

}  // namespace starling::compress
