// What a client asks, as one node tells it to another.
#pragma once

#include <string>
#include <vector>

#include "base/status.h"
#include "entente/cluster/v1/peer.pb.h"
#include "runtime/coordinator.h"

namespace entente::cluster {

namespace pb = entente::cluster::v1;

// Requests, there and back. `wait` is left out: whoever asks waits by asking again. Decoding fails
// with kInvalidArgument, cluster.bad_message, for what no node of these releases sends.
[[nodiscard]] pb::Ask AskOf(const runtime::SubmitRequest& request);
[[nodiscard]] pb::Ask AskOf(const runtime::BeginRequest& request);
[[nodiscard]] pb::Ask AskOf(const runtime::OperatorRequest& request);
[[nodiscard]] pb::Ask AskOf(const Gid& gid, const runtime::SignalRequest& request);
[[nodiscard]] pb::Ask AskOf(const std::string& token,
                            const std::variant<engine::ReplyDone, engine::ReplyRefused>& outcome);

[[nodiscard]] Result<runtime::SubmitRequest> SubmitOf(const pb::Ask& ask);
[[nodiscard]] Result<runtime::BeginRequest> BeginOf(const pb::Ask& ask);
[[nodiscard]] Result<runtime::OperatorRequest> OperateOf(const pb::Ask& ask);
[[nodiscard]] Result<runtime::SignalRequest> SignalOf(const pb::Ask& ask);
[[nodiscard]] Result<std::variant<engine::ReplyDone, engine::ReplyRefused>> OutcomeOf(
    const pb::Ask& ask);
[[nodiscard]] engine::Actor ActorOf(const pb::Actor& actor);

void SetStatus(const Status& status, pb::Answer& answer);
[[nodiscard]] Status StatusOf(const pb::Answer& answer);
void SetProblems(const std::vector<dsl::Problem>& problems, pb::Answer& answer);
[[nodiscard]] std::vector<dsl::Problem> ProblemsOf(const pb::Answer& answer);
// What the asking node has to know of a transaction to read it.
void SetView(const runtime::TxnView& view, pb::Answer& answer);

}  // namespace entente::cluster
