#include "coordinator/api/service.h"

#include <algorithm>
#include <array>
#include <memory>
#include <string_view>
#include <utility>
#include <vector>

#include "base/check.h"
#include "base/limits.h"
#include "coordinator/api/access/access.h"
#include "coordinator/api/access/redact.h"
#include "coordinator/api/command_checks.h"
#include "coordinator/api/list_pages.h"
#include "coordinator/api/view.h"
#include "runtime/completion_token.h"
#include "runtime/exceptions.h"
#include "runtime/participant_address.h"
#include "storage/journal_errors.h"

namespace entente::api {
namespace {

template <class T>
void Refuse(const Done<T>& done, Status status) {
  done(Error{std::move(status), {}, {}});
}

// Passes a failure on, and a value through `convert`.
template <class From, class To, class Convert>
runtime::Callback<From> Translate(Done<To> done, Convert convert) {
  return [done = std::move(done), convert = std::move(convert)](Result<From> result) {
    if (!result.ok()) {
      Refuse(done, result.status());
    } else {
      done(convert(std::move(result).value()));
    }
  };
}

template <class T>
runtime::Callback<T> Forward(Done<T> done) {
  return Translate<T, T>(std::move(done), [](T value) { return value; });
}

// Gids of transactions that exist include those of children, which no caller may choose.
constexpr size_t kMaxStoredGidBytes =
    limits::kMaxGidBytes + limits::kMaxChildDepth * (limits::kMaxNameBytes + 16);

bool IsPossibleGid(std::string_view gid) {
  return !gid.empty() && gid.size() <= kMaxStoredGidBytes;
}

// For a participant that asks what was decided: "there is no such transaction" would tell it to
// undo its work, which a name that was cut off or mangled on the way must not do.
Status CheckStoredGid(const std::string& gid) {
  const bool possible = IsPossibleGid(gid) && std::all_of(gid.begin(), gid.end(), [](char c) {
                          return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') ||
                                 (c >= 'a' && c <= 'z') || c == '.' || c == '_' || c == '-' ||
                                 c == '~';
                        });
  if (possible) {
    return {};
  }
  return InvalidArgument("gid.invalid", "'" + gid.substr(0, limits::kMaxGidBytes) +
                                            "' can not be a transaction's gid; nothing is said "
                                            "about its outcome");
}

Status NoSuchTransaction(const std::string& gid) {
  return NotFound("transaction.not_found",
                  "there is no transaction '" + gid.substr(0, limits::kMaxGidBytes) + "'");
}

// The one way in which what was submitted, begun or enlisted is shown.
SubmitResult ResultOf(runtime::TxnView view, bool created, bool waited) {
  return {WithoutSensitive(std::move(view)), created, waited};
}

SubmitResult SubmitResultOf(runtime::SubmitReply reply) {
  return ResultOf(std::move(reply.view), reply.created, false);
}

runtime::TxnView ShownTo(const identity::Principal& by, runtime::TxnView view) {
  return by.payloads ? WithoutSensitive(std::move(view)) : WithoutPayloads(view);
}

runtime::History ShownTo(const identity::Principal& by, runtime::History history) {
  return by.payloads ? WithoutSensitive(std::move(history)) : WithoutPayloads(std::move(history));
}

auto DetailFor(const identity::PrincipalPtr& by) {
  return [by](runtime::TxnView view) { return TxnDetail{ShownTo(*by, std::move(view)), {}}; };
}

bool IsWithin(const identity::Scope& scope, const runtime::TxnView& view) {
  return scope.Covers(view.state->definition, view.state->labels);
}

storage::SummaryPage ShownTo(const identity::Principal& by, storage::SummaryPage page) {
  if (!by.scope.Everything()) {
    std::erase_if(page.rows, [&by](const storage::SummaryRow& row) {
      return !by.scope.Covers(row.summary.definition, row.summary.labels);
    });
  }
  return by.payloads ? std::move(page) : WithoutPayloads(std::move(page));
}

// What an index can help with of a scope. The rest is left out of each page.
void Narrow(const identity::Scope& scope, storage::Filter& filter) {
  const bool one = scope.definitions.size() == 1 && !scope.definitions.front().ends_with('*');
  if (one && !filter.definition) {
    filter.definition = scope.definitions.front();
  }
  if (!scope.labels.empty() && !filter.label) {
    filter.label = scope.labels.front();
  }
}

// As `by`, once it is known that what it asks for is within its scope.
identity::PrincipalPtr Within(const identity::PrincipalPtr& by) {
  identity::Principal principal = *by;
  principal.scope = {};
  return std::make_shared<const identity::Principal>(std::move(principal));
}

// Whether `command` may be carried out, as far as it names what it makes.
Status CheckReach(const SubmitCommand& command) {
  const identity::Principal& by = *command.by;
  if (command.inline_definition) {
    ENTENTE_RETURN_IF_ERROR(CheckInline(by));
    ENTENTE_RETURN_IF_ERROR(CheckNewName(by, identity::kInlineDefinitions));
  } else if (command.definition && !by.scope.CoversDefinition(*command.definition)) {
    return storage::DefinitionNotFound(*command.definition, command.version);
  }
  return CheckNewLabels(by, command.labels);
}

// Whether calls to that endpoint of `participant` may pass the gate of `stats`: one that several
// definitions call under different limits has a gate for each, and each that a service's records
// name has one.
bool IsGateOf(const dsl::Participant& participant, size_t endpoint,
              const runtime::ParticipantStats& stats) {
  const std::string& named = stats.service.empty() ? stats.address : stats.service;
  return named == runtime::AddressOf(participant, endpoint) &&
         stats.calls_per_second == participant.max_calls_per_second.value_or(0) &&
         stats.max_in_flight <=
             participant.max_concurrent_calls.value_or(limits::kDefaultMaxConcurrentCalls);
}

// Why calls do not go out to that endpoint; empty if they do.
std::string WhyBlocked(const dsl::Participant& participant, size_t endpoint,
                       const std::vector<runtime::ParticipantStats>& all) {
  // This node's connections may be fewer than what is allowed: the gate of an address is then the
  // widest of its.
  std::map<std::string_view, const runtime::ParticipantStats*> gates;
  for (const runtime::ParticipantStats& stats : all) {
    if (IsGateOf(participant, endpoint, stats)) {
      const runtime::ParticipantStats*& gate = gates[stats.address];
      gate = gate == nullptr || stats.max_in_flight > gate->max_in_flight ? &stats : gate;
    }
  }
  std::string why;
  for (const auto& [address, gate] : gates) {
    if (gate->blocked_by.empty()) {
      return {};
    }
    why = gate->blocked_by;
  }
  return why;
}

// For each participant of the plan, why calls to it do not go out: to any of its endpoints.
std::vector<std::string> BlockedBy(runtime::Coordinator& coordinator,
                                   const runtime::TxnView& view) {
  if (view.state->finished() || view.plan == nullptr) {
    return {};
  }
  std::vector<std::string> blocked_by(view.plan->participants.size());
  const std::vector<runtime::ParticipantStats> all = coordinator.Participants();
  for (size_t i = 0; i < blocked_by.size(); ++i) {
    const dsl::Participant& participant = view.plan->participants[i];
    for (size_t endpoint = 0; endpoint < runtime::EndpointCount(participant); ++endpoint) {
      blocked_by[i] = WhyBlocked(participant, endpoint, all);
      if (blocked_by[i].empty()) {
        break;
      }
    }
  }
  return blocked_by;
}

}  // namespace

template <class Command, class T>
bool Service::LookFirst(Command& command, Done<T>& done,
                        void (Service::*method)(Command, Done<T>) const) const {
  if (command.by->scope.Everything()) {
    return false;
  }
  if (!IsPossibleGid(command.gid)) {
    Refuse(done, NoSuchTransaction(command.gid));
    return true;
  }
  const Gid gid(command.gid);
  coordinator_.Get(gid, std::nullopt,
                   [self = *this, method, command = std::move(command),
                    done = std::move(done)](const Result<runtime::TxnView>& view) mutable {
                     if (!view.ok()) {
                       Refuse(done, view.status());
                     } else if (!IsWithin(command.by->scope, *view)) {
                       Refuse(done, NoSuchTransaction(command.gid));
                     } else {
                       command.by = Within(command.by);
                       (self.*method)(std::move(command), std::move(done));
                     }
                   });
  return true;
}

void Service::Submit(SubmitCommand command, Done<SubmitResult> done) const {
  if (Status reached = CheckReach(command); !reached.ok()) {
    Refuse(done, std::move(reached));
    return;
  }
  Checker check;
  const bool waited = command.wait.has_value();
  runtime::SubmitRequest request = ReadSubmit(command, check);
  if (!check.ok()) {
    done(check.TakeError());
    return;
  }
  // Kept for the list of mistakes, which the failure itself does not carry.
  std::shared_ptr<const std::string> source;
  if (request.inline_definition) {
    source = std::make_shared<const std::string>(*request.inline_definition);
  }
  coordinator_.Submit(
      std::move(request), [&coordinator = coordinator_, waited, source = std::move(source),
                           done = std::move(done)](Result<runtime::SubmitReply> result) {
        if (result.ok()) {
          done(ResultOf(std::move(result->view), result->created, waited));
          return;
        }
        if (source == nullptr || result.status().reason() != "definition.invalid") {
          Refuse(done, result.status());
          return;
        }
        coordinator.ValidateDefinition(
            *source, [status = result.status(), done](std::vector<dsl::Problem> problems) {
              done(Error{status, std::move(problems), {}});
            });
      });
}

void Service::Begin(BeginCommand command, Done<SubmitResult> done) const {
  for (Status reached : {CheckNewName(*command.by, identity::kClientDriven + command.mode),
                         CheckNewLabels(*command.by, command.labels)}) {
    if (!reached.ok()) {
      Refuse(done, std::move(reached));
      return;
    }
  }
  Checker check;
  runtime::BeginRequest request = ReadBegin(command, check);
  if (!check.ok()) {
    done(check.TakeError());
    return;
  }
  coordinator_.Begin(std::move(request),
                     Translate<runtime::SubmitReply>(std::move(done), SubmitResultOf));
}

void Service::Enlist(EnlistCommand command, Done<SubmitResult> done) const {
  if (LookFirst(command, done, &Service::Enlist)) {
    return;
  }
  if (!IsPossibleGid(command.gid)) {
    Refuse(done, NoSuchTransaction(command.gid));
    return;
  }
  coordinator_.Enlist(Gid(std::move(command.gid)), std::move(command.branch),
                      [done = std::move(done)](Result<runtime::EnlistReply> reply,
                                               std::vector<dsl::Problem> problems) {
                        if (reply.ok()) {
                          done(ResultOf(std::move(reply->view), reply->created, false));
                        } else {
                          done(Error{reply.status(), std::move(problems), {}});
                        }
                      });
}

void Service::Decide(DecideCommand command, Done<TxnDetail> done) const {
  if (LookFirst(command, done, &Service::Decide)) {
    return;
  }
  if (!IsPossibleGid(command.gid)) {
    Refuse(done, NoSuchTransaction(command.gid));
    return;
  }
  Checker check;
  engine::Actor actor = ReadDecider(command, check);
  const std::optional<runtime::Wait> wait = check.ReadWait(command.wait, std::move(command.hangup));
  if (!check.ok()) {
    done(check.TakeError());
    return;
  }
  const Gid gid(std::move(command.gid));
  auto answer = Translate<runtime::TxnView>(std::move(done), DetailFor(command.by));
  if (command.verb == DecideCommand::Verb::kCommit) {
    coordinator_.Commit(gid, wait, std::move(answer));
    return;
  }
  // Only what its client drives ends by its client's word. Who drives it never changes.
  coordinator_.Get(gid, std::nullopt,
                   [&coordinator = coordinator_, gid, wait, actor = std::move(actor),
                    answer = std::move(answer)](const Result<runtime::TxnView>& view) mutable {
                     if (view.ok() && view->quarantine.empty() && !view->state->finished() &&
                         !view->state->client_driven) {
                       answer(FailedPrecondition(
                           "transaction.not_client_driven",
                           "transaction '" + gid.str() +
                               "' follows a definition, which says when it ends: cancel it"));
                     } else if (view.ok()) {
                       coordinator.Abort(gid, std::move(actor), wait, std::move(answer));
                     } else {
                       answer(view.status());
                     }
                   });
}

void Service::GetDecision(DecisionCommand command, Done<DecisionResult> done) const {
  if (Status status = CheckStoredGid(command.gid); !status.ok()) {
    Refuse(done, std::move(status));
    return;
  }
  const Gid gid(command.gid);
  coordinator_.Get(gid, std::nullopt,
                   [gid, by = command.by, id = coordinator_.id(),
                    done = std::move(done)](const Result<runtime::TxnView>& view) {
                     if (view.ok() && !IsWithin(by->scope, *view)) {
                       Refuse(done, NoSuchTransaction(gid.str()));
                     } else if (view.ok()) {
                       done(DecisionResult{gid, engine::OutcomeOf(*view->state), true, id});
                     } else if (view.status().reason() == "transaction.not_found") {
                       done(DecisionResult{gid, "aborted", false, id});
                     } else {
                       Refuse(done, view.status());
                     }
                   });
}

void Service::Get(GetCommand command, Done<TxnDetail> done) const {
  if (LookFirst(command, done, &Service::Get)) {
    return;
  }
  Checker check;
  const std::optional<runtime::Wait> wait = check.ReadWait(command.wait, std::move(command.hangup));
  if (!check.ok()) {
    done(check.TakeError());
    return;
  }
  if (!IsPossibleGid(command.gid)) {
    Refuse(done, NoSuchTransaction(command.gid));
    return;
  }
  coordinator_.Get(
      Gid(std::move(command.gid)), wait,
      Translate<runtime::TxnView>(
          std::move(done), [&coordinator = coordinator_, by = command.by](runtime::TxnView view) {
            std::vector<std::string> blocked_by = BlockedBy(coordinator, view);
            return TxnDetail{ShownTo(*by, std::move(view)), std::move(blocked_by)};
          }));
}

void Service::ListBranches(ListBranchesCommand command, Done<BranchPage> done) const {
  Checker check;
  storage::Page page = ReadPage(command.page.limit, command.page.cursor, check);
  if (!check.ok()) {
    done(check.TakeError());
    return;
  }
  if (LookFirst(command, done, &Service::ListBranches)) {
    return;
  }
  if (!IsPossibleGid(command.gid)) {
    Refuse(done, NoSuchTransaction(command.gid));
    return;
  }
  coordinator_.Get(
      Gid(command.gid), std::nullopt,
      [&coordinator = coordinator_, by = command.by, page = std::move(page),
       done = std::move(done)](Result<runtime::TxnView> view) {
        if (!view.ok()) {
          Refuse(done, view.status());
          return;
        }
        std::vector<std::string> blocked_by = BlockedBy(coordinator, *view);
        done(PageOf({ShownTo(*by, std::move(view).value()), std::move(blocked_by)}, page));
      });
}

void Service::GetBranchCall(BranchCallCommand command, Done<BranchCallResult> done) const {
  if (Status shown = CheckPayloads(*command.by); !shown.ok()) {
    Refuse(done, std::move(shown));
    return;
  }
  if (LookFirst(command, done, &Service::GetBranchCall)) {
    return;
  }
  if (!IsPossibleGid(command.gid)) {
    Refuse(done, NoSuchTransaction(command.gid));
    return;
  }
  coordinator_.Get(Gid(command.gid), std::nullopt,
                   [&coordinator = coordinator_, branch = BranchId(command.branch),
                    done = std::move(done)](const Result<runtime::TxnView>& view) {
                     if (!view.ok()) {
                       Refuse(done, view.status());
                       return;
                     }
                     // Its expressions may take as long as those of a decision.
                     auto call = std::make_shared<Result<BranchCallResult>>(runtime::OutOfMemory());
                     coordinator.Offload(
                         [call, view = *view, branch] {
                           *call = BranchCallOf(view, branch);
                           if (call->ok()) {
                             *call = WithoutSensitive(view, std::move(*call).value());
                           }
                         },
                         [call, done] {
                           if (call->ok()) {
                             done(std::move(*call).value());
                           } else {
                             Refuse(done, call->status());
                           }
                         });
                   });
}

void Service::GetHistory(HistoryCommand command, Done<runtime::History> done) const {
  if (LookFirst(command, done, &Service::GetHistory)) {
    return;
  }
  if (!IsPossibleGid(command.gid)) {
    Refuse(done, NoSuchTransaction(command.gid));
    return;
  }
  coordinator_.GetHistory(
      Gid(std::move(command.gid)),
      Translate<runtime::History>(std::move(done), [by = command.by](runtime::History history) {
        return ShownTo(*by, std::move(history));
      }));
}

void Service::List(ListCommand command, Done<storage::SummaryPage> done) const {
  Checker check;
  storage::Filter filter = ReadFilter(command, check);
  storage::Page page = ReadPage(command.limit, std::move(command.cursor), check);
  page.order = ReadOrder(command.sort, check);
  if (!check.ok()) {
    done(check.TakeError());
    return;
  }
  Narrow(command.by->scope, filter);
  coordinator_.List(std::move(filter), std::move(page),
                    Translate<storage::SummaryPage>(std::move(done),
                                                    [by = command.by](storage::SummaryPage found) {
                                                      return ShownTo(*by, std::move(found));
                                                    }));
}

namespace {

// Counts one thing after the other, each by an index of its own: what is rare is exact, however
// many there are of the rest.
class Counter : public std::enable_shared_from_this<Counter> {
 public:
  Counter(runtime::Coordinator& coordinator, storage::Filter filter, identity::PrincipalPtr by,
          Done<std::vector<Count>> done)
      : coordinator_(coordinator),
        filter_(std::move(filter)),
        by_(std::move(by)),
        done_(std::move(done)) {}

  void Next() {
    if (counts_.size() == kNames.size()) {
      done_(std::move(counts_));
      return;
    }
    storage::Filter filter = filter_;
    const std::string_view name = kNames[counts_.size()];
    if (name == "incident") {
      filter.incident = true;
    } else if (name == "paused") {
      filter.paused = true;
    } else {
      filter.status = std::string(name);
    }
    coordinator_.List(
        std::move(filter), {limits::kMaxPageSize, ""},
        [self = shared_from_this(), name](Result<storage::SummaryPage> page) {
          if (!page.ok()) {
            Refuse(self->done_, page.status());
            return;
          }
          const bool more = !page->next_cursor.empty();
          const storage::SummaryPage shown = ShownTo(*self->by_, std::move(page).value());
          self->counts_.push_back({name, static_cast<uint32_t>(shown.rows.size()), more});
          self->Next();
        });
  }

 private:
  static constexpr std::array<std::string_view, 8> kNames{
      "ACTIVE", "COMMITTING", "COMMITTED", "ABORTING", "ABORTED", "MIXED", "incident", "paused"};

  runtime::Coordinator& coordinator_;
  const storage::Filter filter_;
  const identity::PrincipalPtr by_;
  Done<std::vector<Count>> done_;
  std::vector<Count> counts_;
};

}  // namespace

void Service::CountTransactions(ListCommand command, Done<std::vector<Count>> done) const {
  Checker check;
  storage::Filter filter = ReadFilter(command, check);
  if (!check.ok()) {
    done(check.TakeError());
    return;
  }
  Narrow(command.by->scope, filter);
  std::make_shared<Counter>(coordinator_, std::move(filter), command.by, std::move(done))->Next();
}

namespace {

Action ActionOf(runtime::OperatorRequest::Verb verb) {
  using Verb = runtime::OperatorRequest::Verb;
  switch (verb) {
    case Verb::kCancel: return Action::kCancel;
    case Verb::kPause: return Action::kPause;
    case Verb::kResume: return Action::kResume;
    case Verb::kRetry: return Action::kRetry;
    case Verb::kEdit: return Action::kEdit;
    case Verb::kSkip: return Action::kSkip;
    case Verb::kComplete: return Action::kCompleteBranch;
    case Verb::kResolve: return Action::kResolve;
  }
  CheckFailed("Verb is a declared enumerator", __FILE__, __LINE__);
}

// How a transaction stands, without payloads: those are in its history.
Json StandingOf(const runtime::TxnView& view) {
  const engine::TxnState& state = *view.state;
  Json standing{{"status", engine::TxnStatusName(state.status)},
                {"revision", state.revision.value()}};
  if (state.paused) {
    standing["paused"] = true;
  }
  if (state.has_incident()) {
    standing["incident"] = true;
  }
  return standing;
}

audit::AuditEntry EntryOf(const OperateCommand& command) {
  audit::AuditEntry entry = AuditTrail::Begin(*command.by, command.actor, ActionOf(command.verb),
                                              "transaction/" + command.gid, command.reason);
  // Of what is asked for beside the verb.
  Json asked = Json::object();
  if (!command.branch.empty()) {
    asked["branch"] = command.branch;
  }
  if (!command.outcome.empty()) {
    asked["outcome"] = command.outcome;
  }
  if (!asked.empty()) {
    entry.after = std::move(asked);
  }
  return entry;
}

void TellStanding(const TxnDetail& detail, audit::AuditEntry& entry) {
  Json standing = StandingOf(detail.view);
  if (entry.after.is_object()) {
    standing.update(entry.after);
  }
  entry.after = std::move(standing);
}

}  // namespace

void Service::Operate(OperateCommand command, Done<TxnDetail> done) const {
  if (!audit_.on() || !IsPossibleGid(command.gid)) {
    OperateNow(std::move(command), std::move(done));
    return;
  }
  const Gid gid(command.gid);
  coordinator_.Get(gid, std::nullopt,
                   [self = *this, command = std::move(command),
                    done = std::move(done)](const Result<runtime::TxnView>& view) mutable {
                     audit::AuditEntry entry = EntryOf(command);
                     if (view.ok()) {
                       entry.before = StandingOf(*view);
                     }
                     self.OperateNow(std::move(command),
                                     self.audit_.Recorded<TxnDetail>(
                                         std::move(entry), std::move(done), TellStanding));
                   });
}

void Service::OperateNow(OperateCommand command, Done<TxnDetail> done) const {
  if (LookFirst(command, done, &Service::OperateNow)) {
    return;
  }
  if (!IsPossibleGid(command.gid)) {
    Refuse(done, NoSuchTransaction(command.gid));
    return;
  }
  Checker check;
  runtime::OperatorRequest request = ReadOperate(command, check);
  if (!check.ok()) {
    done(check.TakeError());
    return;
  }
  coordinator_.Operate(std::move(request),
                       Translate<runtime::TxnView>(std::move(done), DetailFor(command.by)));
}

namespace {

// An id that its sender failed to fill in must not be taken for none: what is sent again under it
// would count again.
std::string SignalIdOf(const SignalCommand& command, Checker& check) {
  for (const std::optional<std::string>* id : {&command.id, &command.header_id}) {
    if (*id && (*id)->empty()) {
      check.Fail("id", "is empty", "name this very signal, or leave the id away");
    }
  }
  if (command.id && command.header_id && *command.id != *command.header_id) {
    check.Fail("id", "differs from the header Entente-Signal-Id", "send one of them");
  }
  std::string id = command.id ? *command.id : command.header_id.value_or("");
  check.CheckLength("id", id, limits::kMaxNameBytes);
  return id;
}

Status NoBulk() {
  return FailedPrecondition("bulk.unsupported", "this coordinator has no bulk actions");
}

// Passes one action on.
BulkDone OneTo(Done<BulkAction> done) {
  return [done = std::move(done)](Result<std::vector<BulkAction>> actions) {
    actions.ok() ? done(std::move(actions).value().front()) : Refuse(done, actions.status());
  };
}

}  // namespace

void Service::StartBulk(BulkCommand command, Done<BulkAction> done) const {
  Checker check;
  const bool preview = command.preview;
  BulkRequest request = ReadBulk(command, check);
  if (!check.ok()) {
    done(check.TakeError());
    return;
  }
  using Verb = BulkCall::Verb;
  if (preview) {
    AskBulk({Verb::kPreview, "", std::move(request)}, OneTo(std::move(done)));
    return;
  }
  audit::AuditEntry entry = AuditTrail::Begin(*command.by, request.actor.name, Action::kStartBulk,
                                              "bulk/", request.actor.reason);
  entry.after = Json{{"verb", command.verb}, {"filter", request.query}};
  AskBulk({Verb::kBegin, "", std::move(request)},
          OneTo(audit_.Recorded<BulkAction>(std::move(entry), std::move(done),
                                            [](const BulkAction& action, audit::AuditEntry& told) {
                                              told.subject += action.id;
                                              told.after["matched"] = action.matched;
                                            })));
}

void Service::AskBulk(BulkCall call, BulkDone done) const {
  if (options_.bulk == nullptr) {
    done(NoBulk());
  } else {
    options_.bulk->Handle(std::move(call), std::move(done));
  }
}

namespace {

bool MaySee(const identity::Principal& by, const BulkAction& action) {
  return by.scope.Everything() || by.scope == action.request.scope;
}

// Passes on those that `by` may see; one that it may not is not there.
BulkDone SeenBy(const identity::PrincipalPtr& by, std::string id, Done<BulkAction> done) {
  return OneTo([by, id = std::move(id), done = std::move(done)](Outcome<BulkAction> outcome) {
    const auto* action = std::get_if<BulkAction>(&outcome);
    if (action != nullptr && !MaySee(*by, *action)) {
      Refuse(done, NoSuchBulk(id));
    } else {
      done(std::move(outcome));
    }
  });
}

}  // namespace

void Service::StopBulk(const BulkIdCommand& command, Done<BulkAction> wanted) const {
  Done<BulkAction> done = audit_.Recorded<BulkAction>(
      AuditTrail::Begin(*command.by, "", Action::kStopBulk, "bulk/" + command.id, ""),
      std::move(wanted), [](const BulkAction& action, audit::AuditEntry& told) {
        told.after = Json{{"done", action.done}};
      });
  // Looked at before it is touched.
  GetBulk(command,
          [self = *this, id = command.id, done = std::move(done)](Outcome<BulkAction> found) {
            if (std::holds_alternative<Error>(found)) {
              done(std::move(found));
            } else {
              self.AskBulk({BulkCall::Verb::kStop, id, {}}, OneTo(done));
            }
          });
}

void Service::GetBulk(const BulkIdCommand& command, Done<BulkAction> done) const {
  AskBulk({BulkCall::Verb::kGet, command.id, {}}, SeenBy(command.by, command.id, std::move(done)));
}

void Service::ListBulk(const identity::PrincipalPtr& by, Done<std::vector<BulkAction>> done) const {
  if (options_.bulk == nullptr) {
    done(std::vector<BulkAction>());
    return;
  }
  AskBulk({BulkCall::Verb::kList, "", {}}, [by, done = std::move(done)](
                                               Result<std::vector<BulkAction>> actions) {
    if (!actions.ok()) {
      Refuse(done, actions.status());
      return;
    }
    std::erase_if(*actions, [&by](const BulkAction& action) { return !MaySee(*by, action); });
    done(std::move(actions).value());
  });
}

void Service::Signal(SignalCommand command, Done<TxnDetail> done) const {
  if (LookFirst(command, done, &Service::Signal)) {
    return;
  }
  if (!IsPossibleGid(command.gid)) {
    Refuse(done, NoSuchTransaction(command.gid));
    return;
  }
  Checker check;
  check.Require("name", !command.name.empty(), "the name of the signal a step waits for");
  check.CheckLength("name", command.name, limits::kMaxNameBytes);
  check.CheckPayload("payload", command.payload);
  const std::string id = SignalIdOf(command, check);
  if (!check.ok()) {
    done(check.TakeError());
    return;
  }
  coordinator_.Signal(Gid(std::move(command.gid)),
                      {std::move(command.name), std::move(command.payload), id},
                      Translate<runtime::TxnView>(std::move(done), DetailFor(command.by)));
}

void Service::Complete(CompleteCommand command, Done<CompleteResult> done) const {
  if (!command.by->scope.Everything()) {
    CompleteWithin(std::move(command), std::move(done));
    return;
  }
  Checker check;
  std::variant<engine::ReplyDone, engine::ReplyRefused> outcome = ReadOutcome(command, check);
  if (!check.ok()) {
    done(check.TakeError());
    return;
  }
  coordinator_.Complete(
      std::move(command.token), std::move(outcome),
      Translate<runtime::TxnView>(std::move(done), [](runtime::TxnView view) {
        return CompleteResult{view.state->gid, view.state->status, view.state->revision};
      }));
}

// The token says which transaction it is of; one that says nothing is refused as any such.
void Service::CompleteWithin(CompleteCommand command, Done<CompleteResult> done) const {
  const std::optional<Gid> gid = coordinator_.TransactionOf(command.token);
  if (!gid) {
    command.by = Within(command.by);
    Complete(std::move(command), std::move(done));
    return;
  }
  coordinator_.Get(*gid, std::nullopt,
                   [self = *this, command = std::move(command),
                    done = std::move(done)](const Result<runtime::TxnView>& view) mutable {
                     if (view.ok() && !IsWithin(command.by->scope, *view)) {
                       // As one that was made up, so that a token says nothing to who found it.
                       Refuse(done, runtime::UnknownCompletionToken());
                       return;
                     }
                     command.by = Within(command.by);
                     self.Complete(std::move(command), std::move(done));
                   });
}

namespace {

Json StandingOf(const storage::DefinitionRow& row) {
  return {{"version", row.version}, {"digest", row.digest}};
}

}  // namespace

void Service::PutDefinition(DefineCommand command, Done<StoredDefinition> done) const {
  if (Status reached = CheckNewName(*command.by, command.name); !reached.ok()) {
    Refuse(done, std::move(reached));
    return;
  }
  if (!audit_.on()) {
    PutDefinitionNow(std::move(command), std::move(done));
    return;
  }
  const std::string name = command.name;
  coordinator_.GetDefinition(
      name, std::nullopt,
      [self = *this, command = std::move(command),
       done = std::move(done)](const Result<storage::DefinitionRow>& newest) mutable {
        audit::AuditEntry entry = AuditTrail::Begin(*command.by, "", Action::kPutDefinition,
                                                    "definition/" + command.name, "");
        if (newest.ok()) {
          entry.before = StandingOf(*newest);
        }
        self.PutDefinitionNow(std::move(command),
                              self.audit_.Recorded<StoredDefinition>(
                                  std::move(entry), std::move(done),
                                  [](const StoredDefinition& stored, audit::AuditEntry& told) {
                                    told.after = StandingOf(stored.row);
                                  }));
      });
}

void Service::PutDefinitionNow(DefineCommand command, Done<StoredDefinition> done) const {
  coordinator_.PutDefinition(
      std::move(command.name), std::move(command.source),
      [done = std::move(done)](Result<storage::DefinitionRow> row,
                               std::vector<dsl::Problem> problems) {
        if (row.ok()) {
          done(StoredDefinition{std::move(row).value(), std::move(problems)});
        } else {
          done(Error{row.status(), std::move(problems), {}});
        }
      });
}

void Service::ValidateDefinition(std::string source, Done<std::vector<dsl::Problem>> done) const {
  coordinator_.ValidateDefinition(
      std::move(source),
      [done = std::move(done)](std::vector<dsl::Problem> problems) { done(std::move(problems)); });
}

void Service::DryRun(DryRunCommand command, Done<DryRunResult> done) const {
  Checker check;
  check.Require("definition", !command.definition.empty(), "the name of a stored definition");
  if (!check.ok()) {
    done(check.TakeError());
    return;
  }
  GetDefinition({command.definition, command.version, command.by},
                [&coordinator = coordinator_, input = std::move(command.input),
                 answers = std::move(command.answers),
                 done = std::move(done)](Outcome<storage::DefinitionRow> found) mutable {
                  if (Error* error = std::get_if<Error>(&found)) {
                    done(std::move(*error));
                    return;
                  }
                  const auto played = std::make_shared<Result<DryRunResult>>(
                      Internal("dry_run.failed", "the work was not carried out"));
                  coordinator.Offload(
                      [played, row = std::get<storage::DefinitionRow>(std::move(found)),
                       input = std::move(input), answers = std::move(answers)] {
                        *played = PlayDefinition(row, input, answers);
                      },
                      [played, done] {
                        played->ok() ? done(std::move(*played).value())
                                     : Refuse(done, played->status());
                      });
                });
}

void Service::GetDefinition(GetDefinitionCommand command, Done<storage::DefinitionRow> done) const {
  if (!command.by->scope.CoversDefinition(command.name)) {
    Refuse(done, storage::DefinitionNotFound(command.name, command.version));
    return;
  }
  coordinator_.GetDefinition(std::move(command.name), command.version,
                             Forward<storage::DefinitionRow>(std::move(done)));
}

void Service::ListDefinitions(ListDefinitionsCommand command, Done<DefinitionPage> done) const {
  Checker check;
  storage::Page page = ReadPage(command.page.limit, std::move(command.page.cursor), check);
  if (!check.ok()) {
    done(check.TakeError());
    return;
  }
  const bool versions = command.name.has_value();
  if (versions && !command.by->scope.CoversDefinition(*command.name)) {
    Refuse(done, storage::DefinitionNotFound(*command.name, std::nullopt));
    return;
  }
  using Rows = std::vector<storage::DefinitionRow>;
  coordinator_.ListDefinitions(std::move(command.name),
                               [versions, page = std::move(page), by = command.by,
                                done = std::move(done)](Result<Rows> rows) {
                                 if (!rows.ok()) {
                                   Refuse(done, rows.status());
                                   return;
                                 }
                                 std::erase_if(*rows, [&by](const storage::DefinitionRow& row) {
                                   return !by->scope.CoversDefinition(row.name);
                                 });
                                 done(PageOf(std::move(rows).value(), versions, page));
                               });
}

std::vector<NodeInfo> Service::Nodes() const {
  return options_.nodes ? options_.nodes() : std::vector<NodeInfo>();
}

std::vector<runtime::ParticipantStats> Service::Participants() const {
  return coordinator_.Participants();
}

Outcome<ParticipantPage> Service::ListParticipants(PageCommand command) const {
  Checker check;
  const storage::Page page = ReadPage(command.limit, std::move(command.cursor), check);
  if (!check.ok()) {
    return check.TakeError();
  }
  return PageOf(coordinator_.Participants(), page);
}

Outcome<DeadLetterPage> Service::ListDeadLetters(PageCommand command) const {
  Checker check;
  const storage::Page page = ReadPage(command.limit, std::move(command.cursor), check);
  if (!check.ok()) {
    return check.TakeError();
  }
  return PageOf(options_.dead_letters ? options_.dead_letters() : std::vector<DeadLetter>(), page);
}

void Service::SendDeadLetters(const SendDeadLettersCommand& command, Done<uint32_t> done) const {
  audit::AuditEntry entry =
      AuditTrail::Begin(*command.by, "", Action::kSendDeadLetters, "dead-letters", "");
  entry.after = Json::object();
  if (!command.ids.empty()) {
    entry.after["ids"] = command.ids;
  }
  const Done<uint32_t> recorded = audit_.Recorded<uint32_t>(
      std::move(entry), std::move(done),
      [](const uint32_t& sent, audit::AuditEntry& told) { told.after["sent"] = sent; });
  if (options_.send_dead_letters) {
    recorded(static_cast<uint32_t>(options_.send_dead_letters(command.ids)));
  } else {
    Refuse(recorded, FailedPrecondition("webhooks.none",
                                        "this coordinator tells no webhook: it has no --webhook"));
  }
}

HealthReport Service::Health() const {
  HealthReport report{coordinator_.GetHealth(), false};
  const auto late = [this](const std::optional<Duration>& age) {
    return age && *age > options_.stalled_after;
  };
  report.stalled = report.health.store_failing || late(report.health.oldest_overdue) ||
                   late(report.health.store_lag);
  return report;
}

runtime::Metrics Service::Metrics() const {
  return coordinator_.GetMetrics();
}

}  // namespace entente::api
