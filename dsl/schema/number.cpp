#include "dsl/schema/number.h"

#include <charconv>
#include <cmath>
#include <cstdint>
#include <limits>

#include "base/json_number.h"

namespace entente::dsl::schema_internal {
namespace {

__extension__ using Uint128 = unsigned __int128;

template <class Integer>
std::strong_ordering CompareWithDouble(Integer integer, double number) {
  static constexpr auto kLowest = static_cast<double>(std::numeric_limits<Integer>::min());
  // The first power of two that Integer can not hold; a double holds it exactly.
  const double limit = std::ldexp(1.0, std::numeric_limits<Integer>::digits);
  if (std::isnan(number) || number < kLowest) {
    return std::strong_ordering::greater;
  }
  if (number >= limit) {
    return std::strong_ordering::less;
  }
  const double whole = std::trunc(number);
  if (const auto order = integer <=> static_cast<Integer>(whole); order != 0) {
    return order;
  }
  const double fraction = number - whole;
  if (fraction > 0) {
    return std::strong_ordering::less;
  }
  return fraction < 0 ? std::strong_ordering::greater : std::strong_ordering::equal;
}

std::strong_ordering CompareDoubles(double a, double b) {
  if (std::isnan(a) || std::isnan(b)) {
    return std::isnan(b) <=> std::isnan(a);
  }
  if (a == b) {  // Also zero and minus zero.
    return std::strong_ordering::equal;
  }
  return a < b ? std::strong_ordering::less : std::strong_ordering::greater;
}

std::strong_ordering Reverse(std::strong_ordering order) {
  return 0 <=> order;
}

// 10^exponent modulo `modulus`, which is not zero.
uint64_t PowerOfTen(int64_t exponent, uint64_t modulus) {
  Uint128 result = 1 % modulus;
  for (Uint128 base = 10 % modulus; exponent > 0; exponent /= 2) {
    result = exponent % 2 == 1 ? result * base % modulus : result;
    base = base * base % modulus;
  }
  return static_cast<uint64_t>(result);
}

}  // namespace

bool IsInteger(const Json& value) {
  if (value.is_number_integer()) {  // Signed or unsigned.
    return true;
  }
  if (IsNumberText(value)) {
    return Decimal(NumberText(value)).is_integer();
  }
  if (!value.is_number_float()) {
    return false;
  }
  const auto number = value.get<double>();
  return std::isfinite(number) && std::trunc(number) == number;
}

uint64_t WholeOf(const Json& value) {
  if (!IsNumberText(value)) {
    return value.get<uint64_t>();
  }
  constexpr size_t kMaxDigits = 20;
  const std::string digits = Decimal(NumberText(value)).WholeDigits(kMaxDigits).value_or("");
  uint64_t whole = 0;
  std::from_chars(digits.data(), digits.data() + digits.size(), whole);
  return whole;
}

std::strong_ordering CompareNumbers(const Json& a, const Json& b) {
  if (IsNumberText(a) || IsNumberText(b)) {
    return Decimal::Of(a).Compare(Decimal::Of(b));
  }
  if (a.is_number_float()) {
    return b.is_number_float() ? CompareDoubles(a.get<double>(), b.get<double>())
                               : Reverse(CompareNumbers(b, a));
  }
  if (b.is_number_float()) {
    return a.is_number_unsigned() ? CompareWithDouble(a.get<uint64_t>(), b.get<double>())
                                  : CompareWithDouble(a.get<int64_t>(), b.get<double>());
  }
  if (a.is_number_unsigned() && b.is_number_unsigned()) {
    return a.get<uint64_t>() <=> b.get<uint64_t>();
  }
  if (a.is_number_unsigned()) {
    const auto right = b.get<int64_t>();
    return right < 0 ? std::strong_ordering::greater
                     : a.get<uint64_t>() <=> static_cast<uint64_t>(right);
  }
  return b.is_number_unsigned() ? Reverse(CompareNumbers(b, a))
                                : a.get<int64_t>() <=> b.get<int64_t>();
}

bool IsDivisor(const Json& value) {
  const bool finite = !value.is_number_float() || std::isfinite(value.get<double>());
  if (!IsJsonNumber(value) || !finite) {
    return false;
  }
  const Decimal decimal = Decimal::Of(value);
  return !decimal.is_zero() && !decimal.negative() &&
         decimal.digits().size() <= std::numeric_limits<uint64_t>::digits10;
}

bool IsMultipleOf(const Json& value, const Json& divisor) {
  if (value.is_number_float() && !std::isfinite(value.get<double>())) {
    return false;
  }
  const Decimal number = Decimal::Of(value);
  const Decimal unit = Decimal::Of(divisor);
  if (number.is_zero()) {
    return true;
  }
  if (number.exponent() < unit.exponent()) {
    return false;  // No zero ends its digits: what is left behind the unit's last place is not
                   // zero.
  }
  uint64_t modulus = 0;
  std::from_chars(unit.digits().data(), unit.digits().data() + unit.digits().size(), modulus);
  Uint128 remainder = 0;
  for (const char digit : number.digits()) {
    remainder = (remainder * 10 + static_cast<unsigned>(digit - '0')) % modulus;
  }
  return remainder * PowerOfTen(number.exponent() - unit.exponent(), modulus) % modulus == 0;
}

}  // namespace entente::dsl::schema_internal
