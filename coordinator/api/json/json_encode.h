// Results as JSON text: the REST side of coordinator.proto's messages.
#pragma once

#include <string>
#include <vector>

#include "coordinator/api/access/keys.h"
#include "coordinator/api/bulk_actions.h"
#include "coordinator/api/commands.h"
#include "coordinator/api/dry_run.h"
#include "coordinator/audit/audit_book.h"
#include "coordinator/identity/token_book.h"
#include "runtime/coordinator.h"
#include "storage/journal.h"

namespace entente::api {

class JsonWriter;

// Each returns one document, the proto3 JSON form of the message it is named for. Numbers are
// plain, of 64 bits too.
[[nodiscard]] std::string TransactionJson(const TxnDetail& detail);
[[nodiscard]] std::string TransactionListJson(const storage::SummaryPage& page);
[[nodiscard]] std::string BranchListJson(const BranchPage& page);
[[nodiscard]] std::string HistoryJson(const runtime::History& history);
[[nodiscard]] std::string EventJson(const runtime::TxnEvent& event);
[[nodiscard]] std::string DefinitionJson(const storage::DefinitionRow& row);
[[nodiscard]] std::string StoredDefinitionJson(const StoredDefinition& stored);
[[nodiscard]] std::string DefinitionListJson(const DefinitionPage& page);
[[nodiscard]] std::string ValidationJson(const std::vector<dsl::Problem>& problems);
[[nodiscard]] std::string DryRunJson(const DryRunResult& result);
[[nodiscard]] std::string CountsJson(const std::vector<Count>& counts);
[[nodiscard]] std::string BulkJson(const BulkAction& action);
[[nodiscard]] std::string BulkListJson(const std::vector<BulkAction>& actions);
[[nodiscard]] std::string BranchCallJson(const BranchCallResult& result);
[[nodiscard]] std::string DecisionJson(const DecisionResult& result);
[[nodiscard]] std::string CompletionJson(const CompleteResult& result);
[[nodiscard]] std::string IncidentListJson(const storage::SummaryPage& page);
[[nodiscard]] std::string ParticipantListJson(const ParticipantPage& page);
[[nodiscard]] std::string NodeListJson(const std::vector<NodeInfo>& nodes);
[[nodiscard]] std::string DeadLetterListJson(const DeadLetterPage& page);
[[nodiscard]] std::string SentDeadLettersJson(uint32_t count);
[[nodiscard]] std::string HealthJson(const HealthReport& report);

// `text` is the token itself, or empty where it is not to be seen.
[[nodiscard]] std::string TokenJson(const identity::TokenInfo& info, const std::string& text = {});
[[nodiscard]] std::string SessionJson(const identity::Principal& principal);
[[nodiscard]] std::string KeySetJson(const KeyList& keys);
[[nodiscard]] std::string TokenListJson(const std::vector<identity::TokenInfo>& infos);
[[nodiscard]] std::string AuditListJson(const audit::AuditPage& page);

// The member "labels", left out when there are none.
void WriteLabels(const storage::Labels& labels, JsonWriter& json);

}  // namespace entente::api
