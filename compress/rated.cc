#include "compress/rated.h"

#include <algorithm>
#include <cmath>

#include "compress/header.h"
#include "protocol/check.h"

namespace starling::compress {
namespace {

constexpr double kHysteresis = 0.1;  // specification §4
constexpr double kFillStep = 0.1;

}  // namespace

Rated::Rated(std::unique_ptr<Ladder> ladder, Budget& budget, const RatedPlace& place)
    : ladder_(std::move(ladder)),
      budget_(budget),
      place_(place),
      errors_(ladder_->levels()),
      costs_(ladder_->levels()) {}

Contract Rated::contract(std::size_t d) const { return ladder_->contract(0, d); }

std::size_t Rated::encoded_bytes_max(std::size_t d) const {
  std::size_t most = 0;
  for (std::size_t l = 0; l < ladder_->levels(); ++l) {
    most = std::max(most, ladder_->bytes_max(l, d));
  }
  return kHeaderBytes + most;
}

// Of the two levels that the bytes lie between; on a fine ladder of a wider stretch around, where
// the estimate of one step would be mostly that of a few coordinates.
double Rated::margin_at(double bytes) const {
  const std::size_t last = costs_.size() - 1;
  std::size_t low = 0;
  while (low + 1 < last && costs_[low + 1].bytes <= bytes) ++low;
  const std::size_t around = ladder_->is_fine() ? 2 : 0;
  const LevelCost &a = costs_[low - std::min(low, around)],
                  &b = costs_[std::min(low + 1 + around, last)];
  if (!(b.bytes > a.bytes)) return 0;
  return std::max(0.0, a.error - b.error) / (b.bytes - a.bytes);
}

std::size_t Rated::cheapest(double price) const {
  const auto loss = [&](std::size_t l) { return costs_[l].error + price * costs_[l].bytes; };
  if (!std::isfinite(price)) return 0;
  std::size_t best = 0;
  for (std::size_t l = 1; l < costs_.size(); ++l) {
    if (loss(l) < loss(best)) best = l;
  }
  const bool stays = !ladder_->is_fine() && loss(level_) - loss(best) <= kHysteresis * loss(level_);
  return stays ? level_ : best;
}

Rated::Choice Rated::choose(std::span<const float> x) {
  ladder_->errors(x, errors_);
  for (std::size_t l = 0; l < costs_.size(); ++l) {
    const auto most = static_cast<double>(kHeaderBytes + ladder_->bytes_max(l, x.size()));
    costs_[l] = {fill_ * most, errors_[l]};
  }
  const auto even = budget_.even_bytes();
  if (!even) return {0, 0};
  if (budget_.controller() == RateController::layers) {
    return {budget_.plan(stream()).choose(place_.part, costs_, *even, place_.share), 0};
  }
  const double margin = margin_at(*even * place_.share);
  return {cheapest(budget_.price(stream(), margin)), margin};
}

Result<std::size_t> Rated::encode(std::span<const float> x, std::uint64_t key,
                                  std::span<std::byte> out) {
  const Choice choice = choose(x);
  const auto body = write_header({.op = Op::rated,
                                  .param = static_cast<std::uint16_t>(choice.level),
                                  .d = x.size(),
                                  .count = static_cast<std::uint32_t>(ladder_->levels())},
                                 out);
  const std::size_t most = ladder_->bytes_max(choice.level, x.size());
  const auto used = ladder_->encode(choice.level, x, key, body.first(most));
  if (!used) return used;
  budget_.learn(stream(), choice.margin, place_.share);
  const auto bytes = static_cast<double>(kHeaderBytes + *used);
  fill_ += kFillStep * (bytes / static_cast<double>(kHeaderBytes + most) - fill_);
  level_ = choice.level;
  ++turn_;
  return kHeaderBytes + *used;
}

Result<void> Rated::decode_add(std::span<const std::byte> bytes, float scale,
                               std::span<float> y) const {
  const Result<Header> header = read_header(bytes, Op::rated, y.size());
  if (!header) return header.error();
  const std::size_t levels = ladder_->levels();
  if (header->param >= levels) {
    return refused("header field param (the level)", header->param,
                   fmt::format("at most {}", levels - 1));
  }
  const Header expected{.param = header->param, .count = static_cast<std::uint32_t>(levels)};
  if (auto same = expect_fields(*header, expected); !same) return same;
  return ladder_->decode_add(header->param, bytes.subspan(kHeaderBytes), scale, y);
}

void Rated::archive(Archive& archive) {
  archive.number("fill", fill_);
  archive.number("level", level_, ladder_->levels() - 1);
  archive.number("turn", turn_);
  ladder_->archive(archive);
}

}  // namespace starling::compress
