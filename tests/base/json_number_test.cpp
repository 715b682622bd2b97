#include "base/json_number.h"

#include <catch2/catch.hpp>
#include <string>
#include <utility>
#include <vector>

namespace entente {
namespace {

constexpr JsonLimits kNumberLimits{1 << 20, 64};

// Numbers that a double or 64 bits change, and the neighbours that they do not.
const std::vector<std::string> kNumbers = {"0",
                                           "-0",
                                           "-0.0",
                                           "0.0",
                                           "1",
                                           "1.0",
                                           "1e2",
                                           "1E+2",
                                           "1e-2",
                                           "1.10",
                                           "0.1",
                                           "4.35",
                                           "9007199254740993",
                                           "9223372036854775807",
                                           "-9223372036854775808",
                                           "-9223372036854775809",
                                           "18446744073709551615",
                                           "18446744073709551616",
                                           "123456789012345678901234567890",
                                           "100000000000000000000.5",
                                           "0.30000000000000000000001",
                                           "3.141592653589793238462643383279",
                                           "1e400",
                                           "-1e400",
                                           "1e-400",
                                           "1e308",
                                           "5e-324",
                                           "1e15",
                                           "1e16",
                                           "1e17",
                                           "1e21",
                                           "12345678901234567.0",
                                           "1234567890.12345678",
                                           "1e99999999999999999999",
                                           "0e-99999999999999999999"};

TEST_CASE("exact reading and writing keep every digit of a number") {
  for (const std::string& number : kNumbers) {
    for (const std::string& text :
         {number, "[" + number + "]", "{\"a\":[" + number + "],\"b\":" + number + "}"}) {
      INFO(text);
      const Result<Json> value = ParseExactJson(text, kNumberLimits);
      REQUIRE(value.ok());
      CHECK(DumpJson(*value) == text);
    }
    CHECK(IsJsonNumber(*ParseExactJson(number, kNumberLimits)));
  }
}

TEST_CASE("exact reading refuses what ordinary reading refuses") {
  for (const std::string text : {"01", "1.", ".5", "1e", "-", "+1", "0x1", "1e+", "NaN", "[1,]",
                                 "{\"a\":1e400,\"a\":2}", "12345678901234567890123x"}) {
    INFO(text);
    CHECK_FALSE(ParseExactJson(text, kNumberLimits).ok());
  }
}

TEST_CASE("a number is exact if 64 bits or a double give back the same decimal") {
  for (const std::string text : {"0", "1", "1.0", "1e2", "0.1", "4.35", "10.00", "1e308", "5e-324",
                                 "1e21", "0.10000", "9223372036854775807", "18446744073709551615",
                                 "-9223372036854775808", "1.7976931348623157e308"}) {
    INFO(text);
    REQUIRE(ExactNumber(text));
    CHECK((Decimal(text).Compare(Decimal::Of(*ExactNumber(text))) == 0));
  }
  for (const std::string text :
       {"18446744073709551616", "-9223372036854775809", "100000000000000000000",
        "0.30000000000000000000001", "12345678901234567.0", "1e400", "1e-400", "-1e400",
        "100000000000000000000.5", "0.1000000000000000055511151231257827"}) {
    INFO(text);
    CHECK_FALSE(ExactNumber(text));
  }
}

TEST_CASE("decimals are ordered by value") {
  const std::vector<std::string> ascending = {"-1e400",
                                              "-123456789012345678901234567890",
                                              "-9223372036854775809",
                                              "-1.5",
                                              "-1e-400",
                                              "0",
                                              "1e-400",
                                              "0.3",
                                              "0.30000000000000000000001",
                                              "1",
                                              "9.99",
                                              "10",
                                              "18446744073709551615",
                                              "18446744073709551616",
                                              "1e400",
                                              "1e99999999999999999999"};
  for (size_t i = 0; i < ascending.size(); ++i) {
    for (size_t j = 0; j < ascending.size(); ++j) {
      INFO(ascending[i] << " and " << ascending[j]);
      CHECK((Decimal(ascending[i]).Compare(Decimal(ascending[j])) == (i <=> j)));
    }
  }
  for (const auto& [a, b] : std::vector<std::pair<std::string, std::string>>{
           {"1", "1.0"}, {"1", "10e-1"}, {"0", "-0.0"}, {"1e2", "100"}, {"0.50", "5E-1"}}) {
    CHECK((Decimal(a).Compare(Decimal(b)) == 0));
  }
}

TEST_CASE("what is before the decimal point") {
  CHECK(Decimal("12345678901234567.0").WholeDigits(20) == "12345678901234567");
  CHECK(Decimal("1.9e3").WholeDigits(20) == "1900");
  CHECK(Decimal("-0.5").WholeDigits(20) == "");
  CHECK(Decimal("1e400").WholeDigits(20) == std::nullopt);
}

}  // namespace
}  // namespace entente
