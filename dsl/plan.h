// Plan: a definition after it was checked. Everything the engine needs, nothing it has to look up.
//
// A Plan is immutable once compiled and may be read from any thread. It refers to nothing outside
// itself; the engine and the runtime keep it alive by std::shared_ptr<const Plan>, because every
// running transaction of a definition's version shares the one Plan.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "base/json.h"
#include "base/time.h"
#include "dsl/cel/expression.h"
#include "dsl/cel/template.h"
#include "dsl/schema/schema.h"
#include "dsl/secret_text.h"

namespace entente::dsl {

// How the branches of a transaction reach agreement. Values are stored; never reuse one.
enum class Mode : uint8_t { kSaga = 1, kTcc = 2, kTwoPhaseCommit = 3 };

// "saga", "tcc", "2pc".
std::string_view ModeName(Mode mode);

// The part an operation plays, whatever a mode calls it. Values are stored; never reuse one.
enum class Role : uint8_t {
  kForward = 1,  // action, try, prepare
  kUndo = 2,     // compensate, cancel, rollback
  kFinish = 3,   // confirm, commit; a saga has none
};

// What the mode calls it: "action", "compensate", "try", ... This is the `Entente-Operation` sent.
std::string_view OperationName(Mode mode, Role role);

struct RetryPolicy {
  Duration initial = std::chrono::milliseconds(100);
  double factor = 2.0;
  Duration max = std::chrono::seconds(10);
  uint32_t attempts = 8;  // In all, the first included.
  double jitter = 0.2;    // A delay is spread evenly over [1 - jitter, 1 + jitter] of itself.
};

// The fields of a policy that somebody names; the others are inherited.
struct RetryOverrides {
  std::optional<Duration> initial;
  std::optional<double> factor;
  std::optional<Duration> max;
  std::optional<uint32_t> attempts;
  std::optional<double> jitter;

  // `base` with these fields replaced. Where only one of `initial` and `max` is named and they
  // would cross, the other one follows it.
  [[nodiscard]] RetryPolicy ApplyTo(RetryPolicy base) const;
};

// The policy of undo and finish operations, and of steps after the pivot, unless the definition
// says otherwise: there is no way back from them, so they are tried for longer.
[[nodiscard]] RetryPolicy DefaultSettleRetry();

// The delay before attempt `next_attempt` (2 for the first retry); `entropy` decides the jitter.
[[nodiscard]] Duration RetryDelay(const RetryPolicy& policy, uint32_t next_attempt,
                                  uint64_t entropy);

struct HttpAddress {
  // "https://host:port/prefix", no trailing slash. Empty: each call computes its own.
  std::string base_url;
  std::vector<std::pair<std::string, std::string>> headers;
  std::vector<std::pair<std::string, SecretText>> secret_headers;  // Beside those.
  // Where the same service is reached as well, written as `base_url`.
  std::vector<std::string> others = {};
  // Which addresses calls may compute, as patterns of net::AddressPolicy; empty exactly if
  // `base_url` is not.
  std::vector<std::string> allowed = {};
};

struct GrpcAddress {
  std::string target;   // "host:port"
  std::string service;  // "travel.v1.Hotels"
  bool tls = false;
  std::string descriptor_set;  // A serialized FileDescriptorSet, or empty: ask server reflection.
  std::vector<std::pair<std::string, std::string>> metadata;
  std::vector<std::pair<std::string, SecretText>> secret_metadata;  // Beside those.
  std::vector<std::string> others = {};  // Where the same service is reached as well.
};

struct Participant {
  std::string name;
  std::variant<HttpAddress, GrpcAddress> address;
  std::optional<Duration> timeout;             // Default for the calls to it.
  std::optional<size_t> max_concurrent_calls;  // Default: limits::kDefaultMaxConcurrentCalls.
  std::optional<double> max_calls_per_second;  // Default: no rate limit.
  // Headers or metadata, of calls and of answers, whose values nobody is shown. In lower case.
  std::vector<std::string> sensitive_headers;
};

// How the body of a success is read: as it says, or as text whatever it says, or not at all.
enum class AnswerForm : uint8_t { kJson, kText, kNone };

// Widens how answers are read. HTTP status numbers or gRPC status numbers, as the participant is.
struct AnswerRules {
  std::vector<int> succeed_on;
  std::vector<int> fail_on;
  std::vector<int> retry_on;
  // Of HTTP: what a body may name as its code. All that anything looks for, which then is the code
  // of the failure, and those of them that are a refusal or a reason to call again.
  std::vector<std::string> codes;
  std::vector<std::string> fail_codes;
  std::vector<std::string> retry_codes;
  AnswerForm form = AnswerForm::kJson;
  // What is kept of a success beside its output, because some expression reads it.
  std::vector<std::string> headers;  // Lower case.
  bool status_code = false;
};

// A value that expressions read by a name. It is made anew for each call that reads it, of what is
// there then, and may read other names.
struct Let {
  std::string name;
  cel::Template value;
};

struct HttpRequestTemplate {
  std::string method;  // Upper case.
  cel::Template path;  // A string; spliced values are percent-encoded as one path segment.
  std::vector<std::pair<std::string, cel::Template>> headers;
  std::optional<cel::Template> body;
};

struct GrpcRequestTemplate {
  std::string method;  // "Reserve"; the service is the participant's.
  cel::Template body;
};

// Reads a success by its content: it may say that it is none.
struct RefuseRule {
  cel::Expression when;  // Reads `output`, the answer, beside the rest.
  std::string code;
  cel::Template message;  // The same.
  // The participant did what was asked for all the same, so it has to be undone.
  bool effect_kept = false;
};

// Makes the call again until its answer says what is waited for.
struct RepeatRule {
  cel::Expression until;  // Reads `output`, the answer, beside the rest.
  Duration every{};
  double backoff = 1.0;              // Each pause is so many times the one before.
  uint32_t times = 0;                // Calls that were answered, in all.
  std::optional<Duration> within{};  // From the first call on.
};

// Reads what somebody sends to the address or with the token that the call handed on: a success of
// the call itself is not its end then.
struct CompletionRule {
  std::optional<cel::Expression> when;  // Reads `body`, what was sent; else it ends the call.
  std::optional<cel::Template> output;  // Reads it too; absent: it is the output, as it is.
};

// A call to a participant.
struct CallTemplate {
  size_t participant;  // Index into Plan::participants.
  std::variant<HttpRequestTemplate, GrpcRequestTemplate> request;
  AnswerRules answers;
  std::optional<Duration> timeout = std::nullopt;   // Of one attempt; default: the step's.
  std::optional<RefuseRule> refuse = std::nullopt;  // This and the next two of forward calls only.
  std::optional<RepeatRule> repeat = std::nullopt;
  std::optional<CompletionRule> completion = std::nullopt;
  bool sends_token = false;  // Its request names `token` or `completionUrl`.
  // Where it goes, if its participant's address is computed: the same for whatever settles it.
  std::optional<cel::Template> base_url = std::nullopt;
};

// A whole transaction run as one operation.
struct ChildTemplate {
  // One, or those of which `chosen` names one; never empty.
  std::vector<std::string> definitions;
  std::optional<cel::Template> chosen;
  std::optional<uint32_t> version;  // Of the one; default: the newest when the child starts.
  cel::Template input;
  // From its start on, instead of its definition's; at most one of the two.
  std::optional<Duration> deadline = std::nullopt;
  std::optional<cel::Template> computed_deadline = std::nullopt;
  // Only of an undo: no other transaction, but the abort of the very one that the forward operation
  // of its way ran, which is the same template but for this. That one is held until then.
  bool aborts_forward = false;
};

using OperationTemplate = std::variant<CallTemplate, ChildTemplate>;

struct UndoTemplate {
  // What to do when the forward call's outcome is unknown, so that there is no output to read.
  enum class WhenUnknown : uint8_t { kSameCall, kIncident, kOtherCall };

  OperationTemplate call;
  WhenUnknown when_unknown = WhenUnknown::kSameCall;
  std::optional<OperationTemplate> other_call;  // Present exactly for kOtherCall.
};

// One way to do a step, and what settles the call that was made in this way.
struct CallWay {
  std::optional<OperationTemplate> forward;  // Absent: a client does it by itself.
  std::optional<UndoTemplate> undo;          // Absent: there is nothing to undo.
  std::optional<OperationTemplate> finish;   // TCC's confirm, 2PC's commit.
  // Of an alternative: the codes of the refusals that it is there for; empty: of any, if it is
  // there for refusals.
  std::vector<std::string> on = {};
  bool after_refusal = true;
  // Of an alternative: it is there when the way before was given up, once that is undone.
  bool after_undo = false;

  // Whether the transaction that it runs is undone by its own compensations, and so ends only when
  // the one that runs it has ended.
  [[nodiscard]] bool HoldsChild() const;
  // Whether it is there for a refusal with that code.
  [[nodiscard]] bool IsFor(std::string_view code) const;
};

// A step that calls somebody: a participant or a child transaction.
struct CallWork : CallWay {
  // Tried in order, each only after a refusal, or after the way before was undone. One that does
  // not say how it is settled has a copy of the step's own undo and finish.
  std::vector<CallWay> alternatives;

  // The way that is taken by the n-th alternative; 0 is the step's own. `number` is in range.
  [[nodiscard]] const CallWay& way(size_t number) const {
    return number == 0 ? *this : alternatives[number - 1];
  }
  // The number of the alternative that follows after way `number` was refused with `code`; nothing
  // if none does. `given_up`: no attempt was answered otherwise than that, so that one which is
  // there for what was given up fits as well.
  [[nodiscard]] std::optional<size_t> NextAfter(size_t number, std::string_view code,
                                                bool given_up = false) const;
  // The number of the alternative that follows after way `number` was given up, its outcome
  // unknown, and undone; nothing if none does.
  [[nodiscard]] std::optional<size_t> NextOnceUndone(size_t number) const;
  // Whether any way has something to undo.
  [[nodiscard]] bool CanBeUndone() const;
};

struct WaitFor {
  cel::Template duration;  // Renders to a duration string, checked at compile time if literal.
};
struct WaitUntil {
  cel::Template instant;  // Renders to an RFC 3339 instant.
};
struct WaitSignal {
  std::string name;
  std::optional<Duration> timeout;
  std::optional<cel::Template> computed_timeout;  // Instead, renders to one.
  bool fail_on_timeout = true;                    // Else the step succeeds with null as its output.
  // Of the payload; of the steps that wait for one name, those that have one have the same.
  std::optional<Schema> payload;
};
using WaitWork = std::variant<WaitFor, WaitUntil, WaitSignal>;

// One branch per element of a list. In its expressions `item` and `index` are the element's.
struct ForEach {
  cel::Expression items;
  size_t max_parallel;  // At most this many branches of the step are driven at once.
  // So many of them must succeed, though each may fail.
  std::optional<size_t> at_least = std::nullopt;
};

// Takes the first of several ways whose condition holds; one without a condition always does. Its
// output is {"taken": n}, from 0, or {"taken": null} if none was.
struct Choice {
  struct Way {
    std::optional<cel::Expression> when;
    std::string label;  // The condition as it is written, for people.
  };
  std::vector<Way> ways;
  // It stands for a block: there is one way, and its steps are done for each element.
  std::optional<ForEach> each = std::nullopt;
};
// Is refused, by what the data says.
struct Refusal {
  std::string code;
  cel::Template message;
};
// What is decided at once, with nobody called.
using DecideWork = std::variant<Choice, Refusal>;

// How long a participant holds what was tried.
struct Expiry {
  cel::Template at;   // Renders to a duration from the first call on, or to an RFC 3339 instant.
  Duration margin{};  // This long before it is too late to decide that it be confirmed.
};

// A way of a choice that a step belongs to.
struct WayOfChoice {
  size_t choice;  // An index into Plan::steps; it precedes the step.
  size_t way;
};

// When a step has its time: on the way to the outcome, or once that is decided, which it can not
// change any more.
enum class Stage : uint8_t { kMain, kCommitted, kAborted };

struct Step {
  std::string id;
  Stage stage = Stage::kMain;
  std::vector<size_t> after;   // Direct predecessors of its stage, as indices into Plan::steps.
  std::vector<size_t> before;  // Direct successors of its stage.
  // It begins as soon as one of its predecessors is done, which are in a race for that.
  bool after_any = false;
  // The step that it races with others for, an index into Plan::steps: it is the only one that
  // comes after it. Once another is done first, whatever it did is undone.
  std::optional<size_t> race = std::nullopt;
  std::optional<WayOfChoice> way = std::nullopt;  // Skipped unless that one is taken.
  // The choice whose block it belongs to, an index into Plan::steps. The steps of a block have a
  // branch for each element of one list, and of a predecessor in the block a branch follows only
  // the one of its own element.
  std::optional<size_t> block = std::nullopt;
  std::vector<Let> lets = {};  // For its own expressions.
  std::optional<cel::Expression> when;
  std::optional<ForEach> for_each;
  std::variant<CallWork, WaitWork, DecideWork> work;
  bool pivot = false;  // A point of no return; of several, a transaction takes one at most.
  // When it fails the transaction goes on without it; in a race, if another can still be done.
  bool optional = false;
  bool asks_operator = false;  // When it fails an operator decides before anything is undone.
  bool after_pivot = false;    // Follows a pivot: only goes forward.
  RetryPolicy retry;           // Of the forward operation.
  RetryPolicy settle_retry;    // Of undo and finish: a larger budget.
  // Of one attempt; the longest, if its calls differ, and the longest there can be, if it is
  // computed.
  Duration timeout;
  std::optional<Duration> deadline;  // Of the forward operation, all attempts and pending included.
  // Instead of those: they render to durations, which are checked when they are needed.
  std::optional<cel::Template> computed_timeout = std::nullopt;
  std::optional<cel::Template> computed_deadline = std::nullopt;
  std::optional<Expiry> expires;  // TCC only.
  bool one_phase = false;         // 2PC only: alone, its participant may decide by itself.
};

struct Plan {
  std::string name;
  uint32_t version = 0;  // 0 for a plan that was never stored (inline, offline).
  Mode mode = Mode::kSaga;
  // Of no definition: a client begins the transaction, its steps are the branches it enlisted so
  // far (dsl/client_branches.h), and it says when to commit.
  bool client_driven = false;
  std::optional<Duration> deadline;
  std::optional<cel::Template> computed_deadline;  // Instead, renders to one.
  std::optional<Schema> input;
  std::vector<Participant> participants;
  std::vector<Step> steps;     // Every step comes after its predecessors.
  std::vector<size_t> racers;  // Those of them that race, in their order.
  std::vector<Let> lets;
  std::optional<cel::Template> output;
  std::map<std::string, cel::Template> labels;
  Json env = Json::object();  // What `env` names, as resolved when the definition was registered.
};

}  // namespace entente::dsl
