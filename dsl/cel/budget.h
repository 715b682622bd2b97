// Budget: what evaluations may cost together.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/limits.h"

namespace entente::dsl::cel {

// Counts units: a step of evaluation, an element touched, or kBytesPerUnit bytes read, compared or
// made; a unit is some tens of nanoseconds. Shared by all that one thread evaluates in one go, so
// that many expressions hold it no longer than one may. Not thread-safe.
class Budget {
 public:
  static constexpr size_t kBytesPerUnit = 16;

  explicit Budget(uint64_t limit = limits::kMaxExpressionCost) : limit_(limit) {}

  // False when more is spent than may be; it stays spent.
  [[nodiscard]] bool Charge(uint64_t units) {
    spent_ += units;
    return spent_ <= limit_;
  }
  // Raises the limit where needed, so that this much is left.
  void Allow(uint64_t units) { limit_ = std::max(limit_, spent_ + units); }

  [[nodiscard]] uint64_t spent() const { return spent_; }

  [[nodiscard]] static uint64_t CostOfBytes(size_t bytes) { return bytes / kBytesPerUnit + 1; }
  // Of building a tree from JSON text, or text from a tree: small values cost more than their
  // bytes.
  [[nodiscard]] static uint64_t CostOfJson(size_t bytes, size_t values) {
    constexpr size_t kValuesPerUnit = 2;
    return CostOfBytes(bytes) + values / kValuesPerUnit;
  }
  [[nodiscard]] static uint64_t CostOfJson(std::string_view text) {
    // Every value but one has a comma or an opening bracket before it. Commas in strings count too.
    return CostOfJson(text.size(), static_cast<size_t>(std::count(text.begin(), text.end(), ',')));
  }

 private:
  uint64_t limit_;
  uint64_t spent_ = 0;
};

}  // namespace entente::dsl::cel
