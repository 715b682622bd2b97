#include "participant-sdk/src/postgres/prepared_transactions.h"

namespace entente::sdk {
namespace {

constexpr std::string_view kUnknownName = "42704";       // undefined_object
constexpr std::string_view kDuplicateName = "42710";     // duplicate_object
constexpr std::string_view kNoSlot = "53200";            // out_of_memory
constexpr std::string_view kNotEnabledOrBusy = "55000";  // object_not_in_prerequisite_state
constexpr std::string_view kNotSupported = "0A000";      // feature_not_supported
constexpr std::string_view kNotOwner = "42501";          // insufficient_privilege
constexpr std::string_view kNameTooLong = "22023";       // invalid_parameter_value

std::string Said(const PgResult& result) {
  return result.message() + " (SQLSTATE " + result.sqlstate() + ")";
}

bool IsLost(const PgResult& result, PGconn* connection) {
  return result.sqlstate().empty() || PQstatus(connection) != CONNECTION_OK;
}

Status Lost(std::string_view what, const PgResult& result) {
  return UnknownOutcome("resource.outcome_lost", "the connection to PostgreSQL broke during " +
                                                     std::string(what) + ": " + result.message());
}

// An answer of PREPARE TRANSACTION that is no YES. The server has rolled back.
Result<Answer> PrepareFailed(const PgResult& result, PGconn* connection) {
  if (IsLost(result, connection)) {
    return Lost("PREPARE TRANSACTION", result);
  }
  const std::string state = result.sqlstate();
  if (state == kNoSlot) {
    return Unavailable(
        "resource.no_slot",
        "max_prepared_transactions of the PostgreSQL server is reached; raise it, or "
        "find what stays prepared: " +
            Said(result));
  }
  if (state == kNotEnabledOrBusy) {
    return Refused("resource.not_enabled",
                   "prepared transactions are disabled: set max_prepared_transactions on the "
                   "PostgreSQL server and restart it: " +
                       Said(result));
  }
  if (state == kNotSupported) {
    return Refused("resource.not_preparable",
                   "the transaction did what can not be prepared: " + Said(result));
  }
  if (state == kNameTooLong) {
    return Refused("resource.name_too_long", Said(result));
  }
  if (state == kDuplicateName) {
    return Refused("resource.duplicate_name",
                   "a transaction is prepared under this name already, and not by this service: " +
                       Said(result));
  }
  if (PgRefusesForGood(state)) {
    return Refused("resource.rejected",
                   "PostgreSQL rejected what the transaction wrote when it was to be prepared: " +
                       Said(result));
  }
  return result.ToStatus();
}

}  // namespace

Result<Finished> FinishPrepared(PGconn* connection, const std::string& verb,
                                const std::string& name) {
  const PgResult result = PgExecute(connection, verb + " " + PgLiteral(connection, name));
  if (result.ok()) {
    return Finished{true, {}};
  }
  if (IsLost(result, connection)) {
    return Lost(verb, result);
  }
  const std::string state = result.sqlstate();
  if (state == kUnknownName) {
    return Finished{};
  }
  if (state == kNotSupported) {
    return Finished{false, Refused("resource.other_database",
                                   "it was prepared in another database than this connection's: " +
                                       Said(result))};
  }
  if (state == kNotOwner) {
    return Finished{
        false,
        Refused("resource.not_owner",
                "only the user who prepared it, or a superuser, can finish it: " + Said(result))};
  }
  if (state == kNotEnabledOrBusy) {
    return Unavailable("barrier.busy", "somebody else is finishing it: " + Said(result));
  }
  return result.ToStatus();
}

Call TombstoneCall(const Gid& gid, const std::string& name) {
  Call call;
  call.gid = gid;
  call.branch = BranchId("prepared as " + name);
  call.operation = Operation::kRollback;
  return call;
}

Result<NameState> StateOfNames(PGconn* connection, const std::string& table, const Gid& gid,
                               const std::vector<std::string>& names) {
  const std::string& one = names.front();
  const std::string& other = names.back();
  const PgResult result = PgExecute(
      connection,
      "SELECT EXISTS (SELECT FROM pg_prepared_xacts WHERE gid IN ($1, $2) AND "
      "database = current_database()), EXISTS (SELECT FROM " +
          table + " WHERE gid = $3 AND branch IN ($4, $5) AND family = '2pc' AND alternative = 0)",
      {one, other, gid.str(), TombstoneCall(gid, one).branch.str(),
       TombstoneCall(gid, other).branch.str()});
  ENTENTE_RETURN_IF_ERROR(result.ToStatus());
  // A tombstone is there before the rollback, and then nothing else will happen any more.
  if (result.Boolean(0, 1)) {
    return NameState::kRolledBack;
  }
  return result.Boolean(0, 0) ? NameState::kPrepared : NameState::kUnknown;
}

Result<Answer> PrepareTransaction(PGconn* connection, const std::string& name) {
  const PgResult prepared =
      PgExecute(connection, "PREPARE TRANSACTION " + PgLiteral(connection, name));
  if (!prepared.ok()) {
    return PrepareFailed(prepared, connection);
  }
  // In a failed transaction there is no error, only this tag.
  if (prepared.tag() != "PREPARE TRANSACTION") {
    return Refused("resource.failed_transaction",
                   "PostgreSQL rolled the transaction back instead of preparing it: one of its "
                   "statements had failed, and the business write answered as if it had not");
  }
  return Done();
}

}  // namespace entente::sdk
