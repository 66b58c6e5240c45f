// Every kernel and operator that the specification sets a speed for (§6, suggested targets), on
// N(0, 1) · exp(½ N(0, 1)).
#include <hwy/targets.h>
#include <cmath>
#include <map>
#include <memory>
#include <tuple>

#include "beside_reading.h"
#include "compress/buckets.h"
#include "compress/cast.h"
#include "compress/counter_random.h"
#include "compress/index_code.h"
#include "compress/kernels/projection.h"
#include "compress/kernels/sign.h"
#include "compress/quantize.h"
#include "compress/sign.h"
#include "compress/top_k.h"
#include "compress/top_selector.h"
#include "protocol/check.h"
#include "protocol/random.h"

namespace starling::bench {
namespace {

using compress::Compressor;
using MakeOperator = std::function<std::unique_ptr<Compressor>()>;

constexpr std::size_t kSizes[] = {25'000'000, 1'000'000, 100'000};

// What a kernel is asked for at each of the sizes: two ratios and GB/s.
struct Targets {
  double memory, cache, near_gigabytes;
  Target at(std::size_t floats) const {
    if (floats == kSizes[0]) return {Target::Unit::ratio, memory};
    if (floats == kSizes[1]) return {Target::Unit::ratio, cache};
    return {Target::Unit::gigabytes, near_gigabytes};
  }
};

std::shared_ptr<Floats> heavy(std::size_t size, std::size_t stagger) {
  auto x = std::make_shared<Floats>(size, stagger);
  std::vector<float> spread(size);
  Random(1, Stream::test, {stagger, 0}).fill_normal(x->span());
  Random(1, Stream::test, {stagger, 1}).fill_normal(spread);
  for (std::size_t i = 0; i < size; ++i) x->span()[i] *= std::exp(0.5f * spread[i]);
  return x;
}

// Drawing 25 million of them takes longer than measuring, so they are kept. Two vectors a size.
std::shared_ptr<const Floats> input(std::size_t size, std::size_t number = 0) {
  static std::map<std::pair<std::size_t, std::size_t>, std::shared_ptr<const Floats>> drawn;
  auto& x = drawn[{size, number}];
  if (!x) x = heavy(size, number);
  return x;
}

// For each call another gradient, as training has it, in the memory of one. Error feedback of
// always the same one resonates: many entries at once pile up under a threshold and go over it.
class Gradients {
 public:
  explicit Gradients(std::size_t size) : all_(heavy(size + kShifts * kShift, 2)), size_(size) {}
  std::span<const float> any() const { return all_->span().first(size_); }
  std::span<const float> next() {
    return all_->span().subspan(kShift * (compress::mix32(++calls_) % kShifts), size_);
  }

 private:
  static constexpr std::size_t kShift = 64 / sizeof(float), kShifts = 1024;

  std::shared_ptr<const Floats> all_;
  std::size_t size_;
  std::uint32_t calls_ = 0;
};

struct Message {
  std::unique_ptr<Compressor> c;
  std::vector<std::byte> bytes;
};

std::shared_ptr<Message> message_of(const MakeOperator& make, std::size_t size) {
  auto message = std::make_shared<Message>();
  message->c = make();
  message->bytes.resize(message->c->encoded_bytes_max(size));
  return message;
}

struct Named {
  std::string kernel;
  MakeOperator make;
  Targets targets;
  std::int64_t instruction_sets = 0;
  std::string bound = {};
};

Row encode_row(const Named& named, std::size_t size) {
  const auto x = input(size);
  const auto m = message_of(named.make, size);
  return {.kernel = named.kernel + ": encode",
          .floats = size,
          .target = named.targets.at(size),
          .read = x->span(),
          .work =
              [x, m, key = std::uint64_t{0}]() mutable {
                INVARIANT(m->c->encode(x->span(), ++key, m->bytes).ok());
              },
          .instruction_sets = named.instruction_sets,
          .bound = named.bound};
}

Row decode_row(const Named& named, std::size_t size) {
  const auto y = std::make_shared<Floats>(size, 1);
  const auto m = message_of(named.make, size);
  const auto used = m->c->encode(input(size)->span(), 1, m->bytes);
  INVARIANT(used.ok());
  m->bytes.resize(*used);
  return {.kernel = named.kernel + ": decode-add",
          .floats = size,
          .target = named.targets.at(size),
          .read = y->span(),
          .work = [y, m] { INVARIANT(m->c->decode_add(m->bytes, 0x1p-10f, y->span()).ok()); },
          .instruction_sets = named.instruction_sets,
          .bound = named.bound};
}

Row feedback_row(const Named& named, std::size_t size) {
  const auto e = std::make_shared<Floats>(size, 1);
  const auto g = std::make_shared<Gradients>(size);
  const auto m = message_of(named.make, size);
  return {.kernel = named.kernel + ": error feedback",
          .floats = size,
          .target = named.targets.at(size),
          .read = g->any(),
          .work =
              [e, g, m, key = std::uint64_t{0}]() mutable {
                INVARIANT(m->c->encode_ef(e->span(), g->next(), ++key, m->bytes).ok());
              },
          .instruction_sets = named.instruction_sets,
          .bound = named.bound};
}

constexpr char kAdd[] = "y += g and Σ|y|";
constexpr char kAddTwice[] = "y += g and Σ|y|, y ±= c: 4096 at a time";

// What error feedback cannot do without: it reads and writes as much.
Row add_row(const Named& named, std::size_t size) {
  const auto y = std::make_shared<Floats>(size, 1);
  const auto g = input(size);
  const auto work = [y, g] { compress::add_and_sum(y->span(), g->span(), compress::Norm::l1); };
  return {.kernel = named.kernel, .floats = size, .target = {}, .read = g->span(), .work = work};
}

// Nor where what is subtracted depends on a whole bucket.
Row add_twice_row(const Named& named, std::size_t size) {
  const auto y = std::make_shared<Floats>(size, 1);
  const auto g = input(size);
  const auto work = [y, g, bits = std::vector<std::byte>(compress::Sign::kBucket / 8)] {
    for (const auto& b : compress::Buckets(y->span().size(), compress::Sign::kBucket)) {
      const auto part = y->span().subspan(b.begin, b.size);
      compress::add_and_sum(part, g->span().subspan(b.begin, b.size), compress::Norm::l1);
      compress::add_signs(bits.data(), 1e-3f, part);
    }
  };
  return {.kernel = named.kernel, .floats = size, .target = {}, .read = g->span(), .work = work};
}

Row sign_feedback_row(const Named& named, std::size_t size) {
  Row row = feedback_row(named, size);
  row.bound = size == kSizes[0] ? kAdd : kAddTwice;  // memory hides the second sweep, caches do not
  return row;
}

void add_sizes(const std::string& name, const Named& named,
               Row (*make)(const Named&, std::size_t)) {
  for (const std::size_t size : kSizes) {
    add(name + "/" + std::to_string(size), [=] { return make(named, size); });
  }
}

void add_projection(std::size_t rank, double ratio) {
  add("project_both/" + std::to_string(rank), [=] {
    constexpr compress::MatrixShape kShape{4096, 4096};
    const auto x = input(kShape.size());
    const auto v = heavy(kShape.columns * rank, 1), p = heavy(kShape.rows * rank, 2),
               q = heavy(kShape.columns * rank, 0);
    return Row{.kernel = "p = Xv, q = Xᵀp in one pass, rank " + std::to_string(rank),
               .floats = kShape.size(),
               .target = Target{Target::Unit::ratio, ratio},
               .read = x->span(),
               .work = [=] {
                 compress::project_both(x->span(), kShape, v->span(), p->span(), q->span());
               }};
  });
}

constexpr double kRatio = 0.01;
constexpr std::int64_t kUpToAvx2 = HWY_AVX2;

// The selection alone, as an operator has it from its second call on.
Row select_row(const Named& named, std::size_t size) {
  const auto x = input(size);
  const auto selector = std::make_shared<compress::TopSelector>();
  return {.kernel = named.kernel,
          .floats = size,
          .target = named.targets.at(size),
          .read = x->span(),
          .work =
              [x, selector, size] {
                INVARIANT(selector->select(x->span(), compress::entries_of(kRatio, size)).ok());
              },
          .instruction_sets = named.instruction_sets,
          .bound = named.bound};
}

// Its first call: no threshold to begin with, no buffers yet.
Row first_select_row(const Named& named, std::size_t size) {
  const auto x = input(size);
  return {
      .kernel = named.kernel, .floats = size, .target = {}, .read = x->span(), .work = [x, size] {
        compress::TopSelector selector;
        INVARIANT(selector.select(x->span(), compress::entries_of(kRatio, size)).ok());
      }};
}

std::unique_ptr<Compressor> sign() { return std::make_unique<compress::Sign>(); }
std::unique_ptr<Compressor> bfloat16() {
  return std::make_unique<compress::Cast>(compress::Half::bfloat16);
}
std::unique_ptr<Compressor> four_bits() { return std::make_unique<compress::Quantize>(); }
std::unique_ptr<Compressor> top() { return std::make_unique<compress::TopK>(kRatio); }
std::unique_ptr<Compressor> top_coded() {
  return std::make_unique<compress::TopK>(
      kRatio,
      compress::SparseCoder(compress::ValueFormat::bfloat16, nullptr, compress::IndexCode::rice));
}

// Rice gaps of 1 % of the coordinates.
struct Indices {
  std::vector<std::uint32_t> indices;
  compress::IndexPlan plan;
  std::vector<std::byte> bytes;
};

std::shared_ptr<Indices> rice_indices(std::size_t size) {
  auto rice = std::make_shared<Indices>();
  compress::TopSelector selector;
  const auto top = selector.select(input(size)->span(), compress::entries_of(kRatio, size));
  INVARIANT(top.ok());
  rice->indices.assign(top->indices.begin(), top->indices.end());
  rice->plan = compress::plan_indices_as(compress::IndexCode::rice, rice->indices, size);
  rice->bytes.resize(rice->plan.bytes);
  compress::write_indices(rice->plan, rice->indices, size, rice->bytes);
  return rice;
}

Row rice_row(std::size_t size, const std::string& kernel, double nanoseconds,
             std::function<void(Indices&)> work) {
  const auto rice = rice_indices(size);
  return {.kernel = kernel,
          .floats = size,
          .target = Target{Target::Unit::nanoseconds, nanoseconds},
          .read = input(size)->span(),
          .work = [rice, work = std::move(work)] { work(*rice); },
          .indices = rice->indices.size()};
}

Row rice_encode_row(const Named& named, std::size_t size) {
  return rice_row(size, named.kernel, 4, [size](Indices& rice) {
    rice.plan = compress::plan_indices_as(compress::IndexCode::rice, rice.indices, size);
    compress::write_indices(rice.plan, rice.indices, size, rice.bytes);
  });
}

Row rice_decode_row(const Named& named, std::size_t size) {
  return rice_row(size, named.kernel, 8, [size](Indices& rice) {
    INVARIANT(compress::read_indices(rice.plan, size, rice.bytes, rice.indices).ok());
  });
}

void add_all() {
  add_sizes("top_k/select", {"Top-1 %: exact selection", {}, {.75, .60, 10}}, select_row);
  add_sizes("top_k/first_select", {"Top-1 %: exact selection, first call", {}, {}},
            first_select_row);
  add_sizes("top_k/encode", {"Top-1 %", top, {.75, .60, 10}}, encode_row);
  add_sizes("top_k/encode_coded", {"Top-1 %, Rice, bfloat16", top_coded, {.65, .50, 8}},
            encode_row);
  add_sizes("top_k/select_avx2", {"Top-1 %: exact selection, AVX2", {}, {.50, .45, 6}, kUpToAvx2},
            select_row);
  add_sizes("top_k/encode_coded_avx2",
            {"Top-1 %, Rice, bfloat16, AVX2", top_coded, {.50, .45, 6}, kUpToAvx2}, encode_row);
  add_sizes("add", {kAdd, {}, {}}, add_row);
  add_sizes("add_twice", {kAddTwice, {}, {}}, add_twice_row);
  add_sizes("top_k/encode_ef", {"Top-1 %", top, {.45, .35, 12}, 0, kAdd}, feedback_row);
  add_sizes("top_k/rice_encode", {"Rice gaps of 1 %: plan and write", {}, {}}, rice_encode_row);
  add_sizes("top_k/rice_decode", {"Rice gaps of 1 %: read", {}, {}}, rice_decode_row);
  add_sizes("sign/encode", {"sign, buckets of 4096", sign, {.85, .85, 30}}, encode_row);
  add_sizes("sign/decode_add", {"sign, buckets of 4096", sign, {.80, .75, 25}}, decode_row);
  add_sizes("sign/encode_ef", {"sign, buckets of 4096", sign, {.45, .35, 12}}, sign_feedback_row);
  add_sizes("quantize/encode", {"4 bits, stochastic", four_bits, {.65, .50, 12}}, encode_row);
  add_sizes("quantize/decode_add", {"4 bits", four_bits, {.80, .75, 25}}, decode_row);
  add_sizes("bfloat16/encode", {"bfloat16", bfloat16, {.65, .55, 30}}, encode_row);
  add_projection(1, .70);
  add_projection(4, .50);
}

}  // namespace
}  // namespace starling::bench

int main(int argc, char** argv) {
  starling::bench::add_all();
  return starling::bench::run(argc, argv);
}
