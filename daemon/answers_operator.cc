// What an operator asks for beside looking: answered when it is done, or said that it is not.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <asio/post.hpp>
#include <asio/this_coro.hpp>
#include <atomic>
#include <memory>
#include <vector>

#include "daemon/answers.h"
#include "daemon/error_reply.h"

namespace starling::daemon {
namespace {

constexpr std::chrono::seconds kPingPatience{5};
constexpr std::chrono::seconds kExportPatience{110};  // `starling` itself waits for two minutes

// What `start` gives to the function that it gets, which is called on the io thread; nothing where
// that takes longer than `patience`.
template <class T, class Start>
peer::Task<std::optional<T>> value_of(Duration patience, Start start) {
  struct Shared {
    asio::steady_timer done;  // cancelled when the value is there
    std::optional<T> value;
  };
  const auto executor = co_await asio::this_coro::executor;
  const auto shared = std::make_shared<Shared>(asio::steady_timer(executor, patience));
  start([shared](T value) {
    shared->value = std::move(value);
    shared->done.cancel();
  });
  co_await shared->done.async_wait(peer::awaited());
  co_return std::move(shared->value);
}

}  // namespace

Result<NodeId> Answers::neighbor_called(const std::string& name) const {
  std::vector<std::string> names;
  for (const peer::LinkStatus& link : parts_.links.status()) {
    if (name_of_node(link.peer) == name) return link.peer;
    names.push_back(name_of_node(link.peer));
  }
  return Error{
      ErrorCode::config,
      fmt::format("{} has no neighbor called \"{}\"; its neighbors are {}",
                  name_of_node(parts_.self), name,
                  names.empty() ? std::string("none") : fmt::format("{}", fmt::join(names, ", ")))};
}

peer::Task<control::Reply> Answers::measure(std::string name) {
  const Result<NodeId> peer = neighbor_called(name);
  if (!peer) co_return error_reply(peer.error().message);
  const auto got = co_await value_of<Result<Duration>>(
      kPingPatience, [&](auto done) { parts_.links.ping(*peer, std::move(done)); });
  if (!got) {
    co_return error_reply(fmt::format("no answer of {} within {} s, and the link is up", name,
                                      kPingPatience.count()));
  }
  if (!*got) co_return error_reply(fmt::format("{}: {}", name, got->error().message));
  control::Reply reply;
  reply.mutable_ping()->set_seconds(seconds(**got));
  co_return reply;
}

control::Reply Answers::pause(const control::Request& request) {
  const bool on = request.has_pause();
  const std::string& name = on ? request.pause().peer() : request.resume().peer();
  if (name.empty()) {
    on ? parts_.pauses.pause_training() : parts_.pauses.resume_training();
  } else {
    const Result<NodeId> peer = neighbor_called(name);
    if (!peer) return error_reply(peer.error().message);
    on ? parts_.pauses.pause_link(*peer) : parts_.pauses.resume_link(*peer);
  }
  control::Reply reply;
  control::PauseReply& out = on ? *reply.mutable_pause() : *reply.mutable_resume();
  out.set_round(progress_->rounds_done);
  out.set_phase(node::name_of(progress_->phase));
  return reply;
}

// Written beside the node's other files, where it may write whatever it may not elsewhere.
peer::Task<control::Reply> Answers::export_now() {
  using Written = Result<Round>;
  const ModelFile file{parts_.exports.next(peer::Clock::now()), parts_.run.config.run.name,
                       name_of_node(parts_.self)};
  const auto executor = co_await asio::this_coro::executor;
  const auto given_up = std::make_shared<std::atomic<bool>>(false);
  const auto written = co_await value_of<Written>(kExportPatience, [&](auto done) {
    parts_.engine.between_rounds([executor, file, given_up, done](const node::Core* core) {
      if (*given_up) return;
      Written result =
          Error{ErrorCode::io, "the node has ended; its model is in its state directory"};
      if (core) {
        const Result<void> wrote = write_model(file, *core);
        result = wrote ? Written(core->rounds_done()) : Written(wrote.error());
      }
      asio::post(executor, [done, result] { done(result); });
    });
  });
  *given_up = !written;
  parts_.exports.told(file.path, peer::Clock::now());
  if (!written) co_return error_reply("the round has not ended yet; ask again");
  if (!*written) co_return error_reply(written->error().message);
  control::Reply reply;
  reply.mutable_export_()->set_round(**written);
  reply.mutable_export_()->set_file(file.path.string());
  co_return reply;
}

}  // namespace starling::daemon
