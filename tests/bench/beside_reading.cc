#include "beside_reading.h"

#include <benchmark/benchmark.h>
#include <fmt/format.h>
#include <sys/mman.h>

#include <hwy/targets.h>
#include <algorithm>
#include <ctime>
#include <utility>

#include "compress/kernels/read.h"
#include "protocol/check.h"

namespace starling::bench {
namespace {

constexpr std::size_t kHugePage = 2 << 20;
constexpr int kPairs = 21;
constexpr std::size_t kFloatsTimed = 4'000'000;  // short vectors are done again until this many

struct Measured {
  Row row;
  double seconds, read_seconds, ratio;  // of one call; medians
};

std::vector<Measured>& results() {
  static std::vector<Measured> all;
  return all;
}

double median(std::vector<double> values) {
  std::nth_element(values.begin(), values.begin() + values.size() / 2, values.end());
  return values[values.size() / 2];
}

// Of this thread on the processor: what other programs have of it in between does not count.
double seconds_on_processor() {
  timespec now{};
  INVARIANT(clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now) == 0);
  return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) * 1e-9;
}

template <class Work>
double seconds_a_call(std::size_t calls, Work&& work) {
  const double begin = seconds_on_processor();
  for (std::size_t call = 0; call < calls; ++call) work();
  return (seconds_on_processor() - begin) / static_cast<double>(calls);
}

double gigabytes(const Row& row) { return static_cast<double>(row.floats * sizeof(float)) / 1e9; }

// The first dispatched call after the choice asks the processor what it has, which a virtual
// machine answers in microseconds; that is no part of what is measured.
void choose_instruction_sets(std::int64_t sets) {
  hwy::SetSupportedTargetsForTest(sets);
  benchmark::DoNotOptimize(compress::read_all({}));
}

void measure(benchmark::State& state, const MakeRow& make) {
  Row row = make();
  const std::size_t calls = std::max<std::size_t>(1, kFloatsTimed / row.floats);
  std::vector<double> reads, works, ratios;
  row.work();  // scratch is allocated, pages are there, a warm start is warm
  for (auto _ : state) {
    reads.push_back(
        seconds_a_call(calls, [&] { benchmark::DoNotOptimize(compress::read_all(row.read)); }));
    choose_instruction_sets(row.instruction_sets);
    works.push_back(seconds_a_call(calls, row.work));
    choose_instruction_sets(0);
    ratios.push_back(reads.back() / works.back());
    state.SetIterationTime(works.back());
  }
  row.work = {};  // and with it the memory
  results().push_back({row, median(works), median(reads), median(ratios)});
  state.counters["GB/s"] = gigabytes(row) / results().back().seconds;
  state.counters["ratio"] = results().back().ratio;
}

// A share of the read rate also in GB/s of this machine.
std::string target_text(const Measured& m) {
  const std::optional<Target>& target = m.row.target;
  if (!target) return "-";
  switch (target->unit) {
    case Target::Unit::ratio:
      return fmt::format(">= {:.2f} ({:.0f} GB/s)", target->value,
                         target->value * gigabytes(m.row) / m.read_seconds);
    case Target::Unit::gigabytes: return fmt::format(">= {:.0f} GB/s", target->value);
    case Target::Unit::nanoseconds: return fmt::format("<= {:.0f} ns", target->value);
  }
  return "?";
}

bool met(const Measured& m, const Target& target) {
  switch (target.unit) {
    case Target::Unit::ratio: return m.ratio >= target.value;
    case Target::Unit::gigabytes: return gigabytes(m.row) / m.seconds >= target.value;
    case Target::Unit::nanoseconds:
      return m.seconds * 1e9 / static_cast<double>(m.row.indices) <= target.value;
  }
  return false;
}

std::string bound_text(const Row& row) {
  const auto same = [&](const Measured& m) {
    return m.row.kernel == row.bound && m.row.floats == row.floats;
  };
  const auto bound = std::ranges::find_if(results(), same);
  return bound == results().end() ? "-" : fmt::format("{:.2f}", bound->ratio);
}

void print_row(const Measured& m) {
  const Row& row = m.row;
  const bool indices = row.indices > 0;
  const auto number = [](bool shown, double value) {
    return shown ? fmt::format("{:.2f}", value) : std::string("-");
  };
  const auto count = static_cast<double>(std::max<std::size_t>(1, row.indices));
  fmt::print("{:<44} {:>9} {:>8} {:>8.2f} {:>7} {:>7} {:>7}  {:<17} {}\n", row.kernel, row.floats,
             number(!indices, gigabytes(row) / m.seconds), gigabytes(row) / m.read_seconds,
             number(!indices, m.ratio), bound_text(row), number(indices, m.seconds * 1e9 / count),
             target_text(m),
             !row.target           ? "-"
             : met(m, *row.target) ? "yes"
                                   : "no");
}

void print_table() {
  fmt::print("\n{:<44} {:>9} {:>8} {:>8} {:>7} {:>7} {:>7}  {:<17} {}\n", "kernel", "floats",
             "GB/s", "read", "ratio", "bound", "ns/idx", "target", "met");
  for (const Measured& m : results()) print_row(m);
  fmt::print(
      "GB/s of float32; ratio to reading the same memory on one core, medians of {} pairs.\n",
      kPairs);
}

}  // namespace

Floats::Floats(std::size_t size, std::size_t stagger) : size_(size) {
  const std::size_t offset = stagger % 3 * (1024 + 64);
  mapped_bytes_ = (size * sizeof(float) + offset + kHugePage - 1) / kHugePage * kHugePage;
  mapped_ = mmap(nullptr, mapped_bytes_ + kHugePage, PROT_READ | PROT_WRITE,
                 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  INVARIANT(mapped_ != MAP_FAILED);
  const auto address = reinterpret_cast<std::uintptr_t>(mapped_);
  const std::uintptr_t aligned = (address + kHugePage - 1) / kHugePage * kHugePage;
  madvise(reinterpret_cast<void*>(aligned), mapped_bytes_, MADV_HUGEPAGE);
  begin_ = reinterpret_cast<float*>(aligned + offset);
  std::fill_n(begin_, size_, 0.0f);
}

Floats::~Floats() { munmap(mapped_, mapped_bytes_ + kHugePage); }

void add(const std::string& name, MakeRow make) {
  benchmark::RegisterBenchmark(
      name.c_str(), [make = std::move(make)](benchmark::State& state) { measure(state, make); })
      ->UseManualTime()
      ->Iterations(kPairs)
      ->Unit(benchmark::kMicrosecond);
}

int run(int argc, char** argv) {
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 2;
  benchmark::RunSpecifiedBenchmarks();
  benchmark::Shutdown();
  print_table();
  return 0;
}

}  // namespace starling::bench
