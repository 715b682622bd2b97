#include "coordinator/api/grpc/grpc_server.h"

#include <algorithm>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <optional>
#include <thread>
#include <utility>

#include <grpcpp/health_check_service_interface.h>
#include <grpcpp/resource_quota.h>
#include <grpcpp/security/server_credentials.h>
#include <grpcpp/server.h>
#include <grpcpp/server_builder.h>

#include "coordinator/api/access/access.h"
#include "coordinator/api/access/audit_trail.h"
#include "coordinator/api/access/credential.h"
#include "coordinator/api/access/tokens.h"
#include "coordinator/api/command_checks.h"
#include "coordinator/api/grpc/grpc_decode_errors.h"
#include "coordinator/api/grpc/grpc_fit.h"
#include "coordinator/api/grpc/grpc_listener.h"
#include "coordinator/api/grpc/grpc_reflection_service.h"
#include "coordinator/api/grpc/grpc_status.h"
#include "coordinator/api/grpc/grpc_streams.h"
#include "coordinator/api/grpc/proto_codec.h"
#include "coordinator/api/grpc/proto_numbers.h"
#include "coordinator/api/list_pages.h"
#include "coordinator/api/request_guard.h"
#include "entente/v1/coordinator.grpc.pb.h"

namespace entente::api {
namespace {

// Whom failures are told.
class Reports {
 public:
  Reports(std::function<void(const Status&, const std::string&)> on_defect,
          std::function<void(const Refusal&)> on_refused)
      : on_defect_(std::move(on_defect)), on_refused_(std::move(on_refused)) {}

  // `by` is null where it is not known who asked.
  void Tell(const Status& status, const AccessRule& rule, const identity::Principal* by) const {
    const int http = HttpStatusOf(status);
    if (http == 500 && on_defect_) {
      on_defect_(status, std::string(rule.rpc));
    } else if ((http == 401 || http == 403) && on_refused_) {
      on_refused_({status, rule.name, by, ""});
    }
  }

 private:
  const std::function<void(const Status&, const std::string&)> on_defect_;
  const std::function<void(const Refusal&)> on_refused_;
};

using grpc::CallbackServerContext;
using grpc::ServerUnaryReactor;

// What clients take of an answer. Those that are not named here are small, or pages of what is, or
// about one definition.
void Fit(google::protobuf::Message* /*answer*/) {}
void Fit(pb::Transaction* answer) {
  FitTransaction(answer);
}
void Fit(pb::BranchCall* answer) {
  FitBranchCall(answer);
}
void Fit(pb::ListIncidentsResponse* answer) {
  FitIncidents(answer);
}

// One unary call. gRPC must hear Finish exactly once, from the answer or from the client's leaving,
// whichever comes first; the other finds the gate shut.
class UnaryCall final : public ServerUnaryReactor {
 public:
  explicit UnaryCall(const AccessRule& rule) : rule_(rule), gate_(std::make_shared<Gate>()) {
    gate_->call = this;
  }

  struct Gate {
    std::mutex mutex;
    UnaryCall* call = nullptr;  // Null once finished.

    // `fill` fills the response, which lives until then, and returns the status.
    template <class Fill>
    void Finish(Fill fill) {
      const std::lock_guard lock(mutex);
      if (call != nullptr) {
        const grpc::Status status = fill();
        std::exchange(call, nullptr)->ServerUnaryReactor::Finish(status);
      }
    }
  };

  [[nodiscard]] const std::shared_ptr<Gate>& gate() const { return gate_; }
  [[nodiscard]] const AccessRule& rule() const { return rule_; }
  // Who makes it, once that is known.
  [[nodiscard]] const identity::PrincipalPtr& by() const { return by_; }
  void set_by(identity::PrincipalPtr by) { by_ = std::move(by); }

  void OnCancel() override {
    const std::shared_ptr<Gate> gate = gate_;  // Finish may end this object.
    gate->Finish([] { return grpc::Status::CANCELLED; });
  }
  void OnDone() override { delete this; }

 private:
  const AccessRule& rule_;
  identity::PrincipalPtr by_;
  std::shared_ptr<Gate> gate_;  // Shared with the callback, which may come after the call's end.
};

// Of entries of the audit, which fit into an answer however long their texts are.
constexpr size_t kMaxAuditPage = 100;

// A stream that ends before it begins.
class RefusedStream final : public grpc::ServerWriteReactor<pb::TransactionEvent> {
 public:
  explicit RefusedStream(const grpc::Status& status) { Finish(status); }
  void OnDone() override { delete this; }
};

class CoordinatorService final : public pb::Coordinator::CallbackService {
 public:
  CoordinatorService(runtime::Coordinator& coordinator, const GrpcOptions& options)
      : service_(coordinator, options.service),
        audit_(coordinator, options.service.audit),
        tokens_(coordinator, options.tokens, options.service.audit),
        keys_(coordinator, options.service.keys, options.service.audit),
        own_id_(coordinator.id()),
        reports_(std::make_shared<const Reports>(options.on_defect, options.on_refused)),
        streams_(coordinator, options.max_event_streams) {}

  // Who tells of certificates; before the first call.
  void set_listener(const GrpcListener& listener) { listener_ = &listener; }
  GrpcEventStreams& streams() { return streams_; }
  [[nodiscard]] HealthReport Health() const { return service_.Health(); }

  ServerUnaryReactor* PutDefinition(CallbackServerContext* context,
                                    const pb::PutDefinitionRequest* request,
                                    pb::Definition* response) override {
    return Unary(*context, Action::kPutDefinition,
                 [&](UnaryCall* call, const identity::PrincipalPtr& by) {
                   service_.PutDefinition({request->name(), request->source(), by},
                                          Reply<StoredDefinition>(call, response));
                 });
  }

  ServerUnaryReactor* ValidateDefinition(CallbackServerContext* context,
                                         const pb::ValidateDefinitionRequest* request,
                                         pb::ValidateDefinitionResponse* response) override {
    return Unary(*context, Action::kValidateDefinition,
                 [&](UnaryCall* call, const identity::PrincipalPtr&) {
                   service_.ValidateDefinition(request->source(),
                                               Reply<std::vector<dsl::Problem>>(call, response));
                 });
  }

  ServerUnaryReactor* DryRunDefinition(CallbackServerContext* context,
                                       const pb::DryRunDefinitionRequest* request,
                                       pb::DryRunReport* response) override {
    return Unary(*context, Action::kDryRun, [&](UnaryCall* call, const identity::PrincipalPtr& by) {
      if (!RefuseNumbers(*call, *request)) {
        service_.DryRun(As(by, FromProto(*request)), Reply<DryRunResult>(call, response));
      }
    });
  }

  ServerUnaryReactor* GetDefinition(CallbackServerContext* context,
                                    const pb::GetDefinitionRequest* request,
                                    pb::Definition* response) override {
    return Unary(*context, Action::kGetDefinition,
                 [&](UnaryCall* call, const identity::PrincipalPtr& by) {
                   std::optional<uint32_t> version;
                   if (request->has_version()) {
                     version = request->version();
                   }
                   service_.GetDefinition({request->name(), version, by},
                                          Reply<storage::DefinitionRow>(call, response));
                 });
  }

  ServerUnaryReactor* ListDefinitions(CallbackServerContext* context,
                                      const pb::ListDefinitionsRequest* request,
                                      pb::ListDefinitionsResponse* response) override {
    return Unary(
        *context, Action::kListDefinitions, [&](UnaryCall* call, const identity::PrincipalPtr& by) {
          std::optional<std::string> name;
          if (request->has_name()) {
            name = request->name();
          }
          service_.ListDefinitions({std::move(name), {request->limit(), request->cursor()}, by},
                                   Reply<DefinitionPage>(call, response));
        });
  }

  ServerUnaryReactor* SubmitTransaction(CallbackServerContext* context,
                                        const pb::SubmitTransactionRequest* request,
                                        pb::Transaction* response) override {
    return Unary(*context, Action::kSubmit, [&](UnaryCall* call, const identity::PrincipalPtr& by) {
      if (RefuseNumbers(*call, *request)) {
        return;
      }
      SubmitCommand command = As(by, FromProto(*request));
      command.traceparent = TraceparentOf(*context);
      service_.Submit(std::move(command), ReplyCreated(call, context, response));
    });
  }

  ServerUnaryReactor* BeginTransaction(CallbackServerContext* context,
                                       const pb::BeginTransactionRequest* request,
                                       pb::Transaction* response) override {
    return Unary(*context, Action::kBegin, [&](UnaryCall* call, const identity::PrincipalPtr& by) {
      BeginCommand command = As(by, FromProto(*request));
      command.traceparent = TraceparentOf(*context);
      service_.Begin(std::move(command), ReplyCreated(call, context, response));
    });
  }

  ServerUnaryReactor* EnlistBranch(CallbackServerContext* context,
                                   const pb::EnlistBranchRequest* request,
                                   pb::Transaction* response) override {
    return Unary(*context, Action::kEnlist, [&](UnaryCall* call, const identity::PrincipalPtr& by) {
      service_.Enlist(As(by, FromProto(*request)), ReplyCreated(call, context, response));
    });
  }

  ServerUnaryReactor* CommitTransaction(CallbackServerContext* context,
                                        const pb::CommitTransactionRequest* request,
                                        pb::Transaction* response) override {
    return Unary(*context, Action::kCommit, [&](UnaryCall* call, const identity::PrincipalPtr& by) {
      service_.Decide(As(by, FromProto(*request)), Reply<TxnDetail>(call, response));
    });
  }

  ServerUnaryReactor* AbortTransaction(CallbackServerContext* context,
                                       const pb::AbortTransactionRequest* request,
                                       pb::Transaction* response) override {
    return Unary(*context, Action::kAbort, [&](UnaryCall* call, const identity::PrincipalPtr& by) {
      service_.Decide(As(by, FromProto(*request)), Reply<TxnDetail>(call, response));
    });
  }

  ServerUnaryReactor* GetDecision(CallbackServerContext* context,
                                  const pb::GetDecisionRequest* request,
                                  pb::Decision* response) override {
    return Unary(
        *context, Action::kGetDecision, [&](UnaryCall* call, const identity::PrincipalPtr& by) {
          service_.GetDecision({request->gid(), by}, Reply<DecisionResult>(call, response));
        });
  }

  ServerUnaryReactor* GetTransaction(CallbackServerContext* context,
                                     const pb::GetTransactionRequest* request,
                                     pb::Transaction* response) override {
    return Unary(*context, Action::kGetTransaction,
                 [&](UnaryCall* call, const identity::PrincipalPtr& by) {
                   service_.Get(As(by, FromProto(*request)), Reply<TxnDetail>(call, response));
                 });
  }

  ServerUnaryReactor* CountTransactions(CallbackServerContext* context,
                                        const pb::CountTransactionsRequest* request,
                                        pb::CountTransactionsResponse* response) override {
    return Unary(*context, Action::kCountTransactions,
                 [&](UnaryCall* call, const identity::PrincipalPtr& by) {
                   service_.CountTransactions(As(by, FromProto(*request)),
                                              Reply<std::vector<Count>>(call, response));
                 });
  }

  ServerUnaryReactor* GetBranchCall(CallbackServerContext* context,
                                    const pb::GetBranchCallRequest* request,
                                    pb::BranchCall* response) override {
    return Unary(*context, Action::kGetBranchCall,
                 [&](UnaryCall* call, const identity::PrincipalPtr& by) {
                   service_.GetBranchCall({request->gid(), request->branch(), by},
                                          Reply<BranchCallResult>(call, response));
                 });
  }

  ServerUnaryReactor* ListBranches(CallbackServerContext* context,
                                   const pb::ListBranchesRequest* request,
                                   pb::ListBranchesResponse* response) override {
    return Unary(*context, Action::kListBranches,
                 [&](UnaryCall* call, const identity::PrincipalPtr& by) {
                   service_.ListBranches(
                       {request->gid(), {request->limit(), request->cursor()}, by},
                       Reply<BranchPage>(call, response, [response](const BranchPage& page) {
                         const int all = response->branches_size();
                         FitBranches(response);
                         if (response->branches_size() < all) {
                           response->set_next_cursor(
                               CursorAfter(page, static_cast<size_t>(response->branches_size())));
                         }
                       }));
                 });
  }

  ServerUnaryReactor* ListTransactions(CallbackServerContext* context,
                                       const pb::ListTransactionsRequest* request,
                                       pb::ListTransactionsResponse* response) override {
    return Unary(*context, Action::kListTransactions,
                 [&](UnaryCall* call, const identity::PrincipalPtr& by) {
                   service_.List(WithFittingPage(As(by, FromProto(*request))),
                                 Reply<storage::SummaryPage>(call, response));
                 });
  }

  ServerUnaryReactor* GetHistory(CallbackServerContext* context,
                                 const pb::GetHistoryRequest* request,
                                 pb::History* response) override {
    return Unary(*context, Action::kGetHistory,
                 [&](UnaryCall* call, const identity::PrincipalPtr& by) {
                   service_.GetHistory(
                       {request->gid(), by},
                       Reply<runtime::History>(
                           call, response,
                           [response, after = request->after_revision(), limit = request->limit()](
                               const runtime::History&) { FitHistory(after, limit, response); }));
                 });
  }

  grpc::ServerWriteReactor<pb::TransactionEvent>* WatchTransaction(
      CallbackServerContext* context, const pb::WatchTransactionRequest* request) override {
    const auto by = Admit(*context, Action::kWatchTransaction);
    if (!by.ok()) {
      return new RefusedStream(ToGrpcStatus({by.status(), {}, {}}));
    }
    return streams_.WatchTransaction(*by, Gid(request->gid()), Sequence(request->after_revision()));
  }

  grpc::ServerWriteReactor<pb::TransactionEvent>* WatchEvents(
      CallbackServerContext* context, const pb::WatchEventsRequest* request) override {
    const auto by = Admit(*context, Action::kWatchEvents);
    if (!by.ok()) {
      return new RefusedStream(ToGrpcStatus({by.status(), {}, {}}));
    }
    return streams_.WatchAll({request->definition(), request->status(), *by});
  }

  ServerUnaryReactor* CancelTransaction(CallbackServerContext* context,
                                        const pb::CancelTransactionRequest* request,
                                        pb::Transaction* response) override {
    return Operate(*context, Action::kCancel, *request, response);
  }
  ServerUnaryReactor* PauseTransaction(CallbackServerContext* context,
                                       const pb::PauseTransactionRequest* request,
                                       pb::Transaction* response) override {
    return Operate(*context, Action::kPause, *request, response);
  }
  ServerUnaryReactor* ResumeTransaction(CallbackServerContext* context,
                                        const pb::ResumeTransactionRequest* request,
                                        pb::Transaction* response) override {
    return Operate(*context, Action::kResume, *request, response);
  }
  ServerUnaryReactor* RetryTransaction(CallbackServerContext* context,
                                       const pb::RetryTransactionRequest* request,
                                       pb::Transaction* response) override {
    return Operate(*context, Action::kRetry, *request, response);
  }
  ServerUnaryReactor* EditBranch(CallbackServerContext* context,
                                 const pb::EditBranchRequest* request,
                                 pb::Transaction* response) override {
    return Operate(*context, Action::kEdit, *request, response);
  }
  ServerUnaryReactor* SkipBranch(CallbackServerContext* context,
                                 const pb::SkipBranchRequest* request,
                                 pb::Transaction* response) override {
    return Operate(*context, Action::kSkip, *request, response);
  }
  ServerUnaryReactor* CompleteBranch(CallbackServerContext* context,
                                     const pb::CompleteBranchRequest* request,
                                     pb::Transaction* response) override {
    return Operate(*context, Action::kCompleteBranch, *request, response);
  }
  ServerUnaryReactor* ResolveTransaction(CallbackServerContext* context,
                                         const pb::ResolveTransactionRequest* request,
                                         pb::Transaction* response) override {
    return Operate(*context, Action::kResolve, *request, response);
  }

  ServerUnaryReactor* StartBulkAction(CallbackServerContext* context,
                                      const pb::StartBulkActionRequest* request,
                                      pb::BulkAction* response) override {
    return Unary(
        *context, Action::kStartBulk, [&](UnaryCall* call, const identity::PrincipalPtr& by) {
          service_.StartBulk(As(by, FromProto(*request)), Reply<BulkAction>(call, response));
        });
  }
  ServerUnaryReactor* ListBulkActions(CallbackServerContext* context,
                                      const pb::ListBulkActionsRequest*,
                                      pb::ListBulkActionsResponse* response) override {
    return Unary(*context, Action::kListBulk,
                 [&](UnaryCall* call, const identity::PrincipalPtr& by) {
                   service_.ListBulk(by, Reply<std::vector<BulkAction>>(call, response));
                 });
  }
  ServerUnaryReactor* GetBulkAction(CallbackServerContext* context,
                                    const pb::GetBulkActionRequest* request,
                                    pb::BulkAction* response) override {
    return Unary(*context, Action::kGetBulk,
                 [&](UnaryCall* call, const identity::PrincipalPtr& by) {
                   service_.GetBulk({request->id(), by}, Reply<BulkAction>(call, response));
                 });
  }
  ServerUnaryReactor* StopBulkAction(CallbackServerContext* context,
                                     const pb::StopBulkActionRequest* request,
                                     pb::BulkAction* response) override {
    return Unary(*context, Action::kStopBulk,
                 [&](UnaryCall* call, const identity::PrincipalPtr& by) {
                   service_.StopBulk({request->id(), by}, Reply<BulkAction>(call, response));
                 });
  }

  ServerUnaryReactor* SignalTransaction(CallbackServerContext* context,
                                        const pb::SignalTransactionRequest* request,
                                        pb::Transaction* response) override {
    return Unary(*context, Action::kSignal, [&](UnaryCall* call, const identity::PrincipalPtr& by) {
      if (RefuseNumbers(*call, *request)) {
        return;
      }
      service_.Signal(As(by, FromProto(*request)), ReplyOverview(call, response));
    });
  }

  ServerUnaryReactor* CompleteOperation(CallbackServerContext* context,
                                        const pb::CompleteOperationRequest* request,
                                        pb::CompleteOperationResponse* response) override {
    return Unary(
        *context, Action::kComplete, [&](UnaryCall* call, const identity::PrincipalPtr& by) {
          if (RefuseNumbers(*call, *request)) {
            return;
          }
          service_.Complete(As(by, FromProto(*request)), Reply<CompleteResult>(call, response));
        });
  }

  ServerUnaryReactor* ListIncidents(CallbackServerContext* context,
                                    const pb::ListIncidentsRequest* request,
                                    pb::ListIncidentsResponse* response) override {
    return Unary(*context, Action::kListIncidents,
                 [&](UnaryCall* call, const identity::PrincipalPtr& by) {
                   service_.List(WithFittingPage(As(by, FromProto(*request))),
                                 Reply<storage::SummaryPage>(call, response));
                 });
  }

  ServerUnaryReactor* ListParticipants(CallbackServerContext* context,
                                       const pb::ListParticipantsRequest* request,
                                       pb::ListParticipantsResponse* response) override {
    return Unary(*context, Action::kListParticipants,
                 [&](UnaryCall* call, const identity::PrincipalPtr&) {
                   Reply<ParticipantPage>(call, response, [response](const ParticipantPage& page) {
                     const int all = response->participants_size();
                     FitParticipants(response);
                     if (response->participants_size() < all) {
                       response->set_next_cursor(
                           CursorAfter(page, static_cast<size_t>(response->participants_size())));
                     }
                   })(service_.ListParticipants({request->limit(), request->cursor()}));
                 });
  }

  ServerUnaryReactor* ListNodes(CallbackServerContext* context, const pb::ListNodesRequest*,
                                pb::ListNodesResponse* response) override {
    return Unary(*context, Action::kListNodes, [&](UnaryCall* call, const identity::PrincipalPtr&) {
      ToProto(service_.Nodes(), response);
      call->gate()->Finish([] { return grpc::Status::OK; });
    });
  }

  ServerUnaryReactor* ListDeadLetters(CallbackServerContext* context,
                                      const pb::ListDeadLettersRequest* request,
                                      pb::ListDeadLettersResponse* response) override {
    return Unary(
        *context, Action::kListDeadLetters, [&](UnaryCall* call, const identity::PrincipalPtr&) {
          Reply<DeadLetterPage>(
              call, response)(service_.ListDeadLetters({request->limit(), request->cursor()}));
        });
  }
  ServerUnaryReactor* SendDeadLetters(CallbackServerContext* context,
                                      const pb::SendDeadLettersRequest* request,
                                      pb::SendDeadLettersResponse* response) override {
    return Unary(*context, Action::kSendDeadLetters,
                 [&](UnaryCall* call, const identity::PrincipalPtr& by) {
                   service_.SendDeadLetters({{request->ids().begin(), request->ids().end()}, by},
                                            Reply<uint32_t>(call, response));
                 });
  }

  ServerUnaryReactor* GetHealth(CallbackServerContext* context, const pb::GetHealthRequest*,
                                pb::Health* response) override {
    return Unary(*context, Action::kHealth, [&](UnaryCall* call, const identity::PrincipalPtr&) {
      ToProto(service_.Health(), response);
      call->gate()->Finish([] { return grpc::Status::OK; });
    });
  }

  ServerUnaryReactor* GetSession(CallbackServerContext* context, const pb::GetSessionRequest*,
                                 pb::Session* response) override {
    return Unary(*context, Action::kGetSession,
                 [&](UnaryCall* call, const identity::PrincipalPtr& by) {
                   ToProto(*by, response);
                   call->gate()->Finish([] { return grpc::Status::OK; });
                 });
  }

  ServerUnaryReactor* CreateToken(CallbackServerContext* context,
                                  const pb::CreateTokenRequest* request,
                                  pb::Token* response) override {
    return Unary(*context, Action::kCreateToken,
                 [&](UnaryCall* call, const identity::PrincipalPtr& by) {
                   tokens_.Create(As(by, FromProto(*request)),
                                  Reply<identity::CreatedToken>(call, response));
                 });
  }

  ServerUnaryReactor* ListTokens(CallbackServerContext* context, const pb::ListTokensRequest*,
                                 pb::ListTokensResponse* response) override {
    return Unary(*context, Action::kListTokens,
                 [&](UnaryCall* call, const identity::PrincipalPtr&) {
                   Reply<std::vector<identity::TokenInfo>>(call, response)(tokens_.List());
                 });
  }

  ServerUnaryReactor* ListKeys(CallbackServerContext* context, const pb::ListKeysRequest*,
                               pb::KeySet* response) override {
    return Unary(*context, Action::kListKeys, [&](UnaryCall* call, const identity::PrincipalPtr&) {
      ToProto(keys_.List(), response);
      call->gate()->Finish([] { return grpc::Status::OK; });
    });
  }

  ServerUnaryReactor* RotateKeys(CallbackServerContext* context,
                                 const pb::RotateKeysRequest* request,
                                 pb::KeySet* response) override {
    return Unary(*context, Action::kRotateKeys,
                 [&](UnaryCall* call, const identity::PrincipalPtr& by) {
                   keys_.Rotate(As(by, FromProto(*request)), Reply<KeyList>(call, response));
                 });
  }

  ServerUnaryReactor* RevokeToken(CallbackServerContext* context,
                                  const pb::RevokeTokenRequest* request,
                                  pb::Token* response) override {
    return Unary(*context, Action::kRevokeToken,
                 [&](UnaryCall* call, const identity::PrincipalPtr& by) {
                   tokens_.Revoke(request->id(), by, Reply<identity::TokenInfo>(call, response));
                 });
  }

  ServerUnaryReactor* ListAudit(CallbackServerContext* context, const pb::ListAuditRequest* request,
                                pb::ListAuditResponse* response) override {
    return Unary(*context, Action::kListAudit, [&](UnaryCall* call, const identity::PrincipalPtr&) {
      audit::AuditQuery query = FromProto(*request);
      if (query.limit <= limits::kMaxPageSize) {
        query.limit = std::min(query.limit, kMaxAuditPage);
      }
      audit_.List(std::move(query), Reply<audit::AuditPage>(call, response));
    });
  }

 private:
  // Who makes a call, if he may.
  [[nodiscard]] Result<identity::PrincipalPtr> Admit(const CallbackServerContext& context,
                                                     Action action) const {
    const AccessRule& rule = RuleOf(action);
    const Status own = CheckNotOwnCall(context);
    if (own.ok() && rule.reach == Reach::kOpen) {
      return identity::Anonymous();
    }
    Result<identity::PrincipalPtr> by =
        own.ok() ? tokens_.WhoIs(CredentialOf(context), listener_->NamesOf(context.peer()))
                 : Result<identity::PrincipalPtr>(own);
    const Status admitted = by.ok() ? CheckAccess(rule, **by) : by.status();
    if (!admitted.ok()) {
      reports_->Tell(admitted, rule, by.ok() ? by->get() : nullptr);
      return admitted;
    }
    return by;
  }

  // The token of the metadata `authorization`; of two of them, none.
  static std::string CredentialOf(const CallbackServerContext& context) {
    const auto [begin, end] = context.client_metadata().equal_range("authorization");
    if (begin == end || std::next(begin) != end) {
      return {};
    }
    return std::string(BearerOf({begin->second.data(), begin->second.size()}));
  }

  template <class Command>
  static Command As(const identity::PrincipalPtr& by, Command command) {
    command.by = by;
    return command;
  }

  // A call whose `body` is run for who makes it, or which is refused.
  template <class Body>
  ServerUnaryReactor* Unary(const CallbackServerContext& context, Action action, Body body) {
    auto* call = new UnaryCall(RuleOf(action));
    const std::shared_ptr<UnaryCall::Gate> gate = call->gate();
    if (const auto by = Admit(context, action); by.ok()) {
      call->set_by(*by);
      body(call, *by);
    } else {
      gate->Finish([&by] { return ToGrpcStatus({by.status(), {}, {}}); });
    }
    return call;
  }

  template <class Request>
  ServerUnaryReactor* Operate(const CallbackServerContext& context, Action action,
                              const Request& request, pb::Transaction* response) {
    return Unary(context, action, [&](UnaryCall* call, const identity::PrincipalPtr& by) {
      if (!RefuseNumbers(*call, request)) {
        service_.Operate(As(by, FromProto(request)), ReplyOverview(call, response));
      }
    });
  }

  // As GuardOptions::coordinator.
  [[nodiscard]] Status CheckNotOwnCall(const CallbackServerContext& context) const {
    const auto [begin, end] = context.client_metadata().equal_range("entente-coordinator");
    const bool own = std::any_of(begin, end, [this](const auto& entry) {
      return std::string_view(entry.second.data(), entry.second.size()) == own_id_;
    });
    return own ? OwnCall() : Status();
  }

  static std::string TraceparentOf(const CallbackServerContext& context) {
    const auto& metadata = context.client_metadata();
    const auto found = metadata.find("traceparent");
    return found == metadata.end() ? std::string()
                                   : std::string(found->second.data(), found->second.size());
  }

  // Whether the request holds a number that is none, and has been refused.
  static bool RefuseNumbers(UnaryCall& call, const google::protobuf::Message& request) {
    const std::optional<Error> error = CheckNumbers(request);
    if (error) {
      call.gate()->Finish([&error] { return ToGrpcStatus(*error); });
    }
    return error.has_value();
  }

  // A page that fits, of whatever size was asked for. More than there may be is left to be refused.
  static ListCommand WithFittingPage(ListCommand command) {
    if (command.limit <= limits::kMaxPageSize) {
      command.limit = std::min(command.limit, limits::kMaxGrpcPageSize);
    }
    return command;
  }

  // A transaction without its payloads.
  Done<TxnDetail> ReplyOverview(UnaryCall* call, pb::Transaction* response) {
    return Reply<TxnDetail>(call, response,
                            [response](const TxnDetail&) { LeaveOutPayloads(response); });
  }

  // A result with the trailer that says whether this very call created it.
  Done<SubmitResult> ReplyCreated(UnaryCall* call, CallbackServerContext* context,
                                  pb::Transaction* response) {
    return Reply<SubmitResult>(call, response, [context](const SubmitResult& result) {
      context->AddTrailingMetadata("entente-created", result.created ? "true" : "false");
    });
  }

  template <class T, class Response>
  Done<T> Reply(UnaryCall* call, Response* response) {
    return Reply<T>(call, response, [](const T&) {});
  }

  // What the Service is given: finishes the call with the result or the failure. `also` sees a
  // result before the call is finished.
  template <class T, class Response, class Also>
  Done<T> Reply(UnaryCall* call, Response* response, Also also) {
    return [reports = reports_, gate = call->gate(), &rule = call->rule(), by = call->by(),
            response, also](Outcome<T> outcome) {
      if (const Error* error = std::get_if<Error>(&outcome)) {
        reports->Tell(error->status, rule, by.get());
      }
      gate->Finish([&] {
        if (const Error* error = std::get_if<Error>(&outcome)) {
          return ToGrpcStatus(*error);
        }
        const T& result = std::get<T>(outcome);
        ToProto(result, response);
        also(result);
        Fit(response);
        return grpc::Status::OK;
      });
    };
  }

  api::Service service_;
  AuditTrail audit_;
  api::Tokens tokens_;
  const GrpcListener* listener_ = nullptr;  // Outlives all calls.
  Keys keys_;
  const std::string own_id_;
  std::shared_ptr<const Reports> reports_;  // Shared with answers, which may come after the end.
  GrpcEventStreams streams_;
};

// A block of headers that is too large by less than this is refused with a word, by gRPC.
constexpr size_t kHeaderRoom = 4;

int Millis(Duration duration) {
  return static_cast<int>(std::chrono::duration_cast<std::chrono::milliseconds>(duration).count());
}

void Configure(const GrpcOptions& options, grpc::ServerBuilder& builder) {
  builder.SetMaxReceiveMessageSize(static_cast<int>(options.max_receive_bytes));
  builder.AddChannelArgument(GRPC_ARG_MAX_CONCURRENT_STREAMS,
                             static_cast<int>(options.max_concurrent_streams));
  builder.AddChannelArgument(GRPC_ARG_MAX_METADATA_SIZE,
                             static_cast<int>(options.max_header_bytes));
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIME_MS, Millis(options.keepalive_interval));
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, Millis(options.keepalive_timeout));
  builder.AddChannelArgument(GRPC_ARG_HTTP2_MIN_RECV_PING_INTERVAL_WITHOUT_DATA_MS,
                             Millis(options.min_client_ping_interval));
  builder.AddChannelArgument(GRPC_ARG_MAX_CONNECTION_IDLE_MS, Millis(options.max_connection_idle));
  grpc::ResourceQuota quota("entente");
  quota.Resize(options.max_memory_bytes);
  builder.SetResourceQuota(quota);
  // Nothing is inflated: what a small message would become can not be bounded before it is there.
  builder.SetCompressionAlgorithmSupportStatus(GRPC_COMPRESS_DEFLATE, false);
  builder.SetCompressionAlgorithmSupportStatus(GRPC_COMPRESS_GZIP, false);
  builder.experimental().SetInterceptorCreators(DecodeErrorInterceptors());
}

// Tells grpc.health.v1 how the coordinator is. That work is overdue comes about by time alone, so
// it has to be looked at again and again.
class HealthReporter {
 public:
  HealthReporter(std::function<HealthReport()> health, grpc::HealthCheckServiceInterface& service,
                 Duration interval)
      : health_(std::move(health)), service_(service), interval_(interval) {
    Report();
    thread_ = std::thread([this] { Run(); });
  }
  ~HealthReporter() {
    {
      const std::lock_guard lock(mutex_);
      ending_ = true;
    }
    changed_.notify_one();
    thread_.join();
  }
  HealthReporter(const HealthReporter&) = delete;
  HealthReporter& operator=(const HealthReporter&) = delete;

 private:
  void Report() {
    const HealthReport report = health_();
    const bool serving = report.health.ready && !report.stalled;
    service_.SetServingStatus("entente.v1.Coordinator", serving);
    service_.SetServingStatus(serving);  // Also of the server as a whole, "".
  }

  void Run() {
    std::unique_lock lock(mutex_);
    while (!changed_.wait_for(lock, interval_, [this] { return ending_; })) {
      lock.unlock();
      Report();
      lock.lock();
    }
  }

  const std::function<HealthReport()> health_;
  grpc::HealthCheckServiceInterface& service_;
  const Duration interval_;
  std::mutex mutex_;
  std::condition_variable changed_;
  bool ending_ = false;
  std::thread thread_;
};

}  // namespace

class GrpcServer::Impl {
 public:
  Impl(runtime::Coordinator& coordinator, const GrpcOptions& options)
      : service_(coordinator, options) {}
  ~Impl() { Shutdown(Duration::zero()); }

  Status Listen(const std::string& address, const GrpcOptions& options) {
    grpc::EnableDefaultHealthCheckService(true);
    grpc::ServerBuilder builder;
    Configure(options, builder);
    ENTENTE_ASSIGN_OR_RETURN(
        listener_,
        GrpcListener::Listen(address, {options.max_connections,
                                       kHeaderRoom * options.max_header_bytes, options.tls}));
    service_.set_listener(*listener_);
    auto acceptor = builder.experimental().AddExternalConnectionAcceptor(
        grpc::ServerBuilder::experimental_type::ExternalConnectionType::FROM_FD,
        grpc::InsecureServerCredentials());
    builder.RegisterService(&service_);
    if (options.reflection) {
      builder.RegisterCallbackGenericService(&reflection_);
    }
    server_ = builder.BuildAndStart();
    if (server_ == nullptr) {
      return Unavailable("listen.failed", "the gRPC server on " + address + " can not be started");
    }
    listener_->Start(std::move(acceptor));
    health_.emplace([this] { return service_.Health(); }, *server_->GetHealthCheckService(),
                    options.health_interval);
    return {};
  }

  [[nodiscard]] int port() const { return listener_->port(); }
  [[nodiscard]] GrpcStats stats() const {
    const GrpcListener::Stats now = listener_->stats();
    return {now.connections, now.refused, now.cut_off};
  }

  void Shutdown(Duration grace) {
    if (server_ == nullptr) {
      return;
    }
    health_.reset();
    listener_->StopAccepting();
    service_.streams().EndAll();
    server_->Shutdown(std::chrono::system_clock::now() + grace);
    server_->Wait();
    listener_->Stop();
    server_.reset();
  }

 private:
  CoordinatorService service_;
  ReflectionService reflection_;
  std::unique_ptr<grpc::Server> server_;    // After the services, which it uses.
  std::unique_ptr<GrpcListener> listener_;  // After the server, to which it hands connections.
  std::optional<HealthReporter> health_;    // After the server, whose service it tells.
};

Result<std::unique_ptr<GrpcServer>> GrpcServer::Start(runtime::Coordinator& coordinator,
                                                      const std::string& address,
                                                      GrpcOptions options) {
  auto impl = std::make_unique<Impl>(coordinator, options);
  ENTENTE_RETURN_IF_ERROR(impl->Listen(address, options));
  return std::unique_ptr<GrpcServer>(new GrpcServer(std::move(impl)));
}

GrpcServer::GrpcServer(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
GrpcServer::~GrpcServer() = default;

int GrpcServer::port() const {
  return impl_->port();
}

GrpcStats GrpcServer::stats() const {
  return impl_->stats();
}

void GrpcServer::Shutdown(Duration grace) {
  impl_->Shutdown(grace);
}

}  // namespace entente::api
