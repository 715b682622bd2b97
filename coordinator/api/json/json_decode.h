// REST requests as commands.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <variant>

#include "base/json.h"
#include "coordinator/api/access/keys.h"
#include "coordinator/api/access/tokens.h"
#include "coordinator/api/commands.h"
#include "coordinator/api/event_feed.h"
#include "coordinator/api/problem.h"
#include "coordinator/audit/audit_book.h"

namespace entente::api {

// The body of a request as JSON: kInvalidArgument json.* if it is not, saying where.
[[nodiscard]] Outcome<Json> ParseBody(std::string_view body);

// Each takes the parsed body. What is in the path is given apart.
[[nodiscard]] Outcome<SubmitCommand> DecodeSubmit(Json body);
[[nodiscard]] Outcome<BeginCommand> DecodeBegin(Json body);
[[nodiscard]] Outcome<DecideCommand> DecodeDecide(DecideCommand::Verb verb, std::string gid,
                                                  Json body);
[[nodiscard]] Outcome<OperateCommand> DecodeOperate(runtime::OperatorRequest::Verb verb,
                                                    std::string gid, Json body);
[[nodiscard]] Outcome<BulkCommand> DecodeBulkCommand(Json body);
[[nodiscard]] Outcome<std::vector<std::string>> DecodeDeadLetterIds(Json body);
// True: there is nothing in it, as there must not be.
[[nodiscard]] Outcome<bool> DecodeNothing(Json body);
[[nodiscard]] Outcome<DryRunCommand> DecodeDryRun(Json body);
[[nodiscard]] Outcome<SignalCommand> DecodeSignal(std::string gid, Json body);
[[nodiscard]] Outcome<CompleteCommand> DecodeComplete(std::string token, Json body);

[[nodiscard]] Outcome<CreateTokenCommand> DecodeCreateToken(Json body);
[[nodiscard]] Outcome<RotateKeysCommand> DecodeRotateKeys(Json body);

// Each takes the query, without its question mark.
[[nodiscard]] Outcome<GetCommand> DecodeGet(std::string gid, std::string_view query);
[[nodiscard]] Outcome<ListCommand> DecodeList(std::string_view query);
[[nodiscard]] Outcome<ListCommand> DecodeCount(std::string_view query);
[[nodiscard]] Outcome<ListCommand> DecodeIncidents(std::string_view query);

[[nodiscard]] Outcome<PageCommand> DecodePage(std::string_view query);
[[nodiscard]] Outcome<audit::AuditQuery> DecodeAuditQuery(std::string_view query);

[[nodiscard]] Outcome<EventFilter> DecodeEventFilter(std::string_view query);

// For methods without parameters.
[[nodiscard]] std::optional<Error> RefuseQuery(std::string_view query);

}  // namespace entente::api
