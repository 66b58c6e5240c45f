// The names of things that cross a wire or a thread. Values; every thread.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>

namespace starling {

// A node's place in the run file's list of nodes, from 0. Every machine reads the same file, so
// every machine agrees; people see the node's name.
enum class NodeId : std::uint32_t {};
constexpr std::size_t index_of(NodeId id) { return static_cast<std::size_t>(id); }
constexpr NodeId node_id(std::size_t index) { return static_cast<NodeId>(index); }

using Round = std::uint64_t;     // one local step and its exchanges; from 0
using Epoch = std::uint32_t;     // one unbroken life of an edge; from 1, both ends agree
using Sequence = std::uint64_t;  // messages of one direction of an edge in one epoch; from 0

// Time since the driver's own start: steady in the daemon, virtual in the simulator. Never a date.
using Duration = std::chrono::nanoseconds;
using Time = std::chrono::nanoseconds;

constexpr double seconds(Duration d) { return std::chrono::duration<double>(d).count(); }

}  // namespace starling
