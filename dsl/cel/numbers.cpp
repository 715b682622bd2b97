#include "dsl/cel/numbers.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <limits>
#include <utility>

namespace entente::dsl::cel {
namespace {

template <class Number>
std::optional<Number> ParseInteger(std::string_view text) {
  if (text.starts_with('+') && !text.starts_with("+-")) {
    text.remove_prefix(1);
  }
  Number number{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size()) {
    return std::nullopt;
  }
  return number;
}

// Whether a decimal number that no double can hold is too small rather than too large: the place
// of its first non-zero digit decides.
bool IsUnderflow(std::string_view text) {
  constexpr int64_t kFarExponent = 1'000'000;
  const size_t exponent_at = text.find_first_of("eE");
  int64_t exponent = 0;
  if (exponent_at != std::string_view::npos) {
    const std::string_view digits = text.substr(exponent_at + 1);
    exponent = ParseInt(digits).value_or(digits.starts_with('-') ? -kFarExponent : kFarExponent);
  }
  const std::string_view mantissa = text.substr(0, exponent_at);
  const size_t point = std::min(mantissa.find('.'), mantissa.size());
  const size_t first = mantissa.find_first_of("123456789");
  if (first == std::string_view::npos) {
    return true;
  }
  return static_cast<int64_t>(point) - static_cast<int64_t>(first) + exponent < 0;
}

// The specification's conformance tests compare in doubles: past 2^53 an integer equals the double
// it is nearest to.
template <class Integer>
std::partial_ordering CompareWithDouble(Integer left, double right) {
  return static_cast<double>(left) <=> right;
}

std::partial_ordering CompareIntegers(int64_t left, uint64_t right) {
  if (std::cmp_less(left, right)) {
    return std::partial_ordering::less;
  }
  return std::cmp_equal(left, right) ? std::partial_ordering::equivalent
                                     : std::partial_ordering::greater;
}

}  // namespace

std::optional<int64_t> ParseInt(std::string_view text) {
  return ParseInteger<int64_t>(text);
}

std::optional<uint64_t> ParseUint(std::string_view text) {
  return ParseInteger<uint64_t>(text);
}

std::optional<double> ParseDouble(std::string_view text) {
  std::string_view digits = text;
  if (digits.starts_with('+') && !digits.starts_with("+-")) {
    digits.remove_prefix(1);
  }
  const bool negative = digits.starts_with('-');
  double number = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), number);
  if (end != digits.data() + digits.size() || error == std::errc::invalid_argument) {
    return std::nullopt;
  }
  if (error == std::errc::result_out_of_range) {
    if (!IsUnderflow(digits.substr(negative ? 1 : 0))) {
      return std::nullopt;
    }
    return negative ? -0.0 : 0.0;
  }
  return number;
}

std::string FormatDouble(double number) {
  if (std::isnan(number)) {
    return "NaN";
  }
  if (std::isinf(number)) {
    return number > 0 ? "Infinity" : "-Infinity";
  }
  const double size = std::fabs(number);
  const bool plain = size == 0 || (size >= 1e-6 && size < 1e21);
  std::array<char, 64> buffer{};
  const auto [end, error] =
      std::to_chars(buffer.data(), buffer.data() + buffer.size(), number,
                    plain ? std::chars_format::fixed : std::chars_format::scientific);
  static_cast<void>(error);  // 64 characters hold every double in either form chosen.
  return std::string(buffer.data(), end);
}

bool IsNumber(const Value& value) {
  const Kind kind = value.kind();
  return kind == Kind::kInt || kind == Kind::kUint || kind == Kind::kDouble;
}

std::partial_ordering CompareNumbers(const Value& left, const Value& right) {
  if (left.kind() == Kind::kDouble) {
    if (right.kind() == Kind::kDouble) {
      return left.double_value() <=> right.double_value();
    }
    return 0 <=> CompareNumbers(right, left);
  }
  if (right.kind() == Kind::kDouble) {
    return left.kind() == Kind::kInt ? CompareWithDouble(left.int_value(), right.double_value())
                                     : CompareWithDouble(left.uint_value(), right.double_value());
  }
  if (left.kind() == Kind::kInt) {
    return right.kind() == Kind::kInt ? left.int_value() <=> right.int_value()
                                      : CompareIntegers(left.int_value(), right.uint_value());
  }
  if (right.kind() == Kind::kInt) {
    return 0 <=> CompareIntegers(right.int_value(), left.uint_value());
  }
  return left.uint_value() <=> right.uint_value();
}

}  // namespace entente::dsl::cel
