// Who joins whom: links that wait, the model of a neighbor, and edges that come back.
#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "node/core.h"
#include "protocol/check.h"
#include "protocol/frame.h"

namespace starling::node {
namespace {

// For the edges of links that are up to settle, once the model is here.
constexpr Duration kSettleWait = std::chrono::seconds{2};

}  // namespace

// ---- links ----------------------------------------------------------------------------------

// A link is held back from the algorithm while this node has no model to exchange, so that no
// neighbor waits for it in a round; and at the other end, until the newcomer has said something.
void Core::on(const PeerUp& event, Time now, Effects& out) {
  Partner& p = partner(event.peer);
  if (p.settled) p.healing.broke(now, round_);
  p = p.anew(event.epoch);
  p.barred = p.strikes.is_out(now);
  p.healing.link_up();
  if (absences_) welcome(p, out);
  if (!can_be_in(p, event.round, now, out)) return;
  if (!fetch_ && would_fetch_from(event)) {
    fetch_.emplace(model().size(), now, options_.fetch);
    at_ = At::fetching;
  }
  if (is_fetching()) {
    Fetch::Asks asks;
    if (event.round > 0) fetch_->up(event.peer, now, asks);
    follow_fetch(asks, now, out);
  } else if (!event.is_newcomer() && !p.barred) {
    admit(p, now, out);
  }
}

void Core::on(const PeerDown& event, Time now, Effects& out) {
  Partner& p = partner(event.peer);
  if (p.settled) p.healing.broke(now, round_);
  if (absences_) absences_->gone(p.id, now);
  const bool admitted = p.admitted;
  p = p.anew(std::nullopt);
  giver_.down(event.peer);
  if (admitted) give(event, now, out);
  if (!fetch_) return;
  Fetch::Asks asks;
  fetch_->down(event.peer, now, asks);
  is_fetching() ? follow_fetch(asks, now, out) : begin_if_gathered(now, out);
}

void Core::on(const PeerLeft& event, Time /*now*/, Effects& /*out*/) {
  if (absences_) absences_->left(event.peer);
}

void Core::on(Received&& event, Time now, Effects& out) {
  Partner& p = partner(event.from);
  if (event.parcel.type == FrameType::ask) return answer_ask(event, now, out);
  if (event.parcel.type == FrameType::missed) return hear_missed(event, now, out);
  if (!is_of_edge(event.parcel.type)) return take_answer(event, now, out);
  if (event.parcel.is_of_exchange()) {
    received_bytes_ += kFrameHeaderBytes + event.parcel.body.size();
    if (!can_be_in(p, event.parcel.round, now, out)) return;
  }
  if (!p.admitted && p.epoch == event.parcel.epoch) {
    return receive_held(p, std::move(event), now, out);
  }
  p.healing.received(event.parcel);
  give(std::move(event), now, out);
  tell_if_healed(p, out);
}

void Core::receive_held(Partner& p, Received&& event, Time now, Effects& out) {
  if (p.held.size() == Partner::kHeldMax) {
    const char* const why =
        p.barred ? "it sends exchanges to a node that leaves it out and sent none"
                 : "it sends exchanges to a node that has no model yet and sent none";
    return reject(p, why, now, out);
  }
  p.held.push_back(std::move(event));
  if (!is_fetching() && !p.barred) admit(p, now, out);  // the newcomer has spoken
}

// Goes where a neighbor is, if it can be there and is not left out; else closes the link.
bool Core::can_be_in(Partner& p, Round round, Time now, Effects& out) {
  if (round > options_.rounds) {
    reject(p,
           fmt::format("it says that it is in round {} of a run that has {} here; give both the "
                       "same [run] rounds",
                       round, options_.rounds),
           now, out);
    return false;
  }
  if (!p.barred) catch_up_to(round);
  return true;
}

// Closes the link; after one strike too many the neighbor's next ones are held back, too.
void Core::reject(Partner& p, std::string why, Time now, Effects& out) {
  if (const auto left_out = p.strikes.strike(now)) {
    why += fmt::format("; it is left out for {:.0f} s after {} refusals in {:.0f} minutes",
                       seconds(*left_out), Strikes::kMost, seconds(Strikes::kWithin) / 60);
    p.awaited = false;
  }
  out.push_back(Reject{p.id, std::move(why)});
}

// Between two rounds.
void Core::admit_barred(Time now, Effects& out) {
  for (Partner& p : partners_) {
    if (!p.barred || p.strikes.is_out(now)) continue;
    p.barred = false;
    if (p.epoch && !p.admitted) admit(p, now, out);
  }
}

void Core::admit(Partner& p, Time now, Effects& out) {
  p.admitted = true;
  give(gossip::PeerUp{p.id, *p.epoch}, now, out);
  for (gossip::Received& event : std::exchange(p.held, {})) {
    if (is_over()) return;
    p.healing.received(event.parcel);
    give(std::move(event), now, out);
    tell_if_healed(p, out);
  }
}

void Core::settled(const EdgeSettled& event, Time now, Effects& out) {
  Partner& p = partner(event.peer);
  p.settled = true;
  if (event.reunion && !p.healing.settled(*event.reunion, now, round_)) out.push_back(event);
  neighbor_is_there(now, out);
}

void Core::tell_if_healed(Partner& p, Effects& out) {
  if (auto healed = p.healing.healed(p.id)) out.push_back(*std::move(healed));
}

// ---- giving ---------------------------------------------------------------------------------

void Core::answer_ask(const Received& event, Time now, Effects& out) {
  if (partner(event.from).epoch != event.parcel.epoch) return;
  if (between_rounds() && round_ == 0) {  // as one that fetches a model is, too
    return say(event.from, Giver::nothing(), out);
  }
  auto answer = giver_.answer(event.from, event.parcel, round_, now);
  if (!answer) {
    reject(partner(event.from), answer.error().message, now, out);
  } else if (*answer) {
    say(event.from, **std::move(answer), out);
  } else if (between_rounds()) {
    give_model(out);
  }
}

void Core::give_model(Effects& out) {
  for (auto& [to, parcel] : giver_.give(model(), round_)) say(to, std::move(parcel), out);
}

// ---- fetching -------------------------------------------------------------------------------

bool Core::would_fetch_from(const PeerUp& event) const {
  return options_.fetches_model && !loaded_ && at_ == At::gathering && event.told == 0 &&
         event.round > 0;
}

void Core::take_answer(const Received& event, Time now, Effects& out) {
  if (partner(event.from).epoch != event.parcel.epoch) return;
  if (!fetch_) {
    return reject(partner(event.from), "a part of a model that was not asked for", now, out);
  }
  if (!can_be_in(partner(event.from), event.parcel.round, now, out)) return;
  const bool was_fetching = is_fetching();
  Fetch::Asks asks;
  const Result<void> taken = fetch_->receive(event.from, event.parcel, now, asks);
  if (!taken) reject(partner(event.from), taken.error().message, now, out);
  if (was_fetching) follow_fetch(asks, now, out);
}

void Core::follow_fetch(const Fetch::Asks& asks, Time now, Effects& out) {
  for (const Fetch::Ask& ask : asks) {
    say(ask.of, {.type = FrameType::ask, .exchange = ask.piece, .base = ask.snapshot}, out);
  }
  if (fetch_->state() != Fetch::State::running) return end_fetch(now, out);
  out.push_back(ArmTimer{kStartTimer, fetch_->deadline() - now});
}

// The model is here, or will not be: the links that waited for it do so no longer.
void Core::end_fetch(Time now, Effects& out) {
  Duration wait = kSettleWait;
  if (has_fetched()) {
    algorithm_->begin_at(fetch_->model());
    fetch_->let_go_of_model();
    out.push_back(fetch_->outcome(now));
  } else {
    wait = std::max(wait, started_at_ + options_.start_wait - now);
    out.push_back(FetchGivenUp{fetch_->why()});
  }
  at_ = At::gathering;
  for (Partner& p : partners_) {
    if (p.epoch && !p.admitted && !p.barred) admit(p, now, out);
  }
  if (at_ == At::gathering) gather(wait, now, out);
}

// ---- who is away ----------------------------------------------------------------------------

void Core::welcome(const Partner& p, Effects& out) {
  absences_->there(p.id);
  for (const Absences::Word& word : absences_->words()) say_missed(p.id, word, out);
}

void Core::look_for_absent(Time now, Effects& out) {
  for (const Absences::Word& word : absences_->look(now)) {
    for (const Partner& p : partners_) {
      if (p.epoch) say_missed(p.id, word, out);
    }
  }
  if (auto away = absences_->agreed(); !away.empty()) out.push_back(NodesAway{std::move(away)});
}

void Core::say_missed(NodeId to, Absences::Word word, Effects& out) {
  if (word.about == to) return;
  say(to,
      {.type = FrameType::missed,
       .exchange = static_cast<std::uint32_t>(index_of(word.about)),
       .base = word.missed ? 1u : 0u},
      out);
}

void Core::hear_missed(const Received& event, Time now, Effects& out) {
  Partner& from = partner(event.from);
  if (from.epoch != event.parcel.epoch) return;
  const Absences::Word word{node_id(event.parcel.exchange), event.parcel.base != 0};
  const Result<void> heard =
      absences_ ? absences_->hear(from.id, word)
                : Error{ErrorCode::peer, "it says whom it misses, and this is no mesh"};
  if (!heard) reject(from, heard.error().message, now, out);
}

// Every frame of a node says where it is.
void Core::say(NodeId to, gossip::Parcel parcel, Effects& out) {
  const std::optional<Epoch> epoch = partner(to).epoch;
  if (!epoch) return;
  parcel.epoch = *epoch;
  parcel.round = round_;
  out.push_back(Send{to, std::move(parcel)});
}

}  // namespace starling::node
