#include "dsl/schema/number.h"

#include <catch2/catch.hpp>
#include <cstdint>
#include <limits>
#include <vector>

namespace entente::dsl::schema_internal {
namespace {

TEST_CASE("a number without a fraction is an integer, however it is written") {
  CHECK(IsInteger(Json(3)));
  CHECK(IsInteger(Json(-3)));
  CHECK(IsInteger(Json(3.0)));
  CHECK(IsInteger(Json(-0.0)));
  CHECK(IsInteger(Json(1e300)));
  CHECK(IsInteger(Json(UINT64_MAX)));
  CHECK_FALSE(IsInteger(Json(3.5)));
  CHECK_FALSE(IsInteger(Json(1e-300)));
  CHECK_FALSE(IsInteger(Json(std::numeric_limits<double>::infinity())));
  CHECK_FALSE(IsInteger(Json(std::numeric_limits<double>::quiet_NaN())));
  CHECK_FALSE(IsInteger(Json("3")));
  CHECK_FALSE(IsInteger(Json(true)));
}

TEST_CASE("numbers of all types compare by value, exactly") {
  // In ascending order; neighbours differ by less than a double can tell.
  const std::vector<Json> ascending = {
      Json(-1e300),
      Json(std::numeric_limits<int64_t>::min()),
      Json(std::numeric_limits<int64_t>::min() + 1),
      Json(-9007199254740993),
      Json(-9007199254740992.0),
      Json(-1.5),
      Json(-1),
      Json(-0.5),
      Json(0),
      Json(5e-324),
      Json(0.5),
      Json(1U),
      Json(1.5),
      Json(9007199254740992.0),
      Json(9007199254740993),
      Json(9007199254740994.0),
      Json(std::numeric_limits<int64_t>::max()),
      Json(9223372036854775808.0),
      Json(9223372036854775809U),
      Json(std::numeric_limits<uint64_t>::max()),
      Json(18446744073709551616.0),
      Json(1e300),
  };
  for (size_t i = 0; i < ascending.size(); ++i) {
    for (size_t j = 0; j < ascending.size(); ++j) {
      INFO(ascending[i] << " and " << ascending[j]);
      CHECK((CompareNumbers(ascending[i], ascending[j]) < 0) == (i < j));
      CHECK((CompareNumbers(ascending[i], ascending[j]) == 0) == (i == j));
    }
  }
}

TEST_CASE("equal values of different types are equal") {
  CHECK((CompareNumbers(Json(1), Json(1.0)) == 0));
  CHECK((CompareNumbers(Json(1U), Json(1)) == 0));
  CHECK((CompareNumbers(Json(0.0), Json(-0.0)) == 0));
  CHECK((CompareNumbers(Json(9223372036854775808U), Json(9223372036854775808.0)) == 0));
  CHECK((CompareNumbers(Json(std::numeric_limits<int64_t>::min()), Json(-9223372036854775808.0)) ==
         0));
}

TEST_CASE("NaN has a place in the order, so that sorting stays defined") {
  const Json nan(std::numeric_limits<double>::quiet_NaN());
  CHECK((CompareNumbers(nan, nan) == 0));
  CHECK((CompareNumbers(nan, Json(-1e300)) < 0));
  CHECK((CompareNumbers(Json(0), nan) > 0));
  CHECK((CompareNumbers(nan, Json(1U)) < 0));
}

TEST_CASE("multiples are computed in decimal") {
  const auto multiple = [](const char* value, const char* divisor) {
    return IsMultipleOf(Json::parse(value), Json::parse(divisor));
  };
  CHECK(multiple("19.99", "0.01"));
  CHECK(multiple("0.3", "0.1"));
  CHECK(multiple("4.35", "0.05"));
  CHECK(multiple("1e308", "10"));
  CHECK(multiple("12391239123", "1e-8"));
  CHECK(multiple("-6", "2"));
  CHECK(multiple("-9223372036854775808", "2"));
  CHECK(multiple("18446744073709551615", "5"));
  CHECK(multiple("0", "7"));
  CHECK(multiple("-0.0", "0.3"));
  CHECK(multiple("7.5", "2.5"));
  CHECK(multiple("4e2", "1e2"));
  CHECK_FALSE(multiple("4.5e2", "1e2"));
  CHECK_FALSE(multiple("19.995", "0.01"));
  CHECK_FALSE(multiple("1e308", "0.123456789"));
  CHECK_FALSE(multiple("9007199254740993", "2"));
  CHECK_FALSE(multiple("18446744073709551615", "2"));
  CHECK_FALSE(multiple("1e-5", "1e300"));
  CHECK_FALSE(multiple("5", "1e19"));
  CHECK_FALSE(multiple("0.00751", "0.0001"));
}

}  // namespace
}  // namespace entente::dsl::schema_internal
