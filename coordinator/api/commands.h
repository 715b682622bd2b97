// What a request asks, after its codec and before its checks: one struct per method. `by` is who
// asks, which the codec learns from the transport and never from what was sent.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/json.h"
#include "base/json_text.h"
#include "base/time.h"
#include "coordinator/identity/principal.h"
#include "runtime/coordinator.h"
#include "storage/journal.h"

namespace entente::api {

struct SubmitCommand {
  std::optional<std::string> definition;
  std::optional<Json> inline_definition;
  std::optional<uint32_t> version;
  std::optional<std::string> gid;  // Absent: the coordinator chooses one.
  JsonText input;
  storage::Labels labels;
  std::optional<std::string> deadline;
  std::optional<std::string> wait;
  std::shared_ptr<runtime::Hangup> hangup;  // With `wait`; may be null.
  std::string traceparent;
  identity::PrincipalPtr by = identity::Anonymous();
};

struct BeginCommand {
  std::string mode;
  std::optional<std::string> gid;  // Absent: the coordinator chooses one.
  std::optional<std::string> time_limit;
  storage::Labels labels;
  std::string traceparent;
  identity::PrincipalPtr by = identity::Anonymous();
};

struct EnlistCommand {
  std::string gid;
  std::string branch;  // JSON text.
  identity::PrincipalPtr by = identity::Anonymous();
};

// Commit or abort, by the client that drives the transaction.
struct DecideCommand {
  enum class Verb : uint8_t { kCommit, kAbort };
  Verb verb = Verb::kCommit;
  std::string gid;
  std::string reason;  // Of an abort, as the actor.
  std::string actor;
  std::optional<std::string> wait;
  std::shared_ptr<runtime::Hangup> hangup;  // With `wait`; may be null.
  identity::PrincipalPtr by = identity::Anonymous();
};

struct GetCommand {
  std::string gid;
  std::optional<std::string> wait;
  std::shared_ptr<runtime::Hangup> hangup;  // With `wait`; may be null.
  identity::PrincipalPtr by = identity::Anonymous();
};

struct ListCommand {
  std::string status;
  std::string mode;
  std::string definition;
  std::string label;
  std::optional<bool> incident;
  std::optional<Instant> since;
  std::optional<Instant> until;
  std::string q;
  std::string parent;
  std::optional<bool> paused;
  std::optional<Instant> unchanged_since;
  std::optional<uint32_t> attempts;
  std::string error;
  std::string participant;
  std::string code;
  std::string step;
  std::string sort;    // Empty: the newest first.
  uint32_t limit = 0;  // 0: the default.
  std::string cursor;
  identity::PrincipalPtr by = identity::Anonymous();
};

// A page of a list that has no filters.
struct PageCommand {
  uint32_t limit = 0;  // 0: the default.
  std::string cursor;
};

struct OperateCommand {
  runtime::OperatorRequest::Verb verb = runtime::OperatorRequest::Verb::kCancel;
  std::string gid;
  std::string reason;
  std::string actor;
  std::optional<uint32_t> expected_revision;
  std::string branch;
  std::optional<JsonText> body;   // Of an edit.
  std::optional<JsonText> retry;  // Of an edit, in the words of a definition.
  JsonText output;                // Of a skip or a completion.
  std::string outcome;            // Of a resolve or a completion.
  std::string code;               // Of a completion: why it was refused; as `message`.
  std::string message;
  identity::PrincipalPtr by = identity::Anonymous();
};

// An action on all that match.
struct BulkCommand {
  std::string verb;
  std::string filter;  // The query of a list.
  std::string reason;
  std::string actor;
  bool preview = false;  // Only say how many there are.
  identity::PrincipalPtr by = identity::Anonymous();
};

struct BulkIdCommand {
  std::string id;
  identity::PrincipalPtr by = identity::Anonymous();
};

struct SendDeadLettersCommand {
  std::vector<std::string> ids;  // None: all.
  identity::PrincipalPtr by = identity::Anonymous();
};

struct SignalCommand {
  std::string gid;
  std::string name;
  JsonText payload;
  std::optional<std::string> id;
  std::optional<std::string> header_id;  // Of REST's Entente-Signal-Id.
  identity::PrincipalPtr by = identity::Anonymous();
};

struct CompleteCommand {
  std::string token;
  std::string outcome;
  JsonText output;
  std::string code;
  std::string message;
  identity::PrincipalPtr by = identity::Anonymous();
};

struct DecisionCommand {
  std::string gid;
  identity::PrincipalPtr by = identity::Anonymous();
};

struct BranchCallCommand {
  std::string gid;
  std::string branch;
  identity::PrincipalPtr by = identity::Anonymous();
};

struct DefineCommand {
  std::string name;
  std::string source;
  identity::PrincipalPtr by = identity::Anonymous();
};

struct DryRunCommand {
  std::string definition;
  std::optional<uint32_t> version;  // Absent: the newest.
  Json input;
  Json answers;
  identity::PrincipalPtr by = identity::Anonymous();
};

struct GetDefinitionCommand {
  std::string name;
  std::optional<uint32_t> version;  // Absent: the newest.
  identity::PrincipalPtr by = identity::Anonymous();
};

struct ListBranchesCommand {
  std::string gid;
  PageCommand page;
  identity::PrincipalPtr by = identity::Anonymous();
};

struct ListDefinitionsCommand {
  std::optional<std::string> name;  // Of one: its versions. Absent: the newest of each.
  PageCommand page;
  identity::PrincipalPtr by = identity::Anonymous();
};

struct HistoryCommand {
  std::string gid;
  identity::PrincipalPtr by = identity::Anonymous();
};

struct SubmitResult {
  runtime::TxnView view;
  bool created = false;
  bool waited = false;  // The caller asked to wait for the end.
};

struct StoredDefinition {
  storage::DefinitionRow row;
  std::vector<dsl::Problem> warnings;
};

// A transaction, and for each of its plan's participants why calls to it do not go out.
struct TxnDetail {
  runtime::TxnView view;
  std::vector<std::string> blocked_by;  // By participant index; may be empty.
};

// Of the newest version of each definition, by name; or of all versions of one, newest first.
struct DefinitionPage {
  std::vector<storage::DefinitionRow> rows;
  std::string next_cursor;  // Empty: no more.
};

// `count` of all participants, from the one at `first` on.
struct ParticipantPage {
  std::vector<runtime::ParticipantStats> all;  // By address.
  size_t first = 0;
  size_t count = 0;
  std::string next_cursor;  // Empty: no more.
};

// Where in its transaction a branch is shown: by step, in the plan's order, and within the step.
struct BranchPosition {
  size_t step = 0;
  size_t index = 0;
};

// At most `count` branches of a transaction, from the one at `first` on.
struct BranchPage {
  TxnDetail detail;
  BranchPosition first;
  size_t count = 0;
  std::string next_cursor;  // Empty: no more.
};

// What a participant in doubt is told.
struct DecisionResult {
  Gid gid;
  std::string_view decision;  // "committed", "aborted" or "undecided"
  bool known = false;         // False: there is no such transaction, so it did not commit.
  std::string coordinator;    // Whose word this is.
};

struct CompleteResult {
  Gid gid;
  engine::TxnStatus status = engine::TxnStatus::kActive;
  Sequence revision;
};

// What a branch's operation sends.
struct BranchCallResult {
  BranchId branch;
  std::string participant;  // Empty for a child transaction.
  std::string_view operation;
  std::string method;  // Of HTTP or gRPC; empty for a child transaction.
  std::string target;  // Path and query below the participant's address; of HTTP.
  std::optional<JsonText> body;
  bool edited = false;  // By an operator.
  std::string child;    // Its gid.
};

// How many match, exact up to limits::kMaxPageSize; `more`: it is at least so many.
struct Count {
  std::string_view name;  // A status, "incident" or "paused".
  uint32_t count = 0;
  bool more = false;
};

// One of the coordinators that share a store.
struct NodeInfo {
  std::string id;
  std::string_view state;  // "ready", "leaving" or "lost"
  bool self = false;
  std::string http_address;
  std::string peer_address;
  std::string release;
  Instant started_at;
  Duration heard_ago{0};
  uint32_t shards = 0;
};

// An event that the receiver of webhooks did not take.
struct DeadLetter {
  std::string id;
  std::string type;  // "incident", "ended" or "overdue"
  std::string gid;
  uint64_t revision = 0;
  std::string definition;
  std::string branch;  // Of an incident.
  Instant at;
  std::string why;  // What the receiver said last.
  Instant since;
  bool waiting = false;  // To be told again.
};

// By id.
struct DeadLetterPage {
  std::vector<DeadLetter> rows;
  std::string next_cursor;  // Empty: no more.
};

struct HealthReport {
  runtime::Health health;
  bool stalled = false;
};

}  // namespace entente::api
