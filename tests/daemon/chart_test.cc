#include "daemon/chart.h"

#include <doctest/doctest.h>

#include <cmath>
#include <limits>

using namespace starling::daemon;

namespace {

using Numbers = std::vector<double>;

std::size_t count(const std::string& text, const std::string& part) {
  std::size_t found = 0;
  for (auto at = text.find(part); at != text.npos; at = text.find(part, at + 1)) ++found;
  return found;
}

bool has(const std::string& text, const std::string& part) { return count(text, part) > 0; }

void check_close(const Numbers& found, const Numbers& expected) {
  REQUIRE(found.size() == expected.size());
  for (std::size_t i = 0; i < found.size(); ++i) {
    CHECK(found[i] == doctest::Approx(expected[i]).epsilon(1e-12));
  }
}

Chart chart_of(std::vector<Point> points, bool logarithmic = false) {
  return {.title = "Loss",
          .x = {"rounds"},
          .y = {.label = "loss", .logarithmic = logarithmic},
          .series = {{.name = "choco", .points = std::move(points)}}};
}

}  // namespace

TEST_CASE("chart: text is escaped, whatever it holds") {
  CHECK(html_escaped("a<b>&\"c'") == "a&lt;b&gt;&amp;&quot;c&#39;");
  CHECK(html_escaped("α\tβ\n") == "α\tβ\n");
  CHECK(html_escaped(std::string("a\0b\x1b\x7f", 5)) == "a\ufffdb\ufffd\ufffd");
  Chart chart = chart_of({{0, 1}, {1, 2}});
  chart.title = chart.x.label = chart.series[0].name = "</svg><script>";
  const std::string svg = chart_svg(chart);
  CHECK_FALSE(has(svg, "<script>"));
  CHECK(count(svg, "&lt;/svg&gt;&lt;script&gt;") == 4);  // the title twice
  CHECK(count(svg, "</svg>") == 1);
}

TEST_CASE("chart: ticks are round numbers within the range") {
  check_close(linear_ticks(0, 832, 5), {0, 200, 400, 600, 800});
  check_close(linear_ticks(0.13, 0.97, 6), {0.2, 0.4, 0.6, 0.8});
  check_close(linear_ticks(-3, 3, 5), {-2, 0, 2});
  check_close(linear_ticks(1e9, 4e9, 3), {1e9, 2e9, 3e9, 4e9});
}

TEST_CASE("chart: a logarithmic axis has powers of ten, or finer ticks where they are few") {
  check_close(logarithmic_ticks(2e-4, 30), {1e-3, 1e-2, 1e-1, 1, 10});
  check_close(logarithmic_ticks(0.3, 8), {0.5, 1, 2, 5});
  CHECK(logarithmic_ticks(1e-30, 1e3).size() <= 9);
}

// The frame is 64 … 420 by 34 … 254.
TEST_CASE("chart: a logarithmic axis puts decades at equal distances") {
  const std::string svg = chart_svg(chart_of({{0, 1e-4}, {1, 1e-2}, {2, 1}}, true));
  CHECK(has(svg, "points=\"64.0,245.9 "));  // 4 decades and 4 % of them on both sides
  CHECK(has(svg, ",144.0 "));
  CHECK(has(svg, ",42.1\""));
  for (const char* label : {">0.0001<", ">0.01<", ">1<"}) CHECK(has(svg, label));
}

TEST_CASE("chart: values that a logarithmic axis does not have are left out") {
  CHECK(has(chart_svg(chart_of({{0, 0}, {1, -1}}, true)), "no data"));
  const std::string svg = chart_svg(chart_of({{0, 0}, {1, 0.1}, {2, 0.2}}, true));
  CHECK(count(svg, ",") == 2);
}

TEST_CASE("chart: a series without points is no curve, a chart without points says so") {
  const std::string empty = chart_svg(chart_of({}));
  CHECK(has(empty, "no data"));
  CHECK_FALSE(has(empty, "polyline"));
  Chart two = chart_of({{0, 1}, {1, 2}});
  two.series.push_back({.name = "none", .style = 1, .points = {}});
  CHECK(count(chart_svg(two), "<polyline") == 1);
  two.series.clear();
  CHECK(has(chart_svg(two), "no data"));
}

TEST_CASE("chart: one point is a dot in the middle of an axis that has a length") {
  for (const double y : {0.0, 5.0, -5.0, 1e-30}) {
    const std::string svg = chart_svg(chart_of({{10, y}}));
    CHECK(has(svg, "cy=\"144.0\""));
    CHECK_FALSE(has(svg, "nan"));
    CHECK_FALSE(has(svg, "inf"));
    CHECK_FALSE(has(svg, "polyline"));
  }
  CHECK(has(chart_svg(chart_of({{10, 3}}, true)), "cy=\"144.0\""));
}

TEST_CASE("chart: a curve that is flat lies in the frame") {
  const std::string svg = chart_svg(chart_of({{0, 0.1}, {1, 0.1}, {2, 0.1}}));
  CHECK(count(svg, ",144.0") == 3);
}

TEST_CASE("chart: what is not finite is left out") {
  const double inf = std::numeric_limits<double>::infinity();
  const std::string svg = chart_svg(chart_of({{0, 1}, {1, NAN}, {2, inf}, {3, 2}}));
  CHECK(count(svg, ",") == 2);
  CHECK_FALSE(has(svg, "nan"));
  CHECK_FALSE(has(svg, "inf"));
}

TEST_CASE("chart: many points become means of neighbors, from the first to the last") {
  std::vector<Point> points;
  for (int i = 0; i < 100'000; ++i) points.push_back({i * 1.0, i % 2 * 1.0});
  const std::string svg = chart_svg(chart_of(points));
  CHECK(svg.size() < 6'000);
  CHECK(count(svg, ",") == 200);
  CHECK(count(svg, ",144.0") == 200);
}

TEST_CASE("chart: bytes and shares have their units on the axis") {
  Chart chart = chart_of({{0, 0}, {2.5e6, 1}});
  chart.x.unit = Unit::bytes;
  chart.y.unit = Unit::share;
  const std::string svg = chart_svg(chart);
  for (const char* label : {">0 B<", ">1 MB<", ">2 MB<", ">20 %<", ">100 %<"}) {
    CHECK(has(svg, label));
  }
}

TEST_CASE("chart: runs differ in color and then in dashes, what belongs to one is dotted") {
  for (std::size_t i = 0; i < 32; ++i) {
    for (std::size_t k = 0; k < i; ++k) CHECK(swatch_svg(i, false) != swatch_svg(k, false));
    CHECK(has(swatch_svg(i, true), "stroke-dasharray=\"1.5 3\""));
  }
}
