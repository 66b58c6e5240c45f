// Kernels against the rate at which one core reads the same memory, measured in turn in one
// process: read, kernel, read, kernel … The ratio of neighbors in time stands still where a shared
// machine's GB/s do not.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace starling::bench {

// Floats on huge pages where the kernel gives them. Buffers of different `stagger` begin at
// different places of a 4 KiB page, so that no store aliases a load of another buffer.
class Floats {
 public:
  explicit Floats(std::size_t size, std::size_t stagger = 0);
  ~Floats();
  Floats(const Floats&) = delete;
  Floats& operator=(const Floats&) = delete;

  std::span<float> span() const { return {begin_, size_}; }

 private:
  void* mapped_;
  std::size_t mapped_bytes_;
  float* begin_;
  std::size_t size_;
};

// What the specification (§6, suggested targets) asks for: a share of the read rate, GB/s, or
// nanoseconds an index. Nothing: only told.
struct Target {
  enum class Unit { ratio, gigabytes, nanoseconds } unit = Unit::ratio;
  double value;
};

// One line of the table.
struct Row {
  std::string kernel;
  std::size_t floats;  // of the vector; what a GB is counted of
  std::optional<Target> target;
  std::span<const float> read;  // as many floats, read in turn with the work
  std::function<void()> work;
  std::int64_t instruction_sets = 0;  // Highway's bits, for the work alone; 0: all of them
  std::size_t indices = 0;            // what nanoseconds are counted of
  std::string bound =
      {};  // kernel of the row, of as many floats, that this one cannot be faster than
};

// Makes a row when its benchmark runs; what it captures lives until the row has been measured.
using MakeRow = std::function<Row()>;

// Registers a benchmark with Google Benchmark under this name.
void add(const std::string& name, MakeRow make);

// The main program: runs what --benchmark_filter leaves, then prints the table. Returns 0: a
// missed target is told, and is no failure, since machines are shared.
int run(int argc, char** argv);

}  // namespace starling::bench
