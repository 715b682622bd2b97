#include "observe/exposition.h"

#include <sstream>

#include <catch2/catch.hpp>

#include "observe/registry.h"
#include "observe/trace_ids.h"

namespace entente::observe::test {
namespace {

using Catch::Contains;

TEST_CASE("OpenMetrics is written for those who name it, and like it no less than plain text") {
  // What Prometheus itself sends.
  CHECK(FormatFor("application/openmetrics-text;version=1.0.0;q=0.8,text/plain;version=0.0.4;q=0.5,"
                  "*/*;q=0.1") == TextFormat::kOpenMetrics);
  CHECK(FormatFor("Application/OpenMetrics-Text") == TextFormat::kOpenMetrics);
  CHECK(FormatFor("") == TextFormat::kPrometheus);
  CHECK(FormatFor("*/*") == TextFormat::kPrometheus);
  CHECK(FormatFor("text/plain, application/openmetrics-text;q=0.5") == TextFormat::kPrometheus);
  CHECK(FormatFor("application/openmetrics-text;q=0") == TextFormat::kPrometheus);
  CHECK(FormatFor(",;q=,;;") == TextFormat::kPrometheus);
}

HistogramSnapshot Durations() {
  const Gid gid("g");
  Histogram histogram;
  histogram.Record(10);
  histogram.Record(100);
  histogram.Record(2'000'000, {gid, "", InstantFromMicros(1'500'000)});
  histogram.Record(uint64_t{1} << 40);
  HistogramSnapshot snapshot;
  histogram.AddTo(snapshot);
  return snapshot;
}

TEST_CASE("buckets are cumulative, end in +Inf and agree with the count") {
  Exposition out(TextFormat::kPrometheus);
  out.Family("x_seconds", "histogram", "Help.");
  out.Histogram({{"definition", "a\"b\\\n"}}, Durations(), Unit::kSeconds);
  const std::string text = out.Take();
  CHECK_THAT(text, Contains("# TYPE x_seconds histogram\n"));
  CHECK_THAT(text, Contains("x_seconds_bucket{definition=\"a\\\"b\\\\\\n\",le=\"6.4e-05\"} 1\n"));
  CHECK_THAT(text, Contains(",le=\"+Inf\"} 4\n"));
  CHECK_THAT(text, Contains("x_seconds_count{definition=\"a\\\"b\\\\\\n\"} 4\n"));
  CHECK_THAT(text, !Contains("trace_id"));
  std::istringstream lines(text);
  double before = 0;
  for (std::string line; std::getline(lines, line);) {
    if (line.find("_bucket{") != std::string::npos) {
      const double count = std::stod(line.substr(line.rfind(' ')));
      CAPTURE(line);
      CHECK(count >= before);
      before = count;
    }
  }
}

TEST_CASE(
    "OpenMetrics has exemplars, bounds with a point, counters without their suffix and an end") {
  Exposition out(TextFormat::kOpenMetrics);
  out.Single("calls_total", "counter", "Help.", 3);
  out.Family("x_seconds", "histogram", "Help.");
  out.Histogram({}, Durations(), Unit::kSeconds);
  out.Family("x_records", "histogram", "Help.");
  out.Histogram({}, {}, Unit::kCount);
  const std::string text = out.Take();
  CHECK_THAT(text, Contains("# TYPE calls counter\ncalls_total 3\n"));
  CHECK_THAT(text, Contains("x_seconds_bucket{le=\"2.097152\"} 3 # {trace_id=\"" +
                            TraceIdOf(Gid("g"), "") + "\",gid=\"g\"} 2 1.5\n"));
  CHECK_THAT(text, Contains("x_records_bucket{le=\"1.0\"} 0\n"));
  CHECK_THAT(text, Catch::EndsWith("# EOF\n"));
}

TEST_CASE("every histogram there is has a family, also before anything was measured") {
  Registry registry;
  registry.RecorderOf(0).Find(Family::kCall, "flights", "action").Record(1);
  Exposition out(TextFormat::kPrometheus);
  registry.Write(out);
  const std::string text = out.Take();
  CHECK_THAT(text, Contains("# TYPE entente_worker_lag_seconds histogram\n"));
  CHECK_THAT(text, Contains("entente_call_duration_seconds_count{participant=\"flights\","
                            "operation=\"action\"} 1\n"));
}

}  // namespace
}  // namespace entente::observe::test
