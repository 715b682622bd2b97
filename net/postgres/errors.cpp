#include "net/postgres/errors.h"

#include <algorithm>
#include <array>

namespace entente::pg {
namespace {

using States = std::string_view;

constexpr std::array<States, 12> kRetryStates{
    "40001",  // serialization_failure
    "40P01",  // deadlock_detected
    "55P03",  // lock_not_available
    "55006",  // object_in_use
    "57014",  // query_canceled: a time-out
    "57P01",  // admin_shutdown
    "57P02",  // crash_shutdown
    "57P03",  // cannot_connect_now
    "57P05",  // idle_session_timeout
    "25P03",  // idle_in_transaction_session_timeout
    "25P02",  // in_failed_sql_transaction
    "58030",  // io_error
};

constexpr std::array<States, 5> kUnsureStates{
    "40003",  // statement_completion_unknown
    "57014",  // query_canceled
    "57P01", "57P02", "57P03",
};

template <size_t N>
bool IsOneOf(States state, const std::array<States, N>& states) {
  return std::ranges::find(states, state) != states.end();
}

}  // namespace

Failure Classify(std::string_view sqlstate) {
  if (sqlstate.empty()) {
    return Failure::kLost;
  }
  // Connection exceptions, insufficient resources.
  if (sqlstate.starts_with("08") || sqlstate.starts_with("53") || IsOneOf(sqlstate, kRetryStates)) {
    return Failure::kRetry;
  }
  if (sqlstate == "25006") {
    return Failure::kReadOnly;
  }
  if (sqlstate == "23505") {
    return Failure::kDuplicate;
  }
  if (sqlstate == "42P01" || sqlstate == "42703" || sqlstate == "3F000") {
    return Failure::kNoTable;
  }
  return sqlstate == "XX001" || sqlstate == "XX002" ? Failure::kCorrupt : Failure::kOther;
}

bool CertainlyNotCommitted(std::string_view severity, std::string_view sqlstate) {
  return severity == "ERROR" && !sqlstate.starts_with("08") && !IsOneOf(sqlstate, kUnsureStates);
}

}  // namespace entente::pg
