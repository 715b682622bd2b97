// Hotels: a room of so many stars in a city.
#include "examples/travel/services.h"

namespace travel {
namespace {

class Hotels final : public Business {
 public:
  std::string Name() const override { return "hotels"; }
  std::string Unit() const override { return "room"; }
  int64_t DefaultCapacity() const override { return 1'000'000; }

  Quote Understand(const Json& request, int64_t number) const override {
    const std::string city = TextMember(request, "city");
    const auto number_of_stars = request.find("stars");
    const bool counted = number_of_stars != request.end() && number_of_stars->is_number_integer();
    const int64_t stars = counted ? number_of_stars->get<int64_t>() : 0;
    if (city.empty() || stars < 1 || stars > 5) {
      return Refusal{422, "bad_reservation", "a reservation needs 'city', and 'stars' from 1 to 5"};
    }
    const std::string room_class = city + "/" + std::to_string(stars);  // "Lisbon/4"
    return Offer{room_class,
                 1,
                 {{"room", city + "-" + std::to_string(stars) + "-" + std::to_string(number)},
                  {"city", city},
                  {"stars", stars},
                  {"price", 3'000 * stars + 100 * Spread(city, 20)}}};
  }

  Json Receipt(const std::string& key, int64_t units) const override {
    return {{"reservation", key}, {"released", units > 0}};
  }
};

}  // namespace

std::unique_ptr<Business> MakeHotels() {
  return std::make_unique<Hotels>();
}

}  // namespace travel
