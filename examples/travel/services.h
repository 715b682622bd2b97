// The four companies of the travel agency; each one's rules are one file.
#pragma once

#include <memory>

#include "examples/travel/common/business.h"

namespace travel {

std::unique_ptr<Business> MakeFlights();   // flights/flights.cpp
std::unique_ptr<Business> MakeHotels();    // hotels/hotels.cpp
std::unique_ptr<Business> MakeCars();      // cars/cars.cpp
std::unique_ptr<Business> MakePayments();  // payments/payments.cpp

}  // namespace travel
