#include "participant-sdk/src/participant/input_numbers.h"

#include <cmath>

namespace entente::sdk {

Json NumberOf(double number) {
  if (std::trunc(number) == number && std::abs(number) <= kMaxExactWhole) {
    return static_cast<int64_t>(number);
  }
  return number;
}

void UnifyNumbers(Json& json) {
  if (json.is_number_float()) {
    json = NumberOf(json.get<double>());
  } else if (json.is_structured()) {
    for (Json& member : json) {
      UnifyNumbers(member);
    }
  }
}

}  // namespace entente::sdk
