// An input is what happens to a node with two neighbors, event by event: they dial it, it dials
// them, they answer rightly, nearly so or with anything, hang up, say nothing while time passes;
// its owner sends, leaves them out, reads another run file, stops. The links are the real ones, on
// loopback. Aborts where an edge is up that nobody has offered, where what is told of it is not up,
// its frames in order, down; where what the node says are no whole frames; where it does not end.
#include "peer/links.h"

#include <spdlog/sinks/null_sink.h>

#include <array>
#include <memory>
#include <utility>
#include <vector>

#include "corpus.h"
#include "input.h"
#include "links_ends.h"
#include "peer/handshake.h"
#include "stream.h"
#include "virtual_clock.h"

namespace starling::fuzz {
namespace {

using namespace std::chrono_literals;

constexpr std::size_t kLinesMax = 6;
constexpr std::uint64_t kQueueMax = 3000;
constexpr std::array<std::size_t, 2> kNeighbors{0, 2};  // the node itself is 1
const Fingerprint kRun{{"run", "r"}, {"topology", "path of 3"}};
const Fingerprint kOtherRun{{"run", "r"}, {"topology", "another"}};

enum class Happening : std::uint8_t {
  dial,       // a neighbor dials
  answer,     // it takes a connection that the node has dialled
  hello,      // on a line: right, or nearly
  welcome,    //
  heartbeat,  //
  exchange,   //
  raw,        // anything
  hang_up,    //
  pass,       // of time
  stand,      // still, as a process that is stopped
  send,       // by the node
  part,       // left out, or misbehaved
  consume,    // what was received
  rewire,     // another run, or other neighbors
  set_round,
};
constexpr std::size_t kHappenings = 15;

constexpr std::array<std::chrono::milliseconds, 4> kTimes{10ms, 100ms, 1s, 4s};

struct Ports {
  Port self{false};
  std::array<Port, 2> neighbors{Port{true}, Port{true}};
};

class World {
 public:
  explicit World(const Ports& ports) : ports_(ports) {
    static const auto log =
        std::make_shared<spdlog::logger>("links", std::make_shared<spdlog::sinks::null_sink_st>());
    links_ = std::make_unique<peer::Links>(io_, options(), owner_, log);
    INVARIANT(links_->listen().ok());
    links_->start();
    settle(io_);
  }

  void happen(Input& input) {
    switch (static_cast<Happening>(input.below(kHappenings))) {
      case Happening::dial: dial(input.below(2)); break;
      case Happening::answer: answer(input.below(2)); break;
      case Happening::hello: say_hello(input); break;
      case Happening::welcome: say_welcome(input); break;
      case Happening::heartbeat: say_heartbeat(input); break;
      case Happening::exchange: say_exchange(input); break;
      case Happening::raw:
        if (Line* line = some_line(input)) line->say(input.text(input.byte()));
        break;
      case Happening::hang_up: hang_up(input); break;
      case Happening::pass: let_pass(kTimes[input.below(kTimes.size())]); break;
      case Happening::stand: stand_still(); break;
      case Happening::send: send(input); break;
      case Happening::part: part(input); break;
      case Happening::consume: consume(input.below(2)); break;
      case Happening::rewire: rewire(input.byte()); break;
      case Happening::set_round: links_->set_round(input.byte()); break;
    }
    look();
  }

  void end(bool stops) {
    bool done = false;
    if (stops) {
      links_->stop(peer::Farewell::finished, 2s, [&done] { done = true; });
      let_pass(3s, [&done] { return done; });
      INVARIANT(done);
      for (const std::size_t neighbor : kNeighbors) INVARIANT(!owner_.edges[neighbor].up);
    }
    links_ = nullptr;
    let_pass(3s, [this] { return io_.stopped(); });  // a goodbye may still be under way
    INVARIANT(io_.stopped());
    lines_.clear();
    for (const Port& port : ports_.neighbors) {
      for (int left = port.accept(); left >= 0; left = port.accept()) {
        Line(left, 0, Line::Dialler::node);
      }
    }
  }

 private:
  std::vector<peer::Neighbor> neighbors(bool both) const {
    std::vector<peer::Neighbor> all;
    for (std::size_t i = 0; i < (both ? 2 : 1); ++i) {
      all.push_back({node_id(kNeighbors[i]), name(i), ports_.neighbors[i].address()});
    }
    return all;
  }
  peer::LinkOptions options() const {
    peer::LinkOptions o;
    o.self = node_id(1);
    o.self_name = "n1";
    o.listen_address = ports_.self.address();
    o.neighbors = neighbors(true);
    o.fingerprint = kRun;
    o.body_bytes_max = o.piece_bytes_max = kBodyMax;
    o.handshake_max = 2s;
    o.silence_max = 3s;
    o.redial_max = 1s;
    o.redial_refused = 500ms;
    o.queue_bytes_max = kQueueMax;
    return o;
  }
  static std::string name(std::size_t i) { return fmt::format("n{}", kNeighbors[i]); }

  // ---- the neighbors ---------------------------------------------------------------------------

  void dial(std::size_t i) {
    if (lines_.size() == kLinesMax) return;
    const int socket = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const sockaddr_in address = loopback(ports_.self.number());
    const auto* const there = reinterpret_cast<const sockaddr*>(&address);
    auto line = std::make_unique<Line>(socket, i, Line::Dialler::neighbor);
    if (::connect(socket, there, sizeof address) == 0) lines_.push_back(std::move(line));
  }
  void answer(std::size_t i) {
    if (lines_.size() == kLinesMax) return;
    const int socket = ports_.neighbors[i].accept();
    if (socket < 0) return;
    lines_.push_back(std::make_unique<Line>(socket, i, Line::Dialler::node));
  }
  Line* some_line(Input& input) {
    return lines_.empty() ? nullptr : lines_[input.below(lines_.size())].get();
  }
  Owner::Edge& edge_of(const Line& line) { return owner_.edges[kNeighbors[line.neighbor]]; }

  void say(Line& line, FrameHeader header, const google::protobuf::MessageLite& message) {
    line.say(encoded(header, message.SerializeAsString(), ""));
  }
  void say_hello(Input& input) {
    Line* const line = some_line(input);
    if (!line) return;
    const std::uint8_t change = input.byte();
    wire::Hello hello = peer::make_hello({name(line->neighbor), run_}, "n1", 0, 3);
    switch (change) {
      case 1: hello.set_wanted("n7"); break;
      case 2: hello.set_node("n7"); break;
      case 3: hello.mutable_fingerprint(1)->set_value("?"); break;
      case 4: hello.set_version_min(2); break;
      case 5: hello.set_last_epoch(~0u); break;
      default: hello.set_last_epoch(input.byte()); edge_of(*line).offered = true;
    }
    say(*line, {.type = FrameType::hello}, hello);
  }
  void say_welcome(Input& input) {
    Line* const line = some_line(input);
    if (!line) return;
    wire::Welcome welcome = peer::make_welcome({name(line->neighbor), run_}, line->epoch, 3);
    switch (input.byte()) {
      case 1: welcome.set_node("n7"); break;
      case 2: welcome.mutable_fingerprint(0)->set_value("?"); break;
      case 3: welcome.set_epoch(0); break;
      default:
        if (line->dialler == Line::Dialler::node) edge_of(*line).offered = true;
    }
    say(*line, {.type = FrameType::welcome}, welcome);
  }
  void say_heartbeat(Input& input) {
    Line* const line = some_line(input);
    if (!line) return;
    wire::Heartbeat heartbeat;
    heartbeat.set_round(input.byte());
    say(*line, {.type = FrameType::heartbeat, .epoch = line->epoch + (input.byte() == 1)},
        heartbeat);
  }
  void say_exchange(Input& input) {
    Line* const line = some_line(input);
    if (!line) return;
    FrameHeader header{.type = FrameType::exchange, .epoch = line->epoch, .sequence = line->next++};
    std::string body = content(header.sequence, kBodyMax * input.below(3) / 2);
    switch (input.byte()) {
      case 1: ++header.epoch; break;
      case 2: ++header.sequence; break;
      case 3: header.payload_hash = 1; break;
      case 4: body += 'x'; break;
      case 5: header.type = FrameType::goodbye; break;
      case 6: header.type = FrameType::refusal; break;
      default: break;
    }
    line->say(encoded(header, "", body));
  }
  void hang_up(Input& input) {
    if (lines_.empty()) return;
    const auto at = lines_.begin() + static_cast<std::ptrdiff_t>(input.below(lines_.size()));
    if (input.below(2) == 0) {
      lines_.erase(at);
    } else {
      (*at)->shut();
    }
  }

  // ---- the node --------------------------------------------------------------------------------

  // Or until it is enough.
  template <class IsEnough>
  void let_pass(std::chrono::milliseconds time, const IsEnough& is_enough) {
    constexpr std::chrono::milliseconds kStep = 500ms;  // less than a heartbeat
    settle(io_);
    for (; time > 0ms && !is_enough(); time -= kStep) {
      fuzz::pass(std::min(time, kStep));
      settle(io_);
    }
  }
  void let_pass(std::chrono::milliseconds time) {
    let_pass(time, [] { return false; });
  }
  void stand_still() {
    fuzz::pass(1h);
    settle(io_);
  }
  bool is_neighbor(std::size_t i) const { return i == 0 || has_both_; }
  void send(Input& input) {
    const std::size_t i = input.below(2);
    if (!is_neighbor(i)) return;
    const Owner::Edge& edge = owner_.edges[kNeighbors[i]];
    const Epoch epoch = edge.epoch - (input.below(4) == 3 && edge.epoch > 0);
    links_->send(node_id(kNeighbors[i]), {.epoch = epoch}, shared(content(7, 150)));
  }
  void part(Input& input) {
    const std::size_t i = input.below(2);
    if (!is_neighbor(i)) return;
    const NodeId peer = node_id(kNeighbors[i]);
    input.below(2) == 0 ? links_->left_out(peer, "late") : links_->misbehaved(peer, "a NaN");
  }
  void consume(std::size_t i) {
    std::uint64_t& unread = owner_.edges[kNeighbors[i]].unread;
    links_->consumed(node_id(kNeighbors[i]), std::exchange(unread, 0));
  }
  // Closes without a word to the owner where the run is another one or the edge is gone.
  void rewire(std::uint8_t how) {
    const Fingerprint run = how & 1 ? kOtherRun : kRun;
    const bool both = (how & 2) == 0;
    if (run != run_) {
      for (Owner::Edge& edge : owner_.edges) edge.up = edge.offered = false;
    }
    if (has_both_ && !both) owner_.edges[kNeighbors[1]] = {};
    run_ = run;
    has_both_ = both;
    links_->rewire(neighbors(both), run, kBodyMax);
  }

  void look() {
    settle(io_);
    for (const auto& line : lines_) line->listen();
    for (const peer::LinkStatus& status : links_->status()) {
      const Owner::Edge& edge = owner_.edges[index_of(status.peer)];
      INVARIANT((status.state == peer::LinkState::up) == edge.up);
      INVARIANT(!edge.up || status.epoch == edge.epoch);
      INVARIANT(edge.up || !status.reason.empty());
      INVARIANT(edge.unread <= 2 * (kFrameHeaderBytes + 4096 + kBodyMax));
    }
  }

  const Ports& ports_;
  asio::io_context& io_ = begin_io();
  Owner owner_;
  Fingerprint run_ = kRun;
  bool has_both_ = true;
  std::unique_ptr<peer::Links> links_;
  std::vector<std::unique_ptr<Line>> lines_;
};

}  // namespace

std::vector<Seed> seeds() {
  const auto seed = [](const std::vector<std::pair<Happening, std::vector<int>>>& events) {
    Seed out;
    for (const auto& [what, how] : events) {
      out.push_back(static_cast<std::byte>(what));
      for (const int byte : how) out.push_back(static_cast<std::byte>(byte));
    }
    return out;
  };
  using enum Happening;
  using Events = std::vector<std::pair<Happening, std::vector<int>>>;
  const auto joined = [&seed](Events first, const Events& rest) {
    first.insert(first.end(), rest.begin(), rest.end());
    return seed(first);
  };
  // The first byte says how it ends.
  const Events in{{dial, {0}}, {hello, {0, 0, 0}}, {heartbeat, {0, 4, 0}}};
  const Events out{{answer, {1}}, {welcome, {0, 0}}};
  std::vector<Seed> all{
      joined(in, {{exchange, {0, 1, 0}}, {Happening::send, {0, 0}}, {consume, {0}}, {pass, {2}}}),
      joined(out,
             {{exchange, {0, 2, 0}}, {Happening::send, {1, 0}}, {set_round, {9}}, {pass, {2}}}),
      joined(in, {{dial, {0}}, {hello, {1, 0, 1}}, {pass, {2}}, {heartbeat, {1, 0, 0}}}),
      joined(in, {{part, {0, 0}}, {pass, {2}}, {dial, {0}}, {hello, {1, 0, 1}}}),
      joined(in, {{part, {0, 1}}, {dial, {0}}, {hello, {1, 0, 1}}, {pass, {2}}}),
      joined(in,
             {{rewire, {1}}, {pass, {1}}, {dial, {0}}, {hello, {1, 0, 1}}, {heartbeat, {1, 0, 0}}}),
      joined(out, {{rewire, {2}}, {pass, {1}}, {rewire, {0}}, {pass, {1}}, {answer, {1}}}),
      joined(in, {{hang_up, {0, 0}}, {pass, {2}}, {answer, {0}}, {welcome, {0, 0}}}),
      joined(in,
             {{stand, {}}, {exchange, {0, 1, 0}}, {exchange, {0, 1, 0}}, {exchange, {0, 1, 2}}}),
      joined({}, {{dial, {1}}, {raw, {0, 5, 'G', 'E', 'T', ' ', '/'}}, {pass, {2}}}),
  };
  for (int change = 1; change < 7; ++change) {
    all.push_back(joined(in, {{exchange, {0, 1, change}}, {pass, {1}}}));
    all.push_back(seed({{dial, {0}}, {hello, {0, change}}, {pass, {1}}}));
    all.push_back(seed({{answer, {1}}, {welcome, {0, change}}, {pass, {1}}}));
  }
  for (std::size_t i = 0; i < all.size(); ++i) {
    all[i].insert(all[i].begin(), static_cast<std::byte>(i % 2));
  }
  return all;
}

}  // namespace starling::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace starling::fuzz;
  static const Ports ports;
  Input input(data, std::min<std::size_t>(size, 500));
  const bool stops = input.below(2) == 0;
  World world(ports);
  while (!input.empty()) world.happen(input);
  world.end(stops);
  return 0;
}
