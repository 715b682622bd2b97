#include "base/time.h"

#include <catch2/catch.hpp>
#include <limits>
#include <string>

namespace entente {
namespace {

using namespace std::chrono_literals;

TEST_CASE("a duration is the sum of its parts") {
  const auto [text, expected] = GENERATE(table<std::string, Duration>({
      {"250ms", 250ms},
      {"1h30m", 90min},
      {"1.5s", 1500ms},
      {"0s", 0us},
      {"7us", 7us},
      {"2d", 48h},
      {"0.5d", 12h},
      {"1d2h3m4s5ms6us", 26h + 3min + 4s + 5ms + 6us},
      {"0.000001s", 1us},
      {"1.50000000000s", 1500ms},
      {"3m3ms", 3min + 3ms},
      {"3660d", 87840h},
      {"00090m", 90min},
  }));
  INFO(text);
  const Result<Duration> duration = ParseDuration(text);
  REQUIRE(duration.ok());
  CHECK(*duration == expected);
}

TEST_CASE("what is no duration is refused with an example") {
  const std::string text = GENERATE(
      as<std::string>(), "", "5", "s", "-1s", "+1s", "1.s", ".5s", "1 s", "1s ", "1S", "1week",
      "1.5us", "0.0000001s", "0.123456789d", "3661d", "3660d1us", "99999999999999999999d",
      "18446744073709551616us", "1h-30m", "1e3s", "1..5s", "3660.1d", "3659d48h");
  const Result<Duration> duration = ParseDuration(text);
  INFO(text);
  REQUIRE_FALSE(duration.ok());
  CHECK(duration.status().code() == StatusCode::kInvalidArgument);
  CHECK(duration.status().reason() == "duration.invalid");
  CHECK_THAT(duration.status().message(), Catch::Contains("1h30m"));
}

TEST_CASE("a duration is written in its shortest exact form") {
  CHECK(FormatDuration(0us) == "0s");
  CHECK(FormatDuration(90min) == "1h30m");
  CHECK(FormatDuration(250ms) == "250ms");
  CHECK(FormatDuration(1500ms) == "1.5s");
  CHECK(FormatDuration(1500us) == "1500us");
  CHECK(FormatDuration(1us) == "1us");
  CHECK(FormatDuration(1'000'001us) == "1.000001s");
  CHECK(FormatDuration(48h) == "2d");
  CHECK(FormatDuration(26h + 3min + 4s + 5ms) == "1d2h3m4.005s");
  CHECK(FormatDuration(1min + 20ms) == "1m20ms");
  CHECK(FormatDuration(-90min) == "-1h30m");
}

TEST_CASE("a written duration reads back as itself") {
  for (int64_t micros = 1; micros < 300'000'000'000'000; micros = micros * 7 + 3) {
    const Result<Duration> again = ParseDuration(FormatDuration(Duration(micros)));
    REQUIRE(again.ok());
    CHECK(again->count() == micros);
  }
}

TEST_CASE("an instant is read in UTC and with an offset") {
  const auto [text, micros] = GENERATE(table<std::string, int64_t>({
      {"1970-01-01T00:00:00Z", 0},
      {"2026-01-02T03:04:05.25Z", 1'767'323'045'250'000},
      {"2026-01-02T05:04:05.25+02:00", 1'767'323'045'250'000},
      {"2026-01-01t21:34:05.250000999-05:30", 1'767'323'045'250'000},
      {"1969-12-31T23:59:59.999999z", -1},
      {"2024-02-29T00:00:00Z", 1'709'164'800'000'000},
      {"2016-12-31T23:59:60Z", 1'483'228'800'000'000},
      {"2017-01-01T00:59:60+01:00", 1'483'228'800'000'000},
      {"0000-01-01T00:00:00Z", -62'167'219'200'000'000},
      {"9999-12-31T23:59:59.999999Z", 253'402'300'799'999'999},
  }));
  INFO(text);
  const Result<Instant> instant = ParseInstant(text);
  REQUIRE(instant.ok());
  CHECK(ToMicros(*instant) == micros);
}

TEST_CASE("what is no RFC 3339 instant is refused with an example") {
  const std::string text =
      GENERATE(as<std::string>(), "", "2026-01-02", "2026-01-02T03:04:05", "2026-01-02 03:04:05Z",
               "2026-02-29T00:00:00Z", "2026-13-01T00:00:00Z", "2026-00-01T00:00:00Z",
               "2026-01-32T00:00:00Z", "2026-01-01T24:00:00Z", "2026-01-01T00:60:00Z",
               "2026-01-01T00:00:61Z", "2026-01-01T00:00:60Z", "2026-01-01T00:00:00.Z",
               "2026-01-01T00:00:00.1234567890Z", "2026-01-01T00:00:00+24:00",
               "2026-01-01T00:00:00+0100", "2026-01-01T00:00:00Zx", "26-01-01T00:00:00Z",
               "2026-1-01T00:00:00Z", "+026-01-01T00:00:00Z", "2026-01-01T00:00:00+01:60");
  const Result<Instant> instant = ParseInstant(text);
  INFO(text);
  REQUIRE_FALSE(instant.ok());
  CHECK(instant.status().reason() == "instant.invalid");
  CHECK_THAT(instant.status().message(), Catch::Contains("2026-01-02T03:04:05Z"));
}

TEST_CASE("an instant is written in UTC with the digits it needs") {
  CHECK(FormatInstant(InstantFromMicros(0)) == "1970-01-01T00:00:00Z");
  CHECK(FormatInstant(InstantFromMicros(1'767'323'045'250'000)) == "2026-01-02T03:04:05.25Z");
  CHECK(FormatInstant(InstantFromMicros(-1)) == "1969-12-31T23:59:59.999999Z");
  CHECK(FormatInstant(InstantFromMicros(1'709'164'800'000'010)) == "2024-02-29T00:00:00.00001Z");
}

TEST_CASE("instants that RFC 3339 has no words for are shown as the nearest it has") {
  CHECK(FormatInstant(InstantFromMicros(std::numeric_limits<int64_t>::max())) ==
        "9999-12-31T23:59:59.999999Z");
  CHECK(FormatInstant(InstantFromMicros(std::numeric_limits<int64_t>::min())) ==
        "0001-01-01T00:00:00Z");
  for (const char* before :
       {"0001-01-01T00:00:00+23:59", "0000-01-01T00:00:00Z", "0000-12-31T23:59:59Z"}) {
    CHECK(FormatInstant(ParseInstant(before).value()) == "0001-01-01T00:00:00Z");
  }
  CHECK(FormatInstant(ParseInstant("9999-12-31T23:59:59-00:01").value()) ==
        "9999-12-31T23:59:59.999999Z");
}

TEST_CASE("a written instant reads back as itself") {
  for (int64_t micros = 1; micros < 250'000'000'000'000'000; micros = micros * 5 + 1) {
    for (const int64_t sign : {1, -1}) {
      const Instant instant = InstantFromMicros(micros / 5 * sign);
      const Result<Instant> again = ParseInstant(FormatInstant(instant));
      REQUIRE(again.ok());
      CHECK(*again == instant);
    }
  }
}

TEST_CASE("an instant is shown as HTTP has it") {
  CHECK(FormatHttpDate(InstantFromMicros(784'111'777'999'999)) == "Sun, 06 Nov 1994 08:49:37 GMT");
  CHECK(FormatHttpDate(InstantFromMicros(0)) == "Thu, 01 Jan 1970 00:00:00 GMT");
  CHECK(FormatHttpDate(InstantFromMicros(1'709'164'800'000'000)) ==
        "Thu, 29 Feb 2024 00:00:00 GMT");
}

}  // namespace
}  // namespace entente
