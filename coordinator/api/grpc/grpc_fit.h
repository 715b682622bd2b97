// Answers that every gRPC client takes: at most limits::kMaxGrpcAnswerBytes. Internal to api.
#pragma once

#include <cstdint>

#include "base/limits.h"
#include "entente/v1/coordinator.pb.h"

namespace entente::api {

// Each leaves out what does not fit into `limit` bytes, and says so in the message.

// First the payloads of the last branches, then output and input, then the last branches.
void FitTransaction(entente::v1::Transaction* answer, size_t limit = limits::kMaxGrpcAnswerBytes);
// The payload.
void FitEvent(entente::v1::TransactionEvent* event, size_t limit = limits::kMaxGrpcAnswerBytes);
// Keeps the entries after revision `after`, at most `count` (0: all) of them and as many as fit. An
// entry that alone is too large stays without its payload.
void FitHistory(uint32_t after, uint32_t count, entente::v1::History* answer,
                size_t limit = limits::kMaxGrpcAnswerBytes);
// The last ones.
void FitIncidents(entente::v1::ListIncidentsResponse* answer,
                  size_t limit = limits::kMaxGrpcAnswerBytes);

// The body.
void FitBranchCall(entente::v1::BranchCall* call, size_t limit = limits::kMaxGrpcAnswerBytes);
// The last ones, of which there is at least one; that stays without its payloads if it alone is too
// large. Whoever calls it says where the next page begins.
void FitBranches(entente::v1::ListBranchesResponse* answer,
                 size_t limit = limits::kMaxGrpcAnswerBytes);
void FitParticipants(entente::v1::ListParticipantsResponse* answer,
                     size_t limit = limits::kMaxGrpcAnswerBytes);

// Leaves out every payload: whoever acts on a transaction knows what is in it.
void LeaveOutPayloads(entente::v1::Transaction* answer);

}  // namespace entente::api
