// The client of a coordinator: starts transactions, watches them and acts on them.
//
//   entente::sdk::Client client({.server = "http://127.0.0.1:8080"});
//   entente::sdk::SubmitRequest order{.definition = "travel-booking", .input = {{"city", "Rome"}}};
//   order.wait = std::chrono::seconds(30);
//   auto submitted = client.Submit(order);
//   if (!submitted.ok()) { ... submitted.status().message() ... }
//   if (submitted->transaction.committed()) { ... submitted->transaction.output() ... }
//
// What the documents hold is said in proto/entente/v1/coordinator.proto; names are camelCase.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "entente/base/json.h"
#include "entente/base/status.h"
#include "entente/base/time.h"
#include "entente/decision.h"
#include "entente/tls.h"

namespace entente::sdk {

// The members of the structs below all have defaults, so that designated initializers may leave out
// any of them.
struct ClientOptions {
  // "http://host[:port]" or "https://..."; the scheme's port where none is given. An IPv6 host
  // stands in brackets.
  std::string server = "http://127.0.0.1:8080";
  // The file that holds the token to show, of a coordinator that asks who one is. Read for every
  // call, so that a token can be replaced while the client is at work. Empty: the file that the
  // environment variable ENTENTE_TOKEN_FILE names, if it is set. Not looked at if `headers` have an
  // Authorization. A file that can not be read fails the call: client.bad_token_file.
  std::string token_file = {};
  // Sent with every request.
  std::vector<std::pair<std::string, std::string>> headers = {};
  TlsOptions tls = {};  // Of https. Names and chains are always verified.
  Duration connect_timeout = std::chrono::seconds(5);
  // For sending a request and receiving the whole answer, beside `connect_timeout`. `wait` is added
  // where one is asked for.
  Duration call_timeout = std::chrono::seconds(30);
  // How long what is safe to repeat (submit, begin, enlist, commit, abort) is repeated, and a watch
  // connected again, its first time too, when the coordinator can not be reached any more. Counted
  // from the first failure, of a watch from the first since an event came or a stream stood for
  // longer than this; zero: never repeated. Nor is it while nobody ever was there to answer this
  // client: that is a wrong address more often than a restart.
  Duration retry_for = std::chrono::seconds(15);
  // An answer larger than this is an error.
  size_t max_answer_bytes = size_t{256} << 20;
};

// An answer: the bytes as they came and what they say. A number that neither 64 bits nor a double
// hold exactly is in `json` as base/json_number.h says.
struct Document {
  std::string text = {};
  Json json = {};
};

// A Transaction document. A value type; safe to share between threads once constructed. References
// live as long as it does. Members that are absent read as empty, zero, false or null.
class Transaction {
 public:
  Transaction() = default;
  explicit Transaction(Document document) : document_(std::move(document)) {}

  [[nodiscard]] std::string gid() const;
  [[nodiscard]] std::string status() const;  // "ACTIVE", ...: docs/api.md
  [[nodiscard]] uint64_t revision() const;   // What an operator's action names as seen.
  [[nodiscard]] bool incident() const;       // It waits for an operator.
  [[nodiscard]] bool paused() const;
  [[nodiscard]] bool finished() const;   // COMMITTED, ABORTED or MIXED.
  [[nodiscard]] bool committed() const;  // COMMITTED.
  [[nodiscard]] Json output() const;     // Null unless committed.

  [[nodiscard]] const Json& json() const { return document_.json; }
  [[nodiscard]] const std::string& text() const { return document_.text; }

 private:
  Document document_;
};

// Whether a status is final.
[[nodiscard]] bool IsFinalStatus(std::string_view status);

struct SubmitRequest {
  std::string definition = {};           // Its name; or else `inline_definition`.
  Json inline_definition = {};           // Null: none.
  std::optional<uint32_t> version = {};  // Of `definition`. Default: the newest.
  std::string gid = {};                  // Empty: a UUIDv7 is made here, before the first attempt.
  Json input = Json::object();
  std::map<std::string, std::string> labels = {};
  std::optional<Duration> deadline = {};  // From the submit. Default: the definition's.
  // Absent: answers when accepted. Present: when it ended, or after this long (at most five
  // minutes) with the state so far.
  std::optional<Duration> wait = {};
};

struct SubmitResult {
  Transaction transaction;
  bool created = false;  // False: the same gid was submitted before with the same content.
};

// A transaction that the client drives itself: it begins it, enlists each branch before it works
// with the branch's participant, and commits or aborts.
struct BeginRequest {
  std::string mode = {};  // "tcc", "2pc" or "saga".
  std::string gid = {};   // Empty: a UUIDv7 is made here, before the first attempt.
  // Unless committed by then, it is undone: a client that dies leaves nothing held longer. Default:
  // the coordinator's.
  std::optional<Duration> time_limit = {};
  std::map<std::string, std::string> labels = {};
};

// A page of a list: at most `limit` elements, after the page that ended with `cursor`.
struct PageRequest {
  uint32_t limit = 0;  // 0: 50. At most 1000.
  std::string cursor;
};

// Every filter is optional; those given must all hold.
struct ListRequest {
  std::string status = {};
  std::string mode = {};
  std::string definition = {};
  std::string label = {};  // "key=value"
  std::optional<bool> incident = {};
  std::optional<Instant> since = {};  // Created at or after.
  std::optional<Instant> until = {};  // Created before.
  std::string gid_prefix = {};
  std::string parent = {};  // A gid.
  std::optional<bool> paused = {};
  std::optional<Instant> unchanged_since = {};  // Nothing happened to it since.
  uint32_t attempts = 0;         // Some branch is at this attempt or a later one; 0: any.
  std::string error = {};        // A part of its latest failure's text; A is a.
  std::string participant = {};  // This, code and step: of one incident that waits.
  std::string code = {};
  std::string step = {};  // Of a forEach, any of its branches.
  // newest, oldest, changed, unchanged or attempts (List alone); empty: newest.
  std::string sort = {};
  uint32_t limit = 0;       // 0: the coordinator's default.
  std::string cursor = {};  // The page before's nextCursor.
};

enum class Action { kCancel, kPause, kResume, kRetry, kEdit, kSkip, kResolve, kComplete };

// An operator's action. Which fields an action takes is said beside them; others must be empty.
struct ActionRequest {
  std::string gid = {};
  std::string reason = {};  // Edit, skip, complete and resolve need one.
  std::string actor = {};   // Who acts.
  // The revision the operator saw; the action is refused if another one is current. Edit, skip,
  // complete and resolve need one.
  std::optional<uint32_t> expected_revision = {};
  std::string branch =
      {};  // Edit, skip, complete: needed. Retry: empty for every branch that is stuck.
  // Edit, one of them at least: what is sent instead of what the definition says, and the fields of
  // the retry policy that change, in the words of a definition.
  std::optional<Json> body = {};
  std::optional<Json> retry = {};
  // Skip, and complete with "done": what later steps read as the branch's output.
  std::optional<Json> output = {};
  // Resolve: "COMMITTED" or "ABORTED". Complete, which says how a pending operation ended: "done"
  // or "refused".
  std::string outcome = {};
  std::string code = {};  // Complete with "refused": why, a word; as `message`, a sentence.
  std::string message = {};
};

// An action on every open transaction that matches.
struct BulkRequest {
  std::string verb = {};    // "retry", "pause", "resume" or "cancel".
  ListRequest filter = {};  // At least one member of it; not limit and cursor.
  std::string reason = {};  // Needed, but for a preview.
  std::string actor = {};   // Who acts.
  bool preview = false;     // Only say how many there are.
};

// Who bears a token, and what it may do: docs/security.md.
struct TokenRequest {
  std::string name = {};
  std::string role = {};  // "viewer", "submitter", "deployer", "operator", "admin", "participant"
  bool payloads = false;  // Of a viewer.
  std::vector<std::string> definitions =
      {};  // That it can reach, "trip-*" for a family. Empty: all.
  std::map<std::string, std::string> labels = {};  // Of transactions that it can reach.
  std::string expires_in = {};                     // A duration. Empty: until it is revoked.
};

// Which entries of the audit: each that is not empty, exactly.
struct AuditRequest {
  std::string actor = {};
  std::string action = {};   // "pause"
  std::string subject = {};  // "transaction/t1"
  std::string outcome = {};  // "done", "failed" or "refused"
  std::optional<Instant> since = {};
  std::optional<Instant> until = {};
  uint32_t limit = 0;  // 0: the coordinator's default.
  std::string cursor = {};
};

// How another key takes over that signs the coordinator's calls.
struct KeyRotation {
  std::string notice = {};  // A duration, in which the other key goes on signing. Empty: 10m.
  bool revoke = false;      // The other keys are published no more, at once.
};

// The outcome of an operation that was answered with "pending".
struct CompletionRequest {
  std::string token = {};
  bool refused = false;
  std::optional<Json> output = {};  // Unless refused.
  std::string code = {};            // If refused.
  std::string message = {};         // If refused.
};

struct Event {
  uint64_t revision = 0;
  Document document = {};  // A TransactionEvent.
};

// A synchronous client. Every method blocks until it has an answer, at most for the time-outs of
// ClientOptions.
//
// One connection is kept open between calls; Watch uses one of its own. Thread-compatible: calls of
// one Client need outside locking; use one Client per thread. Movable.
//
// Errors. What the coordinator refuses comes as the Status of its problem document: `reason` is the
// document's `code`, `message` its `detail` followed by one line per mistake. Without an answer:
//   kUnavailable     client.unreachable: nothing was sent.
//   kUnknownOutcome  client.broken: the connection broke; the call may have been carried out.
//   kUnknownOutcome  client.timeout: no answer in time; it may have been, or may yet be.
//   kInternal        client.bad_answer: what answered does not speak the coordinator's protocol.
//   kInvalidArgument client.bad_server: `server` is not a URL this client can use.
//   kInvalidArgument client.bad_tls: a file of `tls` can not be used.
//   kInvalidArgument client.bad_request: a request contradicts itself, or a header can not be sent;
//     nothing was sent.
// Reads are repeated once when a kept connection turns out to be closed. Submit, Begin, Enlist,
// Commit, Abort and Watch are repeated as ClientOptions::retry_for says, since the coordinator
// makes a repeat of those change nothing; nothing else that changes something ever is.
class Client {
 public:
  explicit Client(ClientOptions options = {});
  ~Client();
  Client(Client&&) noexcept;
  Client& operator=(Client&&) noexcept;

  // Starts a transaction. Durable when it returns. Attempts after a broken connection, a time-out
  // or a 503 name the same gid, so that the transaction runs once whatever was lost. When it gives
  // up after an attempt that may have arrived, the message names the gid to ask for.
  [[nodiscard]] Result<SubmitResult> Submit(SubmitRequest request);

  // Begins a transaction that the caller drives. Durable when it returns. Repeating it with the
  // same gid and content is safe, and `created` is false then.
  [[nodiscard]] Result<SubmitResult> Begin(BeginRequest request);
  // Enlists a branch, durably, before the caller works with its participant. `branch` is JSON in
  // the words of a definition's step: {"id", "participant", "confirm", "cancel", ...}. `created` is
  // false if the same branch was enlisted before.
  [[nodiscard]] Result<SubmitResult> Enlist(std::string_view gid, std::string_view branch);
  // Closes the transaction: nothing more is enlisted, and the coordinator sees to its end. Ok is
  // not "committed": a branch may still say no (in 2pc the participants vote only then), and all
  // are undone. The answer's status says what became of it: COMMITTED (committed()), ABORTED, or
  // another one if it has not ended yet, or not within `wait`: wait for it with Get. Answers when
  // the close is durable, or, with `wait`, when the transaction has ended, or after this long with
  // the state so far. A repeat changes nothing and answers the transaction again, also when it was
  // aborted after the first commit had closed it. kFailedPrecondition transaction.aborted: it was
  // aborted before any commit was asked for, by Abort or by its time limit. After kUnknownOutcome,
  // ask for the decision.
  [[nodiscard]] Result<Transaction> Commit(std::string_view gid,
                                           std::optional<Duration> wait = std::nullopt);
  // Undoes every branch. Answers when that is decided durably, or, with `wait`, as Commit does. A
  // repeat changes nothing. kFailedPrecondition transaction.committing: it was committed before.
  // After kUnknownOutcome, ask for the decision.
  [[nodiscard]] Result<Transaction> Abort(std::string_view gid, std::string_view reason = {},
                                          std::optional<Duration> wait = std::nullopt,
                                          std::string_view actor = {});
  // {"gid", "decision": "committed" | "aborted" | "undecided", "known", "coordinator"}; one that
  // the coordinator does not know is aborted. ReadDecision reads it.
  [[nodiscard]] Result<Document> Decision(std::string_view gid);

  // `wait`: answers when the transaction has ended, or after this long (at most five minutes).
  [[nodiscard]] Result<Transaction> Get(std::string_view gid,
                                        std::optional<Duration> wait = std::nullopt);
  [[nodiscard]] Result<Document> List(const ListRequest& request);
  [[nodiscard]] Result<Document> History(std::string_view gid);
  // What a branch's operation sends, or would send if it were called now.
  [[nodiscard]] Result<Document> BranchCall(std::string_view gid, std::string_view branch);
  // A page of a transaction's branches, in the definition's order. A transaction of more than 500
  // comes without them from every other call.
  [[nodiscard]] Result<Document> Branches(std::string_view gid, const PageRequest& page = {});

  // Calls `on_event` for each durable step after `after_revision` in order, without a gap and
  // without a repetition, until the transaction has ended or `on_event` returns false. A stream
  // that breaks is taken up again where it stopped. `on_event` may use another Client, or this one
  // between events (Watch has its own connection). Ok at the end or when stopped.
  [[nodiscard]] Status Watch(std::string_view gid, uint64_t after_revision,
                             const std::function<bool(const Event&)>& on_event);

  // An operator's action; answers with the transaction as it then is.
  [[nodiscard]] Result<Transaction> Act(Action action, const ActionRequest& request);
  // Begins an action on all that match, in the background, or says how many there are. The document
  // is how it stands: {"id", "state", "matched", "done", "refused", "refusals", ...}.
  [[nodiscard]] Result<Document> StartBulk(const BulkRequest& request);
  [[nodiscard]] Result<Document> ListBulk();
  [[nodiscard]] Result<Document> GetBulk(std::string_view id);
  [[nodiscard]] Result<Document> StopBulk(std::string_view id);
  // Delivers `payload` to a step that waits for the signal `name`, or will. With an `id` (at most
  // 128 bytes) it is safe to repeat: the same signal is taken once, whatever became of it since.
  [[nodiscard]] Result<Transaction> Signal(std::string_view gid, std::string_view name,
                                           const Json& payload, std::string_view id = {});
  [[nodiscard]] Result<Document> Complete(const CompletionRequest& request);

  // `source` is the text of a definition, stored as it is. Answers with the stored version.
  [[nodiscard]] Result<Document> PutDefinition(std::string_view name, std::string_view source);
  [[nodiscard]] Result<Document> GetDefinition(std::string_view name,
                                               std::optional<uint32_t> version = std::nullopt);
  // A page. Empty: the newest version of each, by name. A name: all its versions, newest first.
  [[nodiscard]] Result<Document> ListDefinitions(std::string_view name = {},
                                                 const PageRequest& page = {});
  // What the coordinator thinks of a definition, without storing it: {valid, problems}.
  [[nodiscard]] Result<Document> ValidateDefinition(std::string_view source);

  // What waits for an operator. Of `request`: mode, definition, label, limit and cursor.
  [[nodiscard]] Result<Document> Incidents(const ListRequest& request = {});
  // A page, by address.
  [[nodiscard]] Result<Document> Participants(const PageRequest& page = {});
  // The coordinators that share the store of the one that answers.
  [[nodiscard]] Result<Document> Nodes();
  // A page of the events that the receiver of webhooks did not take, by id.
  [[nodiscard]] Result<Document> DeadLetters(const PageRequest& page = {});
  // Tells these again, or all there are if `ids` is empty, without waiting for the receiver:
  // {"count"}. kFailedPrecondition webhooks.none: the coordinator tells no webhook.
  [[nodiscard]] Result<Document> SendDeadLetters(const std::vector<std::string>& ids);
  // Answers with the report also when the coordinator says that it is stalled.
  [[nodiscard]] Result<Document> Health();

  // The document has the token as "token"; nobody can ask for it again.
  [[nodiscard]] Result<Document> CreateToken(const TokenRequest& request);
  [[nodiscard]] Result<Document> ListTokens();
  [[nodiscard]] Result<Document> RevokeToken(std::string_view id);

  // A page of the audit: "entries", the newest first, and "nextCursor" while there are more.
  [[nodiscard]] Result<Document> Audit(const AuditRequest& request);
  // A KeySet: the public keys that calls are verified with (call_verifier.h).
  [[nodiscard]] Result<Document> ListKeys();
  [[nodiscard]] Result<Document> RotateKeys(const KeyRotation& rotation = {});

  // Prometheus' text, as /metrics gives it.
  [[nodiscard]] Result<std::string> Metrics();

  // The problem document (RFC 9457) of the latest call, with its `problems` and `violations`; null
  // if that call did not fail by one. Lives until the next call.
  [[nodiscard]] const Json& last_problem() const;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

// What an answer of Client::Decision says. Fails with kInternal (client.bad_answer).
[[nodiscard]] Result<Decision> ReadDecision(const Document& document);

// Asks the coordinator of `options`, which says who it is, by a client of its own. The result may
// be called from any thread; calls wait for each other.
[[nodiscard]] DecisionSource AskCoordinator(ClientOptions options);

}  // namespace entente::sdk
