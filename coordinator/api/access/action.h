// What a client can ask, whatever it speaks: one name for a REST route and a gRPC method.
#pragma once

#include <cstdint>

namespace entente::api {

enum class Action : uint8_t {
  kSubmit,
  kBegin,
  kEnlist,
  kCommit,
  kAbort,
  kGetDecision,
  kGetTransaction,
  kListTransactions,
  kCountTransactions,
  kGetHistory,
  kGetBranchCall,
  kWatchTransaction,
  kCancel,
  kPause,
  kResume,
  kRetry,
  kEdit,
  kSkip,
  kResolve,
  kStartBulk,
  kListBulk,
  kGetBulk,
  kStopBulk,
  kSignal,
  kComplete,
  kPutDefinition,
  kValidateDefinition,
  kGetDefinition,
  kListBranches,
  kListDefinitions,
  kListVersions,
  kGetVersion,
  kListIncidents,
  kListParticipants,
  kListNodes,
  kListDeadLetters,
  kSendDeadLetters,
  kWatchEvents,
  kCreateToken,
  kListTokens,
  kRevokeToken,
  kListAudit,
  kListKeys,
  kRotateKeys,
  kHealth,
  kReady,
  kMetrics,
  kOpenApi,
};

}  // namespace entente::api
