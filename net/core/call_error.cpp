#include "net/core/call_error.h"

namespace entente::net {

std::string_view CallFailureName(CallFailure failure) {
  switch (failure) {
    case CallFailure::kInvalidRequest: return "invalid_request";
    case CallFailure::kNotSent: return "not_sent";
    case CallFailure::kUnknown: return "unknown";
    case CallFailure::kBadResponse: return "bad_response";
  }
  return "unknown";
}

}  // namespace entente::net
