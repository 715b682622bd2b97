// Why a request failed, and how each protocol says so.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "base/status.h"
#include "dsl/compiler.h"

namespace entente::api {

class JsonWriter;

// One mistake of a request.
struct Violation {
  std::string field;       // Its name, or a path such as "labels.tier"; empty: the whole.
  std::string message;     // What is wrong.
  std::string suggestion;  // What to do, or empty.
};

struct Error {
  Status status;                       // Never ok.
  std::vector<dsl::Problem> problems;  // The mistakes of a definition.
  std::vector<Violation> violations;   // The mistakes of the request's fields.
};

// What a method of the Service comes to.
template <class T>
using Outcome = std::variant<T, Error>;
template <class T>
using Done = std::function<void(Outcome<T>)>;

// kInvalidArgument, reason request.invalid, for at least one violation.
[[nodiscard]] Error InvalidRequest(std::vector<Violation> violations);

// The HTTP status and the gRPC status code (as a number) of a failure: one table for both.
[[nodiscard]] int HttpStatusOf(const Status& status);
[[nodiscard]] int GrpcCodeOf(const Status& status);

// The phrase of its HTTP status.
[[nodiscard]] std::string_view HttpTitle(const Status& status);

// Whether the same request may work later; answered with Retry-After.
[[nodiscard]] bool IsRetryable(const Status& status);
inline constexpr std::string_view kRetryAfterSeconds = "1";

// What a caller may read about `status`. Our own defects (kInternal, kDataLoss) are described by
// their code alone: their message may quote what the caller has no right to see.
[[nodiscard]] std::string PublicDetail(const Status& status);

// "urn:entente:problem:<reason>"
[[nodiscard]] std::string ProblemType(const Status& status);

// The RFC 9457 document. `instance` is the path of the request.
[[nodiscard]] std::string ProblemJson(const Error& error, std::string_view instance);

// The array of a definition's mistakes.
void WriteProblems(const std::vector<dsl::Problem>& problems, JsonWriter& json);

// "1 mistake" or "3 mistakes" and the first of them.
[[nodiscard]] std::string Summarize(const std::vector<Violation>& violations);

}  // namespace entente::api
