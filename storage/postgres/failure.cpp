#include "storage/postgres/failure.h"

#include <string>

#include "net/postgres/errors.h"

namespace entente::storage::postgres {
namespace {

std::string Describe(const pg::PgResult& result, std::string_view doing) {
  const std::string state = result.sqlstate();
  return std::string(doing) + ": " + result.message() +
         (state.empty() ? "" : " (SQLSTATE " + state + ")");
}

Status Unknown(const std::string& what) {
  return UnknownOutcome("store.unknown_outcome", what + "; it may have been written or not");
}

}  // namespace

Status NotWritten(const pg::PgResult& result, std::string_view doing) {
  const std::string text = Describe(result, doing);
  if (pg::Classify(result.sqlstate()) == pg::Failure::kCorrupt) {
    return DataLoss("store.corrupt", text + "; the database is damaged, restore a backup");
  }
  const bool no_table = pg::Classify(result.sqlstate()) == pg::Failure::kNoTable;
  return Unavailable(no_table ? kNoTableReason : "store.unavailable",
                     text + "; nothing was written");
}

Status OutcomeOf(const pg::PgResult& result, const std::string& warning, std::string_view doing) {
  if (!result.ok()) {
    return pg::CertainlyNotCommitted(result.severity(), result.sqlstate())
               ? NotWritten(result, doing)
               : Unknown(Describe(result, doing));
  }
  if (result.tag() == "ROLLBACK") {
    return Unavailable("store.unavailable", std::string(doing) + ": the server rolled it back");
  }
  return warning.empty() ? Status()
                         : Unknown(std::string(doing) + ": the server warned: " + warning);
}

}  // namespace entente::storage::postgres
