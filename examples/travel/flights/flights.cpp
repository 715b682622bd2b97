// Flights: a seat to a city.
#include "examples/travel/services.h"

namespace travel {
namespace {

std::string TwoDigits(int64_t number) {
  return (number < 10 ? "0" : "") + std::to_string(number);
}

class Flights final : public Business {
 public:
  std::string Name() const override { return "flights"; }
  std::string Unit() const override { return "seat"; }
  int64_t DefaultCapacity() const override { return 1'000'000; }
  std::vector<std::string> KnownPools() const override { return {"seats"}; }

  std::vector<Route> Routes() const override {
    return {{"PUT", "/bookings/", KeyPlace::kPath, Direction::kForward},
            {"DELETE", "/bookings/", KeyPlace::kPath, Direction::kUndo},
            {"GET", "/bookings/", KeyPlace::kPath, Direction::kLook}};
  }

  Quote Understand(const Json& request, int64_t number) const override {
    const std::string who = TextMember(request, "who");
    const std::string to = TextMember(request, "to");
    if (who.empty() || to.empty()) {
      return Refusal{422, "bad_booking", "a booking needs 'who' and 'to', both texts"};
    }
    const int64_t price = 9'900 + 100 * Spread(to, 300);
    const int64_t minute = 6 * 60 + 5 * Spread("minute " + to, 200);
    const std::string arrives =
        "2027-05-01T" + TwoDigits(minute / 60) + ":" + TwoDigits(minute % 60) + ":00Z";
    return Offer{"seats",
                 1,
                 {{"id", "FL-" + std::to_string(number)},
                  {"flight", "TA" + std::to_string(100 + Spread("flight " + to, 900))},
                  {"who", who},
                  {"to", to},
                  {"arrives", arrives},
                  {"price", price}}};
  }

  Json Receipt(const std::string& key, int64_t units) const override {
    return {{"booking", key}, {"cancelled", units > 0}};
  }
};

}  // namespace

std::unique_ptr<Business> MakeFlights() {
  return std::make_unique<Flights>();
}

}  // namespace travel
