// Line charts as SVG, to stand inside an HTML page: text and axes take the page's color.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

namespace starling::daemon {

// & < > " ' become entities; control characters that HTML forbids become U+FFFD.
std::string html_escaped(const std::string& text);

struct Point {
  double x, y;
};

struct Series {
  std::string name;
  std::size_t style = 0;      // the same number: the same color and dashes, whatever the chart
  bool faint = false;         // dotted and lighter, for what belongs to another series
  std::vector<Point> points;  // ascending in x; those that are not finite are left out
};

enum class Unit { plain, bytes, share };  // 20000, 20 kB, 20 %

struct Axis {
  std::string label;
  Unit unit = Unit::plain;
  bool logarithmic = false;  // values of 0 and below are left out
};

struct Chart {
  std::string title;
  Axis x, y;
  std::vector<Series> series;
};

// An <svg> element. Of a series with many points, means of neighboring ones are drawn; a series of
// one point is a dot; a chart without points says so.
std::string chart_svg(const Chart& chart);

// <svg> with a short line as chart_svg draws this series.
std::string swatch_svg(std::size_t style, bool faint);

// Round numbers within [low, high], ascending: about `wanted` of the form 1, 2 or 5 · 10^k. Of a
// logarithmic axis, powers of ten, or 1, 2 and 5 times those where they are few.
std::vector<double> linear_ticks(double low, double high, int wanted);
std::vector<double> logarithmic_ticks(double low, double high);

}  // namespace starling::daemon
