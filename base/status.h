// Status and Result<T>: how a fallible function reports failure.
//
// No exception crosses a folder boundary; an adapter catches what a third-party library throws and
// returns a Status. A status code exists only where some caller reacts to it; the `reason` tells
// humans and scripts *which* rule was broken and stays stable across releases.
#pragma once

#include <optional>
#include <ostream>
#include <string>
#include <string_view>
#include <utility>
#include <variant>

#include "base/check.h"

namespace entente {

// What the caller may do about it. The names follow gRPC's canonical codes, except
// kUnknownOutcome, which gRPC has no word for.
enum class StatusCode {
  kOk = 0,
  kInvalidArgument = 1,     // The request is wrong whatever the state is. Do not retry.
  kNotFound = 2,            // The named thing does not exist (or not for this caller).
  kAlreadyExists = 3,       // The name is taken by something else.
  kConflict = 4,            // Stale revision or sequence: reload, then decide again.
  kFailedPrecondition = 5,  // The state forbids it (for example: already finished).
  kResourceExhausted = 6,   // A limit or a queue is full. Retry later, slower.
  kUnavailable = 7,         // It certainly did not happen. Retry the call.
  kUnknownOutcome = 8,      // It may have happened. Reload before going on.
  kDataLoss = 9,            // Corrupt or impossible data. Stop; never guess.
  kDeadlineExceeded = 10,   // Not finished in time; what was accepted goes on.
  kUnauthenticated = 11,
  kPermissionDenied = 12,
  kInternal = 13,  // Our own defect.
  kFenced = 14,    // A later owner has the shard: drop it. It did not happen.
};

// The stable lower-case name of a code, for logs and tests ("invalid_argument").
std::string_view StatusCodeName(StatusCode code);

// A value type: cheap to move, safe to share between threads once constructed.
class [[nodiscard]] Status {
 public:
  // Success.
  Status() = default;

  // A failure. `reason` is a stable dotted word ("transaction.not_found"); `message` says what
  // happened, where, and what to do. `code` must not be kOk.
  Status(StatusCode code, std::string reason, std::string message)
      : code_(code), reason_(std::move(reason)), message_(std::move(message)) {
    ENTENTE_CHECK(code != StatusCode::kOk);
  }

  [[nodiscard]] bool ok() const { return code_ == StatusCode::kOk; }
  [[nodiscard]] StatusCode code() const { return code_; }
  [[nodiscard]] const std::string& reason() const { return reason_; }
  [[nodiscard]] const std::string& message() const { return message_; }

  // "not_found transaction.not_found: no transaction named 'x'" or "ok".
  [[nodiscard]] std::string ToString() const;

  friend bool operator==(const Status&, const Status&) = default;

 private:
  StatusCode code_ = StatusCode::kOk;
  std::string reason_;
  std::string message_;
};

std::ostream& operator<<(std::ostream& out, const Status& status);

// Shorthands for the codes that most callers construct.
[[nodiscard]] Status InvalidArgument(std::string reason, std::string message);
[[nodiscard]] Status NotFound(std::string reason, std::string message);
[[nodiscard]] Status AlreadyExists(std::string reason, std::string message);
[[nodiscard]] Status Conflict(std::string reason, std::string message);
[[nodiscard]] Status FailedPrecondition(std::string reason, std::string message);
[[nodiscard]] Status ResourceExhausted(std::string reason, std::string message);
[[nodiscard]] Status Unavailable(std::string reason, std::string message);
[[nodiscard]] Status UnknownOutcome(std::string reason, std::string message);
[[nodiscard]] Status DataLoss(std::string reason, std::string message);
[[nodiscard]] Status DeadlineExceeded(std::string reason, std::string message);
[[nodiscard]] Status Internal(std::string reason, std::string message);
[[nodiscard]] Status Fenced(std::string reason, std::string message);

// Either a value or the Status that says why there is none. Reading the value of a failed Result
// is our own error and aborts.
template <class T>
class [[nodiscard]] Result {
 public:
  Result(T value) : content_(std::move(value)) {}        // NOLINT(google-explicit-constructor)
  Result(Status status) : content_(std::move(status)) {  // NOLINT(google-explicit-constructor)
    ENTENTE_CHECK(!std::get<Status>(content_).ok());
  }

  [[nodiscard]] bool ok() const { return std::holds_alternative<T>(content_); }

  // The failure, or an ok Status.
  [[nodiscard]] Status status() const { return ok() ? Status() : std::get<Status>(content_); }

  [[nodiscard]] const T& value() const& {
    ENTENTE_CHECK(ok());
    return std::get<T>(content_);
  }
  [[nodiscard]] T& value() & {
    ENTENTE_CHECK(ok());
    return std::get<T>(content_);
  }
  [[nodiscard]] T&& value() && {
    ENTENTE_CHECK(ok());
    return std::get<T>(std::move(content_));
  }

  const T& operator*() const& { return value(); }
  T& operator*() & { return value(); }
  T&& operator*() && { return std::move(*this).value(); }
  const T* operator->() const { return &value(); }
  T* operator->() { return &value(); }

 private:
  std::variant<T, Status> content_;
};

}  // namespace entente

#define ENTENTE_CONCAT_INNER(a, b) a##b
#define ENTENTE_CONCAT(a, b) ENTENTE_CONCAT_INNER(a, b)

// Returns the Status of `expression` from the enclosing function unless it is ok.
#define ENTENTE_RETURN_IF_ERROR(expression)                                      \
  do {                                                                           \
    if (::entente::Status entente_status = (expression); !entente_status.ok()) { \
      return entente_status;                                                     \
    }                                                                            \
  } while (false)

// Evaluates a Result; returns its Status on failure, else moves its value into `target`.
#define ENTENTE_ASSIGN_OR_RETURN(target, expression) \
  ENTENTE_ASSIGN_OR_RETURN_INNER(ENTENTE_CONCAT(entente_result_, __LINE__), target, expression)
#define ENTENTE_ASSIGN_OR_RETURN_INNER(result, target, expression) \
  auto result = (expression);                                      \
  if (!result.ok()) {                                              \
    return result.status();                                        \
  }                                                                \
  target = std::move(result).value()
