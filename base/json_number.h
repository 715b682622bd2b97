// Numbers of JSON beyond what 64 bits or a double hold.
//
// JSON bounds no number, and a service's 20 digits or the two zeros of "10.00" must leave the
// coordinator as they came. So the exact reader (ParseExactJson) keeps a number that is more than
// an integer of 64 bits as its text. In a Json it stands as a binary value of its own kind, which
// no JSON text can bring about otherwise; DumpJson writes it as the number it is.
#pragma once

#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/json.h"

namespace entente {

// `text` is a number by RFC 8259, which is not checked.
[[nodiscard]] Json MakeNumberText(std::string_view text);
[[nodiscard]] bool IsNumberText(const Json& value);
// As it was written; `value` is one that IsNumberText. Valid as long as `value` is unchanged.
[[nodiscard]] std::string_view NumberText(const Json& value);

// Whether `value` is a number of either form.
[[nodiscard]] bool IsJsonNumber(const Json& value);

// The number that `text` writes as a Json of 64 bits: an int64_t or uint64_t if it has neither
// fraction nor exponent, else a double that reads back as the same decimal. Nothing if there is
// none: 18446744073709551616, 0.30000000000000000000001, 1e400, or whatever takes more than
// kMaxExactBytes to write.
inline constexpr size_t kMaxExactBytes = 1024;
[[nodiscard]] std::optional<Json> ExactNumber(std::string_view text);

// Makes numbers of 64 bits of those numbers in `value` that ExactNumber knows: for readers who
// compute with them. The others stay as they were written.
void UseNativeNumbers(Json& value);

// A number as the decimal that people write, of any size and precision.
class Decimal {
 public:
  // `text` is a number by RFC 8259.
  explicit Decimal(std::string_view text);
  // Of a number in either form that is finite.
  [[nodiscard]] static Decimal Of(const Json& number);

  // By value: 1, 1.0 and 10e-1 are equal.
  [[nodiscard]] std::strong_ordering Compare(const Decimal& other) const;
  [[nodiscard]] bool is_integer() const { return exponent_ >= 0; }
  [[nodiscard]] bool is_zero() const { return digits_.empty(); }
  [[nodiscard]] bool negative() const { return negative_; }
  // The value is digits * 10^exponent, but for the sign. No zero leads or ends the digits; zero has
  // none. An exponent past 10^15 either way is cut to that.
  [[nodiscard]] const std::string& digits() const { return digits_; }
  [[nodiscard]] int64_t exponent() const { return exponent_; }
  // What is before the decimal point, without a leading zero; nothing if that is more than
  // `max_digits`.
  [[nodiscard]] std::optional<std::string> WholeDigits(size_t max_digits) const;

 private:
  bool negative_ = false;
  std::string digits_;
  int64_t exponent_ = 0;
};

}  // namespace entente
