// The parts of Asio that this folder uses, under the names that it uses. Never included by links.h:
// the floors around peer/ do not see Asio through us.
#pragma once

#include <asio/awaitable.hpp>
#include <asio/buffer.hpp>
#include <asio/experimental/as_tuple.hpp>
#include <asio/io_context.hpp>
#include <asio/ip/tcp.hpp>
#include <asio/steady_timer.hpp>
#include <asio/use_awaitable.hpp>
#include <chrono>

namespace starling::peer {

using Tcp = asio::ip::tcp;
using Clock = std::chrono::steady_clock;

template <class T>
using Task = asio::awaitable<T>;

// `auto [error, n] = co_await socket.async_read_some(…, awaited());`
inline auto awaited() { return asio::experimental::as_tuple(asio::use_awaitable); }

inline constexpr Clock::time_point kNever = Clock::time_point::max();

}  // namespace starling::peer
