#include "peer/spawn.h"

#include <asio/co_spawn.hpp>
#include <asio/post.hpp>
#include <exception>
#include <utility>

namespace starling::peer {
namespace {

// co_spawn would start the body inside the caller's call; peer/ promises that it does not.
Task<void> posted(asio::io_context& io, Task<void> body) {
  co_await asio::post(io, asio::use_awaitable);
  co_await std::move(body);
}

}  // namespace

void spawn(asio::io_context& io, std::string name, std::shared_ptr<spdlog::logger> log,
           Task<void> body, std::function<void()> ended) {
  asio::co_spawn(io, posted(io, std::move(body)),
                 [name = std::move(name), log = std::move(log),
                  ended = std::move(ended)](std::exception_ptr failure) {
                   try {
                     if (failure) std::rethrow_exception(failure);
                   } catch (const std::exception& e) {
                     log->error("{} ended with an exception: {}", name, e.what());
                   }
                   ended();
                 });
}

}  // namespace starling::peer
