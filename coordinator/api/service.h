// Service: the one implementation of every method. REST and gRPC only translate to and from it.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "coordinator/api/access/audit_trail.h"
#include "coordinator/api/access/keys.h"
#include "coordinator/api/bulk_actions.h"
#include "coordinator/api/commands.h"
#include "coordinator/api/dry_run.h"
#include "coordinator/api/problem.h"
#include "runtime/coordinator.h"

namespace entente::api {

struct ServiceOptions {
  // Health is "stalled" when work that is due, or an append, has been waiting for longer than this.
  Duration stalled_after = std::chrono::seconds(30);
  // The coordinators that share the store. Thread-safe, never blocks. Empty: there is only this
  // one, which is told of no further.
  std::function<std::vector<NodeInfo>()> nodes = {};
  // Dead letters, by id; and to tell these again, or all if there is none among them: how many.
  // Thread-safe, never block. Both empty: there are no webhooks.
  std::function<std::vector<DeadLetter>()> dead_letters = {};
  std::function<size_t(const std::vector<std::string>&)> send_dead_letters = {};
  BulkDesk* bulk = nullptr;           // Not owned; outlives the service. Null: there are none.
  audit::AuditBook* audit = nullptr;  // The same.
  const KeyStore* keys = nullptr;     // As `bulk`. Null: calls are not signed.
};

// Checks what a command says, hands it to the Coordinator and turns what comes back into the
// method's result. Says what a principal reaches: what is outside its scope is answered as what is
// not there, whatever is asked of it. Which methods a role may call is not looked at here
// (access.h). Stateless: every method may be called from any thread and never blocks; `done` runs
// once, at once for a command that is refused here, else as coordinator.h says. `coordinator`
// outlives it, and what it was asked: the Service itself may go before `done` has run.
class Service {
 public:
  Service(runtime::Coordinator& coordinator, ServiceOptions options)
      : coordinator_(coordinator),
        options_(std::move(options)),
        audit_(coordinator, options_.audit) {}

  void Submit(SubmitCommand command, Done<SubmitResult> done) const;
  void Begin(BeginCommand command, Done<SubmitResult> done) const;
  // A branch that is described wrongly comes back with every mistake of its description.
  void Enlist(EnlistCommand command, Done<SubmitResult> done) const;
  void Decide(DecideCommand command, Done<TxnDetail> done) const;
  // What a participant in doubt is to do. A transaction that is not known was never committed, or
  // every participant has long heard of it (presumed abort); one that can not be read is an error.
  //
  // One outside the scope of who asks is kNotFound, and not said to be aborted: its participant
  // would undo what may be committed.
  void GetDecision(DecisionCommand command, Done<DecisionResult> done) const;
  void Get(GetCommand command, Done<TxnDetail> done) const;
  // What the branch's operation sends, or would send if it were called now.
  void GetBranchCall(BranchCallCommand command, Done<BranchCallResult> done) const;
  void ListBranches(ListBranchesCommand command, Done<BranchPage> done) const;
  void GetHistory(HistoryCommand command, Done<runtime::History> done) const;
  // Also the list of incidents: with `incident` set, rows carry what waits.
  void List(ListCommand command, Done<storage::SummaryPage> done) const;
  // How many transactions of each status there are among those that match, of incidents and of
  // paused ones; the command's own status, incident, paused, limit and cursor do not count.
  void CountTransactions(ListCommand command, Done<std::vector<Count>> done) const;
  void Operate(OperateCommand command, Done<TxnDetail> done) const;
  void StartBulk(BulkCommand command, Done<BulkAction> done) const;
  // Who has a scope sees the bulk actions of the same scope.
  void ListBulk(const identity::PrincipalPtr& by, Done<std::vector<BulkAction>> done) const;
  void GetBulk(const BulkIdCommand& command, Done<BulkAction> done) const;
  void StopBulk(const BulkIdCommand& command, Done<BulkAction> done) const;
  void Signal(SignalCommand command, Done<TxnDetail> done) const;
  void Complete(CompleteCommand command, Done<CompleteResult> done) const;

  void PutDefinition(DefineCommand command, Done<StoredDefinition> done) const;
  void ValidateDefinition(std::string source, Done<std::vector<dsl::Problem>> done) const;
  // What a transaction would do, given the participants' answers; nothing is called.
  void DryRun(DryRunCommand command, Done<DryRunResult> done) const;
  void GetDefinition(GetDefinitionCommand command, Done<storage::DefinitionRow> done) const;
  void ListDefinitions(ListDefinitionsCommand command, Done<DefinitionPage> done) const;

  [[nodiscard]] std::vector<runtime::ParticipantStats> Participants() const;
  [[nodiscard]] Outcome<ParticipantPage> ListParticipants(PageCommand page) const;
  [[nodiscard]] std::vector<NodeInfo> Nodes() const;
  [[nodiscard]] Outcome<DeadLetterPage> ListDeadLetters(PageCommand page) const;
  // Tells these events again, or all if `ids` is empty, and answers how many there are, without
  // waiting for the receiver. kFailedPrecondition webhooks.none.
  void SendDeadLetters(const SendDeadLettersCommand& command, Done<uint32_t> done) const;
  [[nodiscard]] HealthReport Health() const;
  [[nodiscard]] runtime::Metrics Metrics() const;

  [[nodiscard]] runtime::Coordinator& coordinator() const { return coordinator_; }

 private:
  void AskBulk(BulkCall call, BulkDone done) const;
  // Whether it has to be found out first that the transaction of `command` is within the scope of
  // who asks. Then `method` is called once more if it is, and `done` with kNotFound if not.
  template <class Command, class T>
  [[nodiscard]] bool LookFirst(Command& command, Done<T>& done,
                               void (Service::*method)(Command, Done<T>) const) const;

  void OperateNow(OperateCommand command, Done<TxnDetail> done) const;
  void PutDefinitionNow(DefineCommand command, Done<StoredDefinition> done) const;
  void CompleteWithin(CompleteCommand command, Done<CompleteResult> done) const;

  runtime::Coordinator& coordinator_;
  ServiceOptions options_;
  AuditTrail audit_;
};

}  // namespace entente::api
