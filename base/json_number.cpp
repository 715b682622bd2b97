#include "base/json_number.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <system_error>

#include "base/check.h"

namespace entente {
namespace {

constexpr Json::binary_t::subtype_type kNumberSubtype = 0x4E;

// Far past every exponent that matters, and safe to add to.
constexpr int64_t kFarExponent = 1'000'000'000'000'000;

int64_t ReadExponent(std::string_view text) {
  const bool negative = text.starts_with('-');
  if (negative || text.starts_with('+')) {
    text.remove_prefix(1);
  }
  int64_t exponent = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), exponent);
  if (error != std::errc()) {
    exponent = kFarExponent;
  }
  exponent = std::min(exponent, kFarExponent);
  return negative ? -exponent : exponent;
}

std::string WithoutFraction(const Json& number) {
  return number.is_number_unsigned() ? std::to_string(number.get<uint64_t>())
                                     : std::to_string(number.get<int64_t>());
}

std::string TextOf(const Json& number) {
  if (IsNumberText(number)) {
    return std::string(NumberText(number));
  }
  if (!number.is_number_float()) {
    return WithoutFraction(number);
  }
  std::array<char, 64> text{};
  const auto [end, error] =
      std::to_chars(text.data(), text.data() + text.size(), number.get<double>());
  ENTENTE_CHECK(error == std::errc());
  return {text.data(), end};
}

std::optional<Json> ExactInteger(std::string_view text) {
  const char* const end = text.data() + text.size();
  if (uint64_t number = 0; text[0] != '-') {
    const auto read = std::from_chars(text.data(), end, number);
    return read.ec == std::errc() ? std::optional<Json>(number) : std::nullopt;
  }
  int64_t number = 0;
  const auto read = std::from_chars(text.data(), end, number);
  return read.ec == std::errc() ? std::optional<Json>(number) : std::nullopt;
}

}  // namespace

Json MakeNumberText(std::string_view text) {
  return Json::binary(Json::binary_t::container_type(text.begin(), text.end()), kNumberSubtype);
}

bool IsNumberText(const Json& value) {
  const auto* bytes = value.get_ptr<const Json::binary_t*>();
  return bytes != nullptr && bytes->has_subtype() && bytes->subtype() == kNumberSubtype;
}

std::string_view NumberText(const Json& value) {
  ENTENTE_CHECK(IsNumberText(value));
  const auto& bytes = *value.get_ptr<const Json::binary_t*>();
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

bool IsJsonNumber(const Json& value) {
  return value.is_number() || IsNumberText(value);
}

std::optional<Json> ExactNumber(std::string_view text) {
  if (text.size() > kMaxExactBytes) {
    return std::nullopt;
  }
  if (text.find_first_of(".eE") == std::string_view::npos) {
    return ExactInteger(text);
  }
  double number = 0;
  const auto read = std::from_chars(text.data(), text.data() + text.size(), number);
  const Decimal decimal(text);
  if (read.ec != std::errc()) {
    return std::nullopt;
  }
  // So few digits always survive; for more, it depends.
  constexpr size_t kSafeDigits = 15;
  constexpr int64_t kSafeExponent = 290;
  const bool safe = decimal.digits().size() <= kSafeDigits &&
                    decimal.exponent() >= -kSafeExponent && decimal.exponent() <= kSafeExponent;
  if (safe || decimal.Compare(Decimal::Of(Json(number))) == 0) {
    return Json(number);
  }
  return std::nullopt;
}

void UseNativeNumbers(Json& value) {
  if (value.is_structured()) {
    for (Json& part : value) {
      UseNativeNumbers(part);
    }
  } else if (IsNumberText(value)) {
    if (std::optional<Json> exact = ExactNumber(NumberText(value))) {
      value = *std::move(exact);
    }
  }
}

Decimal Decimal::Of(const Json& number) {
  return Decimal(std::string_view(TextOf(number)));
}

Decimal::Decimal(std::string_view text) {
  negative_ = text.starts_with('-');
  text.remove_prefix(negative_ ? 1 : 0);
  const size_t exponent_at = std::min(text.find_first_of("eE"), text.size());
  if (exponent_at < text.size()) {
    exponent_ = ReadExponent(text.substr(exponent_at + 1));
  }
  const std::string_view mantissa = text.substr(0, exponent_at);
  const size_t point = std::min(mantissa.find('.'), mantissa.size());
  digits_ = mantissa.substr(0, point);
  if (point < mantissa.size()) {
    digits_ += mantissa.substr(point + 1);
    exponent_ -= static_cast<int64_t>(mantissa.size() - point - 1);
  }
  digits_.erase(0, std::min(digits_.find_first_not_of('0'), digits_.size()));
  const size_t kept = digits_.find_last_not_of('0') + 1;  // npos + 1 is 0.
  exponent_ += static_cast<int64_t>(digits_.size() - kept);
  digits_.resize(kept);
  if (digits_.empty()) {
    negative_ = false;
    exponent_ = 0;
  }
}

std::strong_ordering Decimal::Compare(const Decimal& other) const {
  if (negative_ != other.negative_) {
    return negative_ ? std::strong_ordering::less : std::strong_ordering::greater;
  }
  // How far the first digit is before the decimal point.
  const auto size = [](const Decimal& decimal) {
    return decimal.exponent_ + static_cast<int64_t>(decimal.digits_.size());
  };
  std::strong_ordering order = std::strong_ordering::equal;
  if (is_zero() || other.is_zero()) {
    order = !is_zero() <=> !other.is_zero();
  } else {
    order = size(*this) <=> size(other);
    order = order != 0 ? order : digits_.compare(other.digits_) <=> 0;
  }
  return negative_ ? 0 <=> order : order;
}

std::optional<std::string> Decimal::WholeDigits(size_t max_digits) const {
  const int64_t size = exponent_ + static_cast<int64_t>(digits_.size());
  if (size <= 0) {
    return std::string();
  }
  if (size > static_cast<int64_t>(max_digits)) {
    return std::nullopt;
  }
  std::string whole = digits_.substr(0, static_cast<size_t>(size));
  whole.resize(static_cast<size_t>(size), '0');
  return whole;
}

}  // namespace entente
