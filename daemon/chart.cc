#include "daemon/chart.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <optional>

namespace starling::daemon {
namespace {

// In units of the view box.
constexpr double kWidth = 440, kHeight = 300;
constexpr double kLeft = 64, kRight = 20, kTop = 34, kBottom = 46;
constexpr std::size_t kPointsMax = 200;

// Legible on white and on black.
constexpr std::array kColors = {"#3d7fe0", "#d9711f", "#2f9e5f", "#c4459c",
                                "#8b6be0", "#a88a00", "#1a9fae", "#d6443f"};
constexpr std::array kDashes = {"", "9 4", "9 3 2 3", "4 3"};

struct Range {
  double low = std::numeric_limits<double>::infinity();
  double high = -std::numeric_limits<double>::infinity();

  void include(double value) {
    low = std::min(low, value);
    high = std::max(high, value);
  }
  bool empty() const { return low > high; }
};

bool is_drawn(double value, const Axis& axis) {
  return std::isfinite(value) && (!axis.logarithmic || value > 0);
}

// Means of as many neighbors as it takes to keep the page small.
std::vector<Point> thinned(const std::vector<Point>& points) {
  if (points.size() <= kPointsMax) return points;
  const std::size_t group = (points.size() + kPointsMax - 1) / kPointsMax;
  std::vector<Point> out;
  for (std::size_t begin = 0; begin < points.size(); begin += group) {
    const std::size_t end = std::min(points.size(), begin + group);
    Point mean{0, 0};
    for (std::size_t i = begin; i < end; ++i) {
      mean.x += points[i].x / static_cast<double>(end - begin);
      mean.y += points[i].y / static_cast<double>(end - begin);
    }
    out.push_back(mean);
  }
  return out;
}

std::vector<Point> drawn(const Series& series, const Chart& chart) {
  std::vector<Point> points;
  for (const Point& p : series.points) {
    if (is_drawn(p.x, chart.x) && is_drawn(p.y, chart.y)) points.push_back(p);
  }
  return thinned(points);
}

// From a value to a place between `first` and `last` on the picture.
class Scale {
 public:
  Scale(Range range, const Axis& axis, double first, double last)
      : logarithmic_(axis.logarithmic), first_(first), last_(last) {
    low_ = place(range.low);
    high_ = place(range.high);
  }
  double operator()(double value) const {
    return first_ + (place(value) - low_) / (high_ - low_) * (last_ - first_);
  }

 private:
  double place(double value) const { return logarithmic_ ? std::log10(value) : value; }

  bool logarithmic_;
  double first_, last_, low_, high_;
};

// Room around the values so that none lies on the frame, and never an axis without length.
Range widened(Range range, const Axis& axis) {
  if (axis.logarithmic) {
    const double room = std::max(0.05, 0.04 * std::log10(range.high / range.low));
    return {range.low * std::pow(10, -room), range.high * std::pow(10, room)};
  }
  const double least = std::max(std::abs(range.high), 1e-9) * 1e-6;
  const double room = 0.04 * (range.high - range.low);
  if (range.high - range.low > least) {
    return {range.low >= 0 ? std::max(0.0, range.low - room) : range.low - room, range.high + room};
  }
  const double half = range.high == 0 ? 0.5 : 0.5 * std::abs(range.high);
  return {range.low - half, range.high + half};
}

std::string number(double value, Unit unit) {
  if (unit == Unit::share) return fmt::format("{:.4g} %", 100 * value);
  if (unit == Unit::bytes) {
    constexpr std::array kUnits = {"B", "kB", "MB", "GB", "TB", "PB"};
    std::size_t at = 0;
    for (; std::abs(value) >= 1000 && at + 1 < kUnits.size(); ++at) value /= 1000;
    return fmt::format("{:.4g} {}", value, kUnits[at]);
  }
  const double size = std::abs(value);
  return size >= 1000 && size < 1e6 ? fmt::format("{:.0f}", value) : fmt::format("{:.4g}", value);
}

std::vector<double> ticks(Range range, const Axis& axis, int wanted) {
  return axis.logarithmic ? logarithmic_ticks(range.low, range.high)
                          : linear_ticks(range.low, range.high, wanted);
}

std::string stroke(std::size_t style, bool faint) {
  const char* dashes = faint ? "1.5 3" : kDashes[style / kColors.size() % kDashes.size()];
  return fmt::format(R"(stroke="{}"{}{})", kColors[style % kColors.size()],
                     *dashes ? fmt::format(R"( stroke-dasharray="{}")", dashes) : "",
                     faint ? R"( stroke-opacity="0.75")" : "");
}

std::string x_axis(const Chart& chart, Range range, const Scale& x) {
  const double bottom = kHeight - kBottom;
  std::string out;
  for (const double tick : ticks(range, chart.x, 5)) {
    out += fmt::format(R"(<line x1="{0:.1f}" x2="{0:.1f}" y1="{1}" y2="{2}" class="grid"/>)"
                       R"(<text x="{0:.1f}" y="{3}" text-anchor="middle">{4}</text>)",
                       x(tick), kTop, bottom, bottom + 15, number(tick, chart.x.unit));
  }
  return out + fmt::format(R"(<text x="{:.1f}" y="{}" text-anchor="middle">{}</text>)",
                           (kLeft + kWidth - kRight) / 2, kHeight - 10,
                           html_escaped(chart.x.label));
}

std::string y_axis(const Chart& chart, Range range, const Scale& y) {
  std::string out;
  for (const double tick : ticks(range, chart.y, 6)) {
    out += fmt::format(R"(<line x1="{0}" x2="{1}" y1="{2:.1f}" y2="{2:.1f}" class="grid"/>)"
                       R"(<text x="{3}" y="{4:.1f}" text-anchor="end">{5}</text>)",
                       kLeft, kWidth - kRight, y(tick), kLeft - 6, y(tick) + 4,
                       number(tick, chart.y.unit));
  }
  return out;
}

std::string curve(const Series& series, const std::vector<Point>& points, const Scale& x,
                  const Scale& y) {
  const std::string title = fmt::format("<title>{}</title>", html_escaped(series.name));
  if (points.size() == 1) {
    return fmt::format(R"(<circle cx="{:.1f}" cy="{:.1f}" r="4" fill="{}">{}</circle>)",
                       x(points[0].x), y(points[0].y), kColors[series.style % kColors.size()],
                       title);
  }
  std::string path;
  for (const Point& p : points) path += fmt::format("{:.1f},{:.1f} ", x(p.x), y(p.y));
  if (!path.empty()) path.pop_back();
  return fmt::format(R"(<polyline points="{}" fill="none" {} stroke-width="2" )"
                     R"(stroke-linejoin="round">{}</polyline>)",
                     path, stroke(series.style, series.faint), title);
}

std::string plot(const Chart& chart) {
  std::vector<std::vector<Point>> points;
  Range x_range, y_range;
  for (const Series& series : chart.series) {
    for (const Point& p : points.emplace_back(drawn(series, chart))) {
      x_range.include(p.x);
      y_range.include(p.y);
    }
  }
  if (x_range.empty()) {
    return fmt::format(R"(<text x="{}" y="{}" text-anchor="middle">no data</text>)", kWidth / 2,
                       kHeight / 2);
  }
  if (!chart.x.logarithmic) x_range.include(0);
  x_range = widened(x_range, chart.x);
  y_range = widened(y_range, chart.y);
  const Scale x(x_range, chart.x, kLeft, kWidth - kRight);
  const Scale y(y_range, chart.y, kHeight - kBottom, kTop);
  std::string out = x_axis(chart, x_range, x) + y_axis(chart, y_range, y);
  for (std::size_t i = 0; i < points.size(); ++i) {
    if (!points[i].empty()) out += curve(chart.series[i], points[i], x, y) + "\n";
  }
  return out;
}

}  // namespace

std::string html_escaped(const std::string& text) {
  std::string out;
  for (const char c : text) {
    switch (c) {
      case '&': out += "&amp;"; break;
      case '<': out += "&lt;"; break;
      case '>': out += "&gt;"; break;
      case '"': out += "&quot;"; break;
      case '\'': out += "&#39;"; break;
      default: {
        const auto byte = static_cast<unsigned char>(c);
        const bool forbidden = (byte < 0x20 && c != '\n' && c != '\t' && c != '\r') || byte == 0x7f;
        out += forbidden ? "\xef\xbf\xbd" : std::string(1, c);
      }
    }
  }
  return out;
}

std::vector<double> linear_ticks(double low, double high, int wanted) {
  const double rough = (high - low) / wanted;
  const double power = std::pow(10, std::floor(std::log10(rough)));
  double step = 10 * power;
  for (const double factor : {5.0, 2.0, 1.0}) {
    if (factor * power >= rough * 0.999) step = factor * power;
  }
  std::vector<double> out;
  const double last = std::floor(high / step + 1e-9);
  for (double k = std::ceil(low / step - 1e-9); k <= last; ++k) out.push_back(k * step + 0.0);
  return out;
}

std::vector<double> logarithmic_ticks(double low, double high) {
  const int first = static_cast<int>(std::floor(std::log10(low)));
  const int last = static_cast<int>(std::ceil(std::log10(high)));
  std::vector<double> powers, all;
  const int stride = std::max(1, (last - first + 7) / 8);
  for (int k = first; k <= last; ++k) {
    for (const double factor : {1.0, 2.0, 5.0}) {
      const double value = factor * std::pow(10, k);
      if (value < low * (1 - 1e-9) || value > high * (1 + 1e-9)) continue;
      all.push_back(value);
      if (factor == 1.0 && k % stride == 0) powers.push_back(value);
    }
  }
  return powers.size() >= 3 ? powers : all;
}

std::string swatch_svg(std::size_t style, bool faint) {
  return fmt::format(R"(<svg class="swatch" viewBox="0 0 28 10" width="28" height="10">)"
                     R"(<line x1="0" x2="28" y1="5" y2="5" {} stroke-width="2.5"/></svg>)",
                     stroke(style, faint));
}

std::string chart_svg(const Chart& chart) {
  return fmt::format(R"(<svg class="chart" viewBox="0 0 {} {}" role="img" aria-label="{}">)"
                     R"(<rect x="{}" y="{}" width="{}" height="{}" class="frame"/>)"
                     R"(<text x="{}" y="18" class="title">{}</text>{}</svg>)",
                     kWidth, kHeight, html_escaped(chart.title), kLeft, kTop,
                     kWidth - kLeft - kRight, kHeight - kTop - kBottom, kLeft,
                     html_escaped(chart.title), plot(chart));
}

}  // namespace starling::daemon
