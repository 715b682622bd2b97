// Payments: cents charged to the agency's account, up to its limit.
#include "examples/travel/services.h"

#include <cmath>

namespace travel {
namespace {

constexpr int64_t kMaxAmount = 1'000'000'000'000;

// A whole number of cents, also when it is written 4200.0; otherwise 0.
int64_t Amount(const Json& request) {
  const auto amount = request.is_object() ? request.find("amount") : request.end();
  if (!request.is_object() || amount == request.end() || !amount->is_number()) {
    return 0;
  }
  const double value = amount->get<double>();
  const bool whole =
      value >= 1 && value <= static_cast<double>(kMaxAmount) && value == std::floor(value);
  return whole ? static_cast<int64_t>(value) : 0;
}

class Payments final : public Business {
 public:
  std::string Name() const override { return "payments"; }
  std::string Unit() const override { return "money"; }
  int64_t DefaultCapacity() const override { return 1'000 * kMaxAmount; }
  std::vector<std::string> KnownPools() const override { return {"limit"}; }
  std::string ForwardEffect() const override { return "charged"; }
  std::string UndoEffect() const override { return "refunded"; }

  std::vector<Route> Routes() const override {
    return {{"PUT", "/charges/", KeyPlace::kPath, Direction::kForward},
            {"POST", "/charges", KeyPlace::kHeader, Direction::kForward},
            {"DELETE", "/charges/", KeyPlace::kPath, Direction::kUndo},
            {"POST", "/refunds", KeyPlace::kBody, Direction::kUndo, "charge"},
            {"GET", "/charges/", KeyPlace::kPath, Direction::kLook}};
  }

  Quote Understand(const Json& request, int64_t number) const override {
    const int64_t amount = Amount(request);
    if (amount == 0) {
      return Refusal{422, "bad_charge", "a charge needs 'amount', a whole number of cents above 0"};
    }
    return Offer{"limit", amount, {{"id", "CH-" + std::to_string(number)}, {"amount", amount}}};
  }

  Json Receipt(const std::string& key, int64_t units) const override {
    return {{"charge", key}, {"refunded", units}};
  }
};

}  // namespace

std::unique_ptr<Business> MakePayments() {
  return std::make_unique<Payments>();
}

}  // namespace travel
