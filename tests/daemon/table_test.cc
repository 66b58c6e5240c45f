#include "daemon/table.h"

#include <doctest/doctest.h>

using namespace starling;
using namespace starling::daemon;

TEST_CASE("table: the first column is left-aligned, the others right, by what is seen") {
  Table table({"node", "loss"});
  table.add({"zürich", "0.5"});
  table.add({"n1", "12.25"});
  CHECK(table.text() ==
        "node     loss\n"
        "zürich    0.5\n"
        "n1      12.25\n");
}

TEST_CASE("table: bytes, shares and ratios for people") {
  CHECK(bytes_text(0) == "0 B");
  CHECK(bytes_text(999) == "999 B");
  CHECK(bytes_text(1500) == "1.50 kB");
  CHECK(bytes_text(4.43e6) == "4.43 MB");
  CHECK(percent_text(0.9527) == "95.3 %");
  CHECK(ratio_text(100, 4) == "25.0x");
  CHECK(ratio_text(100, 0) == "-");
}

TEST_CASE("table: results show accuracy, or the error where the optimum is known") {
  node::RunReport report;
  report.algorithm = "d-psgd";
  report.mean_accuracy = 0.953;
  report.min_accuracy = 0.95;
  report.nodes.resize(1);
  report.nodes[0].sent_bytes = 1000;
  report.sent_bytes_mean = 1000;
  report.nodes[0].sent_uncompressed_bytes = 10000;
  const std::string accuracy = result_table({report}).text();
  CHECK(accuracy.find("accuracy mean  worst node") != std::string::npos);
  CHECK(accuracy.find("95.3 %      95.0 %") != std::string::npos);
  CHECK(accuracy.find("10.0x") != std::string::npos);
  report.relative_error = 0.0123;
  report.virtual_seconds = 1.5;
  const std::string error = result_table({report}).text();
  CHECK(error.find("relative error") != std::string::npos);
  CHECK(error.find("0.0123") != std::string::npos);
  CHECK(error.find("virtual s") != std::string::npos);
  CHECK(error.starts_with("algorithm "));
  report.label = "gossip.gamma=0.1";
  const std::string labelled = result_table({report}).text();
  CHECK(labelled.starts_with("run "));
  CHECK(labelled.find("\ngossip.gamma=0.1 ") != std::string::npos);
}
