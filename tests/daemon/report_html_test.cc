#include "daemon/report_html.h"

#include <doctest/doctest.h>

using namespace starling;
using namespace starling::daemon;

namespace {

std::size_t count(const std::string& text, const std::string& part) {
  std::size_t found = 0;
  for (auto at = text.find(part); at != text.npos; at = text.find(part, at + 1)) ++found;
  return found;
}

ReportPage page_of(const std::string& text) {
  TraceLine line{.round = 10,
                 .nodes = 2,
                 .seconds = 1,
                 .mean_step_loss = 0.5,
                 .max_step_loss = 0.6,
                 .mean_sent_bytes = 100};
  line.mean_accuracy = 0.9;
  line.min_accuracy = 0.8;
  line.consensus_distance = 0.01;
  ReportPage page;
  page.title = page.run_file_name = page.run_file = text;
  page.options = {text};
  page.runs = {{text, {line}}, {"other", {}}};
  page.results = Table({text, text});
  page.results.add({text, text});
  return page;
}

}  // namespace

TEST_CASE("report page: everything of the run file is escaped") {
  const std::string html = report_html(page_of("<script>alert('&\")</script>"));
  CHECK(count(html, "<script") == 0);
  CHECK(count(html, "&lt;script&gt;alert(&#39;&amp;&quot;)&lt;/script&gt;") > 8);
}

TEST_CASE("report page: nothing comes from elsewhere") {
  const std::string html = report_html(page_of("run"));
  for (const char* part : {"http", "src=", "href=", "url(", "@import", "<link", "<script"}) {
    CHECK(count(html, part) == 0);
  }
  CHECK(html.starts_with("<!DOCTYPE html>\n"));
  CHECK(html.ends_with("</html>\n"));
}

TEST_CASE("report page: loss and accuracy against rounds, bytes and time, consensus over rounds") {
  const std::string html = report_html(page_of("run"));
  CHECK(count(html, "<svg class=\"chart\"") == 7);
  CHECK(count(html, "<ul class=\"legend\">") == 3);
  CHECK(count(html, "run, worst node</li>") == 1);
  CHECK(count(html, "<th>run</th>") == 2);
  CHECK(count(html, "<td>run</td>") == 2);
  CHECK(count(html, "<pre>run</pre>") == 1);
}

TEST_CASE("report page: no chart against bytes that nobody sent or time that nothing took") {
  ReportPage page = page_of("run");
  page.runs[0].lines[0].mean_sent_bytes = page.runs[0].lines[0].seconds = 0;
  CHECK(count(report_html(page), "<svg class=\"chart\"") == 3);
}

TEST_CASE("report page: a problem with a known answer shows the error, one without runs no chart") {
  ReportPage page = page_of("run");
  page.runs[0].lines[0].mean_accuracy.reset();
  page.runs[0].lines[0].relative_error = 0.5;
  const std::string html = report_html(page);
  CHECK(count(html, "Relative error against") == 6);  // title and label of three charts
  CHECK(count(html, "Accuracy") == 0);
  page.runs.clear();
  CHECK(count(report_html(page), "<svg") == 0);
}

TEST_CASE("report page: of a clock's seconds and without a run file") {
  ReportPage page = page_of("run");
  page.virtual_time = false;
  page.run_file.clear();
  const std::string html = report_html(page);
  CHECK(count(html, "virtual") == 0);
  CHECK(count(html, "Loss against seconds") == 2);  // title and label
  CHECK(count(html, "<pre>") == 0);
}
