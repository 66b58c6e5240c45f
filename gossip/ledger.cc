#include "gossip/ledger.h"

#include <algorithm>
#include <array>
#include <utility>

#include "protocol/check.h"

namespace starling::gossip {
namespace {

std::uint64_t hash_of(const Message& message) {
  const std::uint64_t body = starling::hash_of(message.body.bytes());
  return message.start.size() == 0 ? body : body ^ starling::hash_of(message.start.bytes());
}

std::uint64_t hash_of(std::span<const std::uint64_t> words) {
  return starling::hash_of(std::as_bytes(words));
}

std::uint64_t hash_of(const EdgeTerms& terms) {
  const std::array<double, 2> numbers{terms.weight, terms.relaxation};
  return starling::hash_of(std::as_bytes(std::span(numbers)));
}

}  // namespace

void EdgeLedger::open(Epoch history) {
  INVARIANT(history > 0);
  const auto [low, high] = std::minmax(end_.self, end_.peer);
  const std::array<std::uint64_t, 3> begin{index_of(low), index_of(high), history};
  now_ = {.history = history, .chain = hash_of(begin)};
  last_.reset();
  pending_.reset();
}

void EdgeLedger::forget() {
  now_ = {};
  last_.reset();
  pending_.reset();
}

void EdgeLedger::sent(Exchange exchange, Message message, SharedBytes opening) {
  INVARIANT(!pending_ && now_.history > 0);
  pending_ = {exchange, now_.chain, std::move(message), std::move(opening), end_.terms, false};
}

std::uint64_t EdgeLedger::chain_with(const Message& theirs) const {
  INVARIANT(pending_.has_value());
  std::uint64_t low = hash_of(pending_->message), high = hash_of(theirs);
  if (end_.peer < end_.self) std::swap(low, high);
  const std::array<std::uint64_t, 5> words{now_.chain, pending_->exchange.round,
                                           pending_->exchange.index, low, high};
  return hash_of(words);
}

void EdgeLedger::count(const Message& theirs) {
  now_.before = std::exchange(now_.chain, chain_with(theirs));
  ++now_.count;
  now_.last = pending_->exchange;
  last_ = std::move(pending_);
  pending_.reset();
}

void EdgeLedger::acknowledge(std::uint64_t base) {
  if (base == now_.chain) last_.reset();
}

Settlement EdgeLedger::settlement(std::uint64_t state) const {
  if (pending_ && pending_->refused) return {};
  Settlement s = now_;
  s.state = state;
  if (pending_) {
    s.pending = pending_->exchange;
    s.terms = hash_of(pending_->terms);
  }
  s.last_kept = last_.has_value();
  return s;
}

void SentMessage::archive(Archive& archive, std::size_t body_bytes_max,
                          std::size_t start_bytes_max) {
  exchange.archive(archive);
  archive.number("base", base);
  archive.bytes("body", message.body, body_bytes_max);
  archive.bytes("start", message.start, start_bytes_max);
  terms.archive(archive);
}

void EdgeLedger::archive(Archive& archive, std::size_t body_bytes_max,
                         std::size_t start_bytes_max) {
  if (!archive.loading() && pending_ && pending_->refused) {  // what it will say of itself
    return EdgeLedger(end_).archive(archive, body_bytes_max, start_bytes_max);
  }
  archive.number("history", now_.history);
  archive.number("count", now_.count);
  archive.number("chain", now_.chain);
  archive.number("before", now_.before);
  const auto record = [&](const char* name, auto& value, const auto&... limits) {
    const Archive::Scope scope(archive, name);
    bool known = value.has_value();
    archive.number("known", known);
    if (!known) value.reset();
    if (known && !value) value.emplace();
    if (value) value->archive(archive, limits...);
  };
  record("newest", now_.last);
  record("last", last_, body_bytes_max, start_bytes_max);
  record("pending", pending_, body_bytes_max, start_bytes_max);
}

}  // namespace starling::gossip
