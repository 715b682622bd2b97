// coordinator.proto's messages to and from commands and results: the gRPC side.
#pragma once

#include <vector>

#include "base/json.h"
#include "coordinator/api/access/keys.h"
#include "coordinator/api/access/tokens.h"
#include "coordinator/api/bulk_actions.h"
#include "coordinator/api/commands.h"
#include "coordinator/api/dry_run.h"
#include "coordinator/api/problem.h"
#include "coordinator/audit/audit_book.h"
#include "entente/v1/coordinator.pb.h"
#include "runtime/coordinator.h"

namespace entente::api {

namespace pb = ::entente::v1;

// JSON values. A number without a fraction becomes an integer, as it would have been in JSON text;
// one beyond 2^53 loses digits on the way, because google.protobuf.Value has doubles only.
[[nodiscard]] Json FromValue(const google::protobuf::Value& value);
// A Value has doubles only: a number that none holds exactly, such as an integer past 2^53, becomes
// a string of its digits.
void ToValue(const JsonText& text, google::protobuf::Value* value);
void ToValue(const Json& json, google::protobuf::Value* value);

[[nodiscard]] SubmitCommand FromProto(const pb::SubmitTransactionRequest& request);
[[nodiscard]] BeginCommand FromProto(const pb::BeginTransactionRequest& request);
[[nodiscard]] EnlistCommand FromProto(const pb::EnlistBranchRequest& request);
[[nodiscard]] DecideCommand FromProto(const pb::CommitTransactionRequest& request);
[[nodiscard]] DecideCommand FromProto(const pb::AbortTransactionRequest& request);
[[nodiscard]] GetCommand FromProto(const pb::GetTransactionRequest& request);
[[nodiscard]] ListCommand FromProto(const pb::ListTransactionsRequest& request);
[[nodiscard]] ListCommand FromProto(const pb::CountTransactionsRequest& request);
[[nodiscard]] ListCommand FromProto(const pb::ListIncidentsRequest& request);
[[nodiscard]] OperateCommand FromProto(const pb::CancelTransactionRequest& request);
[[nodiscard]] OperateCommand FromProto(const pb::PauseTransactionRequest& request);
[[nodiscard]] OperateCommand FromProto(const pb::ResumeTransactionRequest& request);
[[nodiscard]] OperateCommand FromProto(const pb::RetryTransactionRequest& request);
[[nodiscard]] OperateCommand FromProto(const pb::EditBranchRequest& request);
[[nodiscard]] OperateCommand FromProto(const pb::SkipBranchRequest& request);
[[nodiscard]] OperateCommand FromProto(const pb::CompleteBranchRequest& request);
[[nodiscard]] OperateCommand FromProto(const pb::ResolveTransactionRequest& request);
[[nodiscard]] BulkCommand FromProto(const pb::StartBulkActionRequest& request);
[[nodiscard]] DryRunCommand FromProto(const pb::DryRunDefinitionRequest& request);
[[nodiscard]] SignalCommand FromProto(const pb::SignalTransactionRequest& request);
[[nodiscard]] CompleteCommand FromProto(const pb::CompleteOperationRequest& request);
[[nodiscard]] CreateTokenCommand FromProto(const pb::CreateTokenRequest& request);
[[nodiscard]] audit::AuditQuery FromProto(const pb::ListAuditRequest& request);
[[nodiscard]] RotateKeysCommand FromProto(const pb::RotateKeysRequest& request);

void ToProto(const KeyList& keys, pb::KeySet* out);
void ToProto(const identity::Principal& principal, pb::Session* out);
void ToProto(const identity::TokenInfo& info, pb::Token* out);
void ToProto(const identity::CreatedToken& created, pb::Token* out);
void ToProto(const std::vector<identity::TokenInfo>& infos, pb::ListTokensResponse* out);
void ToProto(const audit::AuditPage& page, pb::ListAuditResponse* out);
void ToProto(const TxnDetail& detail, pb::Transaction* out);
void ToProto(const SubmitResult& result, pb::Transaction* out);
void ToProto(const storage::SummaryPage& page, pb::ListTransactionsResponse* out);
void ToProto(const storage::SummaryPage& page, pb::ListIncidentsResponse* out);
void ToProto(const runtime::History& history, pb::History* out);
void ToProto(const runtime::TxnEvent& event, pb::TransactionEvent* out);
void ToProto(const storage::DefinitionRow& row, pb::Definition* out);
void ToProto(const DefinitionPage& page, pb::ListDefinitionsResponse* out);
void ToProto(const BranchPage& page, pb::ListBranchesResponse* out);
void ToProto(const StoredDefinition& stored, pb::Definition* out);
void ToProto(const std::vector<dsl::Problem>& problems, pb::ValidateDefinitionResponse* out);
void ToProto(const DecisionResult& result, pb::Decision* out);
void ToProto(const DryRunResult& result, pb::DryRunReport* out);
void ToProto(const std::vector<Count>& counts, pb::CountTransactionsResponse* out);
void ToProto(const BulkAction& action, pb::BulkAction* out);
void ToProto(const std::vector<BulkAction>& actions, pb::ListBulkActionsResponse* out);
void ToProto(const BranchCallResult& result, pb::BranchCall* out);
void ToProto(const CompleteResult& result, pb::CompleteOperationResponse* out);
void ToProto(const ParticipantPage& page, pb::ListParticipantsResponse* out);
void ToProto(const std::vector<NodeInfo>& nodes, pb::ListNodesResponse* out);
void ToProto(const DeadLetterPage& page, pb::ListDeadLettersResponse* out);
void ToProto(uint32_t count, pb::SendDeadLettersResponse* out);
void ToProto(const HealthReport& report, pb::Health* out);
void ToProto(const Error& error, pb::Problem* out);

}  // namespace entente::api
