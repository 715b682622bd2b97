#include "base/status.h"

namespace entente {

std::string_view StatusCodeName(StatusCode code) {
  switch (code) {
    case StatusCode::kOk: return "ok";
    case StatusCode::kInvalidArgument: return "invalid_argument";
    case StatusCode::kNotFound: return "not_found";
    case StatusCode::kAlreadyExists: return "already_exists";
    case StatusCode::kConflict: return "conflict";
    case StatusCode::kFailedPrecondition: return "failed_precondition";
    case StatusCode::kResourceExhausted: return "resource_exhausted";
    case StatusCode::kUnavailable: return "unavailable";
    case StatusCode::kUnknownOutcome: return "unknown_outcome";
    case StatusCode::kDataLoss: return "data_loss";
    case StatusCode::kDeadlineExceeded: return "deadline_exceeded";
    case StatusCode::kUnauthenticated: return "unauthenticated";
    case StatusCode::kPermissionDenied: return "permission_denied";
    case StatusCode::kInternal: return "internal";
    case StatusCode::kFenced: return "fenced";
  }
  CheckFailed("StatusCode is a declared enumerator", __FILE__, __LINE__);
}

std::string Status::ToString() const {
  if (ok()) {
    return "ok";
  }
  return std::string(StatusCodeName(code_)) + " " + reason_ + ": " + message_;
}

std::ostream& operator<<(std::ostream& out, const Status& status) {
  return out << status.ToString();
}

#define ENTENTE_DEFINE_SHORTHAND(Name, code)              \
  Status Name(std::string reason, std::string message) {  \
    return {code, std::move(reason), std::move(message)}; \
  }

ENTENTE_DEFINE_SHORTHAND(InvalidArgument, StatusCode::kInvalidArgument)
ENTENTE_DEFINE_SHORTHAND(NotFound, StatusCode::kNotFound)
ENTENTE_DEFINE_SHORTHAND(AlreadyExists, StatusCode::kAlreadyExists)
ENTENTE_DEFINE_SHORTHAND(Conflict, StatusCode::kConflict)
ENTENTE_DEFINE_SHORTHAND(FailedPrecondition, StatusCode::kFailedPrecondition)
ENTENTE_DEFINE_SHORTHAND(ResourceExhausted, StatusCode::kResourceExhausted)
ENTENTE_DEFINE_SHORTHAND(Unavailable, StatusCode::kUnavailable)
ENTENTE_DEFINE_SHORTHAND(UnknownOutcome, StatusCode::kUnknownOutcome)
ENTENTE_DEFINE_SHORTHAND(DataLoss, StatusCode::kDataLoss)
ENTENTE_DEFINE_SHORTHAND(DeadlineExceeded, StatusCode::kDeadlineExceeded)
ENTENTE_DEFINE_SHORTHAND(Internal, StatusCode::kInternal)
ENTENTE_DEFINE_SHORTHAND(Fenced, StatusCode::kFenced)

#undef ENTENTE_DEFINE_SHORTHAND

}  // namespace entente
