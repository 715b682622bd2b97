// Cars: one car, from the moment its driver arrives. Paid at the desk.
#include "examples/travel/services.h"

namespace travel {
namespace {

class Cars final : public Business {
 public:
  std::string Name() const override { return "cars"; }
  std::string Unit() const override { return "car"; }
  int64_t DefaultCapacity() const override { return 1'000'000; }
  std::vector<std::string> KnownPools() const override { return {"cars"}; }

  std::vector<Route> Routes() const override {
    return {{"PUT", "/rentals/", KeyPlace::kPath, Direction::kForward},
            {"DELETE", "/rentals/", KeyPlace::kPath, Direction::kUndo},
            {"GET", "/rentals/", KeyPlace::kPath, Direction::kLook}};
  }

  Quote Understand(const Json& request, int64_t number) const override {
    const std::string from = TextMember(request, "from");
    if (from.empty()) {
      return Refusal{422, "bad_rental", "a rental needs 'from', the instant it starts, as text"};
    }
    static constexpr const char* kModels[] = {"compact", "estate", "convertible", "van"};
    const int64_t model = Spread(from, 4);
    return Offer{"cars",
                 1,
                 {{"id", "CAR-" + std::to_string(number)},
                  {"car", kModels[model]},
                  {"from", from},
                  {"price", 3'500 + 1'000 * model}}};
  }

  Json Receipt(const std::string& key, int64_t units) const override {
    return {{"rental", key}, {"cancelled", units > 0}};
  }
};

}  // namespace

std::unique_ptr<Business> MakeCars() {
  return std::make_unique<Cars>();
}

}  // namespace travel
