#include "coordinator/api/service.h"

#include <algorithm>
#include <array>
#include <memory>
#include <string_view>
#include <utility>
#include <vector>

#include "base/limits.h"
#include "coordinator/api/command_checks.h"
#include "coordinator/api/list_pages.h"
#include "coordinator/api/view.h"
#include "coordinator/runtime/participant_address.h"

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

SubmitResult SubmitResultOf(runtime::SubmitReply reply) {
  return {std::move(reply.view), reply.created, false};
}

TxnDetail DetailOf(runtime::TxnView view) {
  return {std::move(view), {}};
}

// For each participant of the plan, why calls to it do not go out.
std::vector<std::string> BlockedBy(runtime::Coordinator& coordinator,
                                   const runtime::TxnView& view) {
  if (view.state->finished() || view.plan == nullptr) {
    return {};
  }
  std::vector<std::string> blocked_by(view.plan->participants.size());
  const std::vector<runtime::ParticipantStats> all = coordinator.Participants();
  for (size_t i = 0; i < blocked_by.size(); ++i) {
    const std::string address = runtime::AddressOf(view.plan->participants[i]);
    for (const runtime::ParticipantStats& stats : all) {
      if (stats.address == address) {
        blocked_by[i] = stats.blocked_by;
      }
    }
  }
  return blocked_by;
}

}  // namespace

void Service::Submit(SubmitCommand command, Done<SubmitResult> done) const {
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
      std::move(request), [this, waited, source = std::move(source),
                           done = std::move(done)](Result<runtime::SubmitReply> result) {
        if (result.ok()) {
          done(SubmitResult{std::move(result->view), result->created, waited});
          return;
        }
        if (source == nullptr || result.status().reason() != "definition.invalid") {
          Refuse(done, result.status());
          return;
        }
        coordinator_.ValidateDefinition(
            *source, [status = result.status(), done](std::vector<dsl::Problem> problems) {
              done(Error{status, std::move(problems), {}});
            });
      });
}

void Service::Begin(BeginCommand command, Done<SubmitResult> done) const {
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
  if (!IsPossibleGid(command.gid)) {
    Refuse(done, NoSuchTransaction(command.gid));
    return;
  }
  coordinator_.Enlist(Gid(std::move(command.gid)), std::move(command.branch),
                      [done = std::move(done)](Result<runtime::EnlistReply> reply,
                                               std::vector<dsl::Problem> problems) {
                        if (reply.ok()) {
                          done(SubmitResult{std::move(reply->view), reply->created, false});
                        } else {
                          done(Error{reply.status(), std::move(problems), {}});
                        }
                      });
}

void Service::Decide(DecideCommand command, Done<TxnDetail> done) const {
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
  auto answer = Translate<runtime::TxnView>(std::move(done), DetailOf);
  if (command.verb == DecideCommand::Verb::kCommit) {
    coordinator_.Commit(gid, wait, std::move(answer));
  } else {
    coordinator_.Abort(gid, std::move(actor), wait, std::move(answer));
  }
}

void Service::GetDecision(const std::string& text, Done<DecisionResult> done) const {
  if (Status status = CheckStoredGid(text); !status.ok()) {
    Refuse(done, std::move(status));
    return;
  }
  const Gid gid(text);
  coordinator_.Get(
      gid, std::nullopt,
      [gid, id = coordinator_.id(), done = std::move(done)](Result<runtime::TxnView> view) {
        if (view.ok()) {
          done(DecisionResult{gid, engine::OutcomeOf(*view->state), true, id});
        } else if (view.status().reason() == "transaction.not_found") {
          done(DecisionResult{gid, "aborted", false, id});
        } else {
          Refuse(done, view.status());
        }
      });
}

void Service::Get(GetCommand command, Done<TxnDetail> done) const {
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
  coordinator_.Get(Gid(std::move(command.gid)), wait,
                   Translate<runtime::TxnView>(
                       std::move(done), [&coordinator = coordinator_](runtime::TxnView view) {
                         std::vector<std::string> blocked_by = BlockedBy(coordinator, view);
                         return TxnDetail{std::move(view), std::move(blocked_by)};
                       }));
}

void Service::GetBranchCall(const std::string& gid, const std::string& branch,
                            Done<BranchCallResult> done) const {
  if (!IsPossibleGid(gid)) {
    Refuse(done, NoSuchTransaction(gid));
    return;
  }
  coordinator_.Get(
      Gid(gid), std::nullopt,
      [branch = BranchId(branch), done = std::move(done)](const Result<runtime::TxnView>& view) {
        if (!view.ok()) {
          Refuse(done, view.status());
          return;
        }
        auto call = BranchCallOf(*view, branch);
        if (call.ok()) {
          done(std::move(call).value());
        } else {
          Refuse(done, call.status());
        }
      });
}

void Service::ListBranches(const std::string& gid, PageCommand command,
                           Done<BranchPage> done) const {
  Checker check;
  storage::Page page = ReadPage(command.limit, std::move(command.cursor), check);
  if (!check.ok()) {
    done(check.TakeError());
    return;
  }
  if (!IsPossibleGid(gid)) {
    Refuse(done, NoSuchTransaction(gid));
    return;
  }
  coordinator_.Get(Gid(gid), std::nullopt,
                   [&coordinator = coordinator_, page = std::move(page),
                    done = std::move(done)](Result<runtime::TxnView> view) {
                     if (!view.ok()) {
                       Refuse(done, view.status());
                       return;
                     }
                     std::vector<std::string> blocked_by = BlockedBy(coordinator, *view);
                     done(PageOf({std::move(view).value(), std::move(blocked_by)}, page));
                   });
}

void Service::GetHistory(const std::string& gid, Done<runtime::History> done) const {
  if (!IsPossibleGid(gid)) {
    Refuse(done, NoSuchTransaction(gid));
    return;
  }
  coordinator_.GetHistory(Gid(gid), Forward<runtime::History>(std::move(done)));
}

void Service::List(ListCommand command, Done<storage::SummaryPage> done) const {
  Checker check;
  storage::Filter filter = ReadFilter(command, check);
  storage::Page page = ReadPage(command.limit, std::move(command.cursor), check);
  if (!check.ok()) {
    done(check.TakeError());
    return;
  }
  coordinator_.List(std::move(filter), std::move(page),
                    Forward<storage::SummaryPage>(std::move(done)));
}

namespace {

// Counts one thing after the other, each by an index of its own: what is rare is exact, however
// many there are of the rest.
class Counter : public std::enable_shared_from_this<Counter> {
 public:
  Counter(runtime::Coordinator& coordinator, storage::Filter filter, Done<std::vector<Count>> done)
      : coordinator_(coordinator), filter_(std::move(filter)), done_(std::move(done)) {}

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
    coordinator_.List(std::move(filter), {limits::kMaxPageSize, ""},
                      [self = shared_from_this(), name](Result<storage::SummaryPage> page) {
                        if (!page.ok()) {
                          Refuse(self->done_, page.status());
                          return;
                        }
                        self->counts_.push_back({name, static_cast<uint32_t>(page->rows.size()),
                                                 !page->next_cursor.empty()});
                        self->Next();
                      });
  }

 private:
  static constexpr std::array<std::string_view, 8> kNames{
      "ACTIVE", "COMMITTING", "COMMITTED", "ABORTING", "ABORTED", "MIXED", "incident", "paused"};

  runtime::Coordinator& coordinator_;
  const storage::Filter filter_;
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
  std::make_shared<Counter>(coordinator_, std::move(filter), std::move(done))->Next();
}

void Service::Operate(OperateCommand command, Done<TxnDetail> done) const {
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
  coordinator_.Operate(std::move(request), Translate<runtime::TxnView>(std::move(done), DetailOf));
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
  AskBulk({preview ? Verb::kPreview : Verb::kBegin, "", std::move(request)},
          OneTo(std::move(done)));
}

void Service::AskBulk(BulkCall call, BulkDone done) const {
  if (options_.bulk == nullptr) {
    done(NoBulk());
  } else {
    options_.bulk->Handle(std::move(call), std::move(done));
  }
}

void Service::StopBulk(const std::string& id, Done<BulkAction> done) const {
  AskBulk({BulkCall::Verb::kStop, id, {}}, OneTo(std::move(done)));
}

void Service::GetBulk(const std::string& id, Done<BulkAction> done) const {
  AskBulk({BulkCall::Verb::kGet, id, {}}, OneTo(std::move(done)));
}

void Service::ListBulk(Done<std::vector<BulkAction>> done) const {
  if (options_.bulk == nullptr) {
    done(std::vector<BulkAction>());
    return;
  }
  AskBulk({BulkCall::Verb::kList, "", {}},
          [done = std::move(done)](Result<std::vector<BulkAction>> actions) {
            actions.ok() ? done(std::move(actions).value()) : Refuse(done, actions.status());
          });
}

void Service::Signal(SignalCommand command, Done<TxnDetail> done) const {
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
                      Translate<runtime::TxnView>(std::move(done), DetailOf));
}

void Service::Complete(CompleteCommand command, Done<CompleteResult> done) const {
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

void Service::PutDefinition(std::string name, std::string source,
                            Done<StoredDefinition> done) const {
  coordinator_.PutDefinition(
      std::move(name), std::move(source),
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

void Service::GetDefinition(std::string name, std::optional<uint32_t> version,
                            Done<storage::DefinitionRow> done) const {
  coordinator_.GetDefinition(std::move(name), version,
                             Forward<storage::DefinitionRow>(std::move(done)));
}

void Service::ListDefinitions(std::optional<std::string> name, PageCommand command,
                              Done<DefinitionPage> done) const {
  Checker check;
  storage::Page page = ReadPage(command.limit, std::move(command.cursor), check);
  if (!check.ok()) {
    done(check.TakeError());
    return;
  }
  const bool versions = name.has_value();
  using Rows = std::vector<storage::DefinitionRow>;
  coordinator_.ListDefinitions(std::move(name), [versions, page = std::move(page),
                                                 done = std::move(done)](Result<Rows> rows) {
    if (rows.ok()) {
      done(PageOf(std::move(rows).value(), versions, page));
    } else {
      Refuse(done, rows.status());
    }
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
