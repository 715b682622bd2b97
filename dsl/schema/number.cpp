#include "dsl/schema/number.h"

#include <array>
#include <charconv>
#include <cmath>
#include <cstdint>
#include <limits>
#include <system_error>
#include <utility>

namespace entente::dsl::schema_internal {
namespace {

__extension__ using Uint128 = unsigned __int128;

// A number without its sign: digits * 10^exponent.
struct Decimal {
  uint64_t digits;
  int exponent;
};

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

Decimal ToDecimal(double magnitude) {
  std::array<char, 64> text{};
  const auto printed = std::to_chars(text.data(), text.data() + text.size(), magnitude,
                                     std::chars_format::scientific);
  Decimal decimal{0, 0};
  bool after_point = false;
  const char* at = text.data();
  for (; at != printed.ptr && *at != 'e'; ++at) {
    if (*at == '.') {
      after_point = true;
      continue;
    }
    decimal.digits = decimal.digits * 10 + static_cast<uint64_t>(*at - '0');
    decimal.exponent -= after_point ? 1 : 0;
  }
  int exponent = 0;
  at += (at != printed.ptr) ? 1 : 0;
  at += (at != printed.ptr && *at == '+') ? 1 : 0;
  std::from_chars(at, printed.ptr, exponent);
  decimal.exponent += exponent;
  return decimal;
}

Decimal ToDecimal(const Json& value) {
  if (value.is_number_float()) {
    return ToDecimal(std::abs(value.get<double>()));
  }
  if (value.is_number_unsigned()) {
    return {value.get<uint64_t>(), 0};
  }
  const auto number = value.get<int64_t>();
  return {number < 0 ? 0 - static_cast<uint64_t>(number) : static_cast<uint64_t>(number), 0};
}

}  // namespace

bool IsInteger(const Json& value) {
  if (value.is_number_integer()) {  // Signed or unsigned.
    return true;
  }
  if (!value.is_number_float()) {
    return false;
  }
  const auto number = value.get<double>();
  return std::isfinite(number) && std::trunc(number) == number;
}

std::strong_ordering CompareNumbers(const Json& a, const Json& b) {
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

bool IsMultipleOf(const Json& value, const Json& divisor) {
  if (value.is_number_float() && !std::isfinite(value.get<double>())) {
    return false;
  }
  const Decimal number = ToDecimal(value);
  const Decimal unit = ToDecimal(divisor);
  if (number.digits == 0) {
    return true;
  }
  if (number.exponent >= unit.exponent) {
    Uint128 remainder = number.digits % unit.digits;
    for (int power = number.exponent - unit.exponent; power > 0 && remainder != 0; --power) {
      remainder = remainder * 10 % unit.digits;
    }
    return remainder == 0;
  }
  // A divisor times 10^20 exceeds every number of 64 bits; up to 10^19 it fits in 128 bits.
  static constexpr int kMaxShift = 19;
  const int shift = unit.exponent - number.exponent;
  if (shift > kMaxShift) {
    return false;
  }
  Uint128 scaled = unit.digits;
  for (int i = 0; i < shift; ++i) {
    scaled *= 10;
  }
  return number.digits % scaled == 0;
}

}  // namespace entente::dsl::schema_internal
