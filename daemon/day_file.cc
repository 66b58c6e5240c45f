#include "daemon/day_file.h"

#include <algorithm>
#include <chrono>
#include <fstream>
#include <nlohmann/json.hpp>
#include <utility>

#include "daemon/text_file.h"

namespace starling::daemon {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;

// Of the world's clock, for the next process may come after a restart of the machine.
double now_in_seconds() {
  return std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
}

bool is_sound(const Json& json) {
  if (!json.is_object() || !json.contains("at") || !json["at"].is_number()) return false;
  if (!json.contains("used") || !json["used"].is_object()) return false;
  return std::ranges::all_of(json["used"], [](const Json& x) { return x.is_number_unsigned(); });
}

}  // namespace

DayFile::DayFile(asio::io_context& io, fs::path file, peer::Links& links, NameOf name_of,
                 std::shared_ptr<spdlog::logger> log)
    : file_(std::move(file)),
      links_(links),
      name_of_(std::move(name_of)),
      log_(std::move(log)),
      timer_(io) {}

void DayFile::begin() {
  const std::vector<peer::DayUse> budgets = links_.day_use();
  std::error_code ignored;
  if (fs::exists(file_, ignored)) take_over(budgets);
  write(true);
  write_every();
}

void DayFile::end() {
  timer_.cancel();
  write(false);
}

void DayFile::take_over(const std::vector<peer::DayUse>& budgets) {
  std::ifstream in(file_, std::ios::binary);
  const Json json = Json::parse(in, nullptr, false);
  const bool sound = is_sound(json);
  if (!sound) {
    log_->error(
        "{}: found something else than what a daemon writes there of the bytes of its day, "
        "so all that may go at once has gone; the file is written anew",
        file_.string());
  }
  // Where the clock of the world was set back, no time has passed.
  const double passed = sound ? std::max(0.0, now_in_seconds() - json["at"].get<double>()) : 0;
  constexpr double kDay = 86400;
  const auto ago =
      std::chrono::duration_cast<Duration>(std::chrono::duration<double>(std::min(passed, kDay)));
  for (const peer::DayUse& budget : budgets) {
    const std::string name = name_of(budget);
    if (sound && !json["used"].contains(name)) continue;
    links_.set_day_used(budget.peer,
                        sound ? json["used"][name].get<std::uint64_t>() : budget.at_once, ago);
  }
}

void DayFile::write(bool as_if_all_had_gone) {
  const std::vector<peer::DayUse> budgets = links_.day_use();
  if (budgets.empty()) return;
  Json json{{"at", now_in_seconds()}, {"used", Json::object()}};
  for (const peer::DayUse& budget : budgets) {
    json["used"][name_of(budget)] =
        as_if_all_had_gone ? std::max(budget.used, budget.at_once) : budget.used;
  }
  const auto written = write_text(file_, json.dump() + "\n");
  if (!written && !failed_) {
    log_->error("{}; the next process does not know what has gone of the day",
                written.error().message);
  }
  failed_ = !written;
}

void DayFile::write_every() {
  timer_.expires_after(kEvery);
  timer_.async_wait([this](const asio::error_code& cancelled) {
    if (cancelled) return;
    write(false);
    write_every();
  });
}

std::string DayFile::name_of(const peer::DayUse& budget) const {
  return budget.peer ? name_of_(*budget.peer) : std::string();
}

}  // namespace starling::daemon
