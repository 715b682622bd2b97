#include "coordinator/api/grpc_server.h"

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

#include "coordinator/api/command_checks.h"
#include "coordinator/api/grpc_decode_errors.h"
#include "coordinator/api/grpc_fit.h"
#include "coordinator/api/grpc_listener.h"
#include "coordinator/api/grpc_reflection_service.h"
#include "coordinator/api/grpc_status.h"
#include "coordinator/api/grpc_streams.h"
#include "coordinator/api/list_pages.h"
#include "coordinator/api/proto_codec.h"
#include "coordinator/api/proto_numbers.h"
#include "entente/v1/coordinator.grpc.pb.h"

namespace entente::api {
namespace {

using OnDefect = std::function<void(const Status& status, const std::string& method)>;
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
  UnaryCall() : gate_(std::make_shared<Gate>()) { gate_->call = this; }

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

  void OnCancel() override {
    const std::shared_ptr<Gate> gate = gate_;  // Finish may end this object.
    gate->Finish([] { return grpc::Status::CANCELLED; });
  }
  void OnDone() override { delete this; }

 private:
  std::shared_ptr<Gate> gate_;  // Shared with the callback, which may come after the call's end.
};

class CoordinatorService final : public pb::Coordinator::CallbackService {
 public:
  CoordinatorService(runtime::Coordinator& coordinator, const GrpcOptions& options)
      : service_(coordinator, options.service),
        on_defect_(std::make_shared<const OnDefect>(options.on_defect)),
        streams_(coordinator, options.max_event_streams) {}

  GrpcEventStreams& streams() { return streams_; }
  [[nodiscard]] HealthReport Health() const { return service_.Health(); }

  ServerUnaryReactor* PutDefinition(CallbackServerContext*, const pb::PutDefinitionRequest* request,
                                    pb::Definition* response) override {
    auto* call = new UnaryCall;
    service_.PutDefinition(request->name(), request->source(),
                           Reply<StoredDefinition>(call, "PutDefinition", response));
    return call;
  }

  ServerUnaryReactor* ValidateDefinition(CallbackServerContext*,
                                         const pb::ValidateDefinitionRequest* request,
                                         pb::ValidateDefinitionResponse* response) override {
    auto* call = new UnaryCall;
    service_.ValidateDefinition(
        request->source(), Reply<std::vector<dsl::Problem>>(call, "ValidateDefinition", response));
    return call;
  }

  ServerUnaryReactor* GetDefinition(CallbackServerContext*, const pb::GetDefinitionRequest* request,
                                    pb::Definition* response) override {
    auto* call = new UnaryCall;
    std::optional<uint32_t> version;
    if (request->has_version()) {
      version = request->version();
    }
    service_.GetDefinition(request->name(), version,
                           Reply<storage::DefinitionRow>(call, "GetDefinition", response));
    return call;
  }

  ServerUnaryReactor* ListDefinitions(CallbackServerContext*,
                                      const pb::ListDefinitionsRequest* request,
                                      pb::ListDefinitionsResponse* response) override {
    auto* call = new UnaryCall;
    std::optional<std::string> name;
    if (request->has_name()) {
      name = request->name();
    }
    service_.ListDefinitions(std::move(name), {request->limit(), request->cursor()},
                             Reply<DefinitionPage>(call, "ListDefinitions", response));
    return call;
  }

  ServerUnaryReactor* SubmitTransaction(CallbackServerContext* context,
                                        const pb::SubmitTransactionRequest* request,
                                        pb::Transaction* response) override {
    auto* call = new UnaryCall;
    if (RefuseNumbers(*call, *request)) {
      return call;
    }
    SubmitCommand command = FromProto(*request);
    command.traceparent = TraceparentOf(*context);
    service_.Submit(std::move(command), ReplyCreated(call, "SubmitTransaction", context, response));
    return call;
  }

  ServerUnaryReactor* BeginTransaction(CallbackServerContext* context,
                                       const pb::BeginTransactionRequest* request,
                                       pb::Transaction* response) override {
    auto* call = new UnaryCall;
    BeginCommand command = FromProto(*request);
    command.traceparent = TraceparentOf(*context);
    service_.Begin(std::move(command), ReplyCreated(call, "BeginTransaction", context, response));
    return call;
  }

  ServerUnaryReactor* EnlistBranch(CallbackServerContext* context,
                                   const pb::EnlistBranchRequest* request,
                                   pb::Transaction* response) override {
    auto* call = new UnaryCall;
    service_.Enlist(FromProto(*request), ReplyCreated(call, "EnlistBranch", context, response));
    return call;
  }

  ServerUnaryReactor* CommitTransaction(CallbackServerContext*,
                                        const pb::CommitTransactionRequest* request,
                                        pb::Transaction* response) override {
    auto* call = new UnaryCall;
    service_.Decide(FromProto(*request), Reply<TxnDetail>(call, "CommitTransaction", response));
    return call;
  }

  ServerUnaryReactor* AbortTransaction(CallbackServerContext*,
                                       const pb::AbortTransactionRequest* request,
                                       pb::Transaction* response) override {
    auto* call = new UnaryCall;
    service_.Decide(FromProto(*request), Reply<TxnDetail>(call, "AbortTransaction", response));
    return call;
  }

  ServerUnaryReactor* GetDecision(CallbackServerContext*, const pb::GetDecisionRequest* request,
                                  pb::Decision* response) override {
    auto* call = new UnaryCall;
    service_.GetDecision(request->gid(), Reply<DecisionResult>(call, "GetDecision", response));
    return call;
  }

  ServerUnaryReactor* GetTransaction(CallbackServerContext*,
                                     const pb::GetTransactionRequest* request,
                                     pb::Transaction* response) override {
    auto* call = new UnaryCall;
    service_.Get(FromProto(*request), Reply<TxnDetail>(call, "GetTransaction", response));
    return call;
  }

  ServerUnaryReactor* CountTransactions(CallbackServerContext*,
                                        const pb::CountTransactionsRequest* request,
                                        pb::CountTransactionsResponse* response) override {
    auto* call = new UnaryCall;
    service_.CountTransactions(FromProto(*request),
                               Reply<std::vector<Count>>(call, "CountTransactions", response));
    return call;
  }

  ServerUnaryReactor* GetBranchCall(CallbackServerContext*, const pb::GetBranchCallRequest* request,
                                    pb::BranchCall* response) override {
    auto* call = new UnaryCall;
    service_.GetBranchCall(request->gid(), request->branch(),
                           Reply<BranchCallResult>(call, "GetBranchCall", response));
    return call;
  }

  ServerUnaryReactor* ListBranches(CallbackServerContext*, const pb::ListBranchesRequest* request,
                                   pb::ListBranchesResponse* response) override {
    auto* call = new UnaryCall;
    service_.ListBranches(
        request->gid(), {request->limit(), request->cursor()},
        Reply<BranchPage>(call, "ListBranches", response, [response](const BranchPage& page) {
          const int all = response->branches_size();
          FitBranches(response);
          if (response->branches_size() < all) {
            response->set_next_cursor(
                CursorAfter(page, static_cast<size_t>(response->branches_size())));
          }
        }));
    return call;
  }

  ServerUnaryReactor* ListTransactions(CallbackServerContext*,
                                       const pb::ListTransactionsRequest* request,
                                       pb::ListTransactionsResponse* response) override {
    auto* call = new UnaryCall;
    service_.List(WithFittingPage(FromProto(*request)),
                  Reply<storage::SummaryPage>(call, "ListTransactions", response));
    return call;
  }

  ServerUnaryReactor* GetHistory(CallbackServerContext*, const pb::GetHistoryRequest* request,
                                 pb::History* response) override {
    auto* call = new UnaryCall;
    service_.GetHistory(request->gid(),
                        Reply<runtime::History>(
                            call, "GetHistory", response,
                            [response, after = request->after_revision(), limit = request->limit()](
                                const runtime::History&) { FitHistory(after, limit, response); }));
    return call;
  }

  grpc::ServerWriteReactor<pb::TransactionEvent>* WatchTransaction(
      CallbackServerContext*, const pb::WatchTransactionRequest* request) override {
    return streams_.WatchTransaction(Gid(request->gid()), Sequence(request->after_revision()));
  }

  grpc::ServerWriteReactor<pb::TransactionEvent>* WatchEvents(
      CallbackServerContext*, const pb::WatchEventsRequest* request) override {
    return streams_.WatchAll({request->definition(), request->status()});
  }

  ServerUnaryReactor* CancelTransaction(CallbackServerContext*,
                                        const pb::CancelTransactionRequest* request,
                                        pb::Transaction* response) override {
    return Operate("CancelTransaction", *request, response);
  }
  ServerUnaryReactor* PauseTransaction(CallbackServerContext*,
                                       const pb::PauseTransactionRequest* request,
                                       pb::Transaction* response) override {
    return Operate("PauseTransaction", *request, response);
  }
  ServerUnaryReactor* ResumeTransaction(CallbackServerContext*,
                                        const pb::ResumeTransactionRequest* request,
                                        pb::Transaction* response) override {
    return Operate("ResumeTransaction", *request, response);
  }
  ServerUnaryReactor* RetryTransaction(CallbackServerContext*,
                                       const pb::RetryTransactionRequest* request,
                                       pb::Transaction* response) override {
    return Operate("RetryTransaction", *request, response);
  }
  ServerUnaryReactor* EditBranch(CallbackServerContext*, const pb::EditBranchRequest* request,
                                 pb::Transaction* response) override {
    return Operate("EditBranch", *request, response);
  }
  ServerUnaryReactor* SkipBranch(CallbackServerContext*, const pb::SkipBranchRequest* request,
                                 pb::Transaction* response) override {
    return Operate("SkipBranch", *request, response);
  }
  ServerUnaryReactor* ResolveTransaction(CallbackServerContext*,
                                         const pb::ResolveTransactionRequest* request,
                                         pb::Transaction* response) override {
    return Operate("ResolveTransaction", *request, response);
  }

  ServerUnaryReactor* StartBulkAction(CallbackServerContext*,
                                      const pb::StartBulkActionRequest* request,
                                      pb::BulkAction* response) override {
    auto* call = new UnaryCall;
    service_.StartBulk(FromProto(*request), Reply<BulkAction>(call, "StartBulkAction", response));
    return call;
  }
  ServerUnaryReactor* ListBulkActions(CallbackServerContext*, const pb::ListBulkActionsRequest*,
                                      pb::ListBulkActionsResponse* response) override {
    auto* call = new UnaryCall;
    service_.ListBulk(Reply<std::vector<BulkAction>>(call, "ListBulkActions", response));
    return call;
  }
  ServerUnaryReactor* GetBulkAction(CallbackServerContext*, const pb::GetBulkActionRequest* request,
                                    pb::BulkAction* response) override {
    auto* call = new UnaryCall;
    service_.GetBulk(request->id(), Reply<BulkAction>(call, "GetBulkAction", response));
    return call;
  }
  ServerUnaryReactor* StopBulkAction(CallbackServerContext*,
                                     const pb::StopBulkActionRequest* request,
                                     pb::BulkAction* response) override {
    auto* call = new UnaryCall;
    service_.StopBulk(request->id(), Reply<BulkAction>(call, "StopBulkAction", response));
    return call;
  }

  ServerUnaryReactor* SignalTransaction(CallbackServerContext*,
                                        const pb::SignalTransactionRequest* request,
                                        pb::Transaction* response) override {
    auto* call = new UnaryCall;
    if (RefuseNumbers(*call, *request)) {
      return call;
    }
    service_.Signal(FromProto(*request), ReplyOverview(call, "SignalTransaction", response));
    return call;
  }

  ServerUnaryReactor* CompleteOperation(CallbackServerContext*,
                                        const pb::CompleteOperationRequest* request,
                                        pb::CompleteOperationResponse* response) override {
    auto* call = new UnaryCall;
    if (RefuseNumbers(*call, *request)) {
      return call;
    }
    service_.Complete(FromProto(*request),
                      Reply<CompleteResult>(call, "CompleteOperation", response));
    return call;
  }

  ServerUnaryReactor* ListIncidents(CallbackServerContext*, const pb::ListIncidentsRequest* request,
                                    pb::ListIncidentsResponse* response) override {
    auto* call = new UnaryCall;
    service_.List(WithFittingPage(FromProto(*request)),
                  Reply<storage::SummaryPage>(call, "ListIncidents", response));
    return call;
  }

  ServerUnaryReactor* ListParticipants(CallbackServerContext*,
                                       const pb::ListParticipantsRequest* request,
                                       pb::ListParticipantsResponse* response) override {
    auto* call = new UnaryCall;
    Reply<ParticipantPage>(
        call, "ListParticipants", response, [response](const ParticipantPage& page) {
          const int all = response->participants_size();
          FitParticipants(response);
          if (response->participants_size() < all) {
            response->set_next_cursor(
                CursorAfter(page, static_cast<size_t>(response->participants_size())));
          }
        })(service_.ListParticipants({request->limit(), request->cursor()}));
    return call;
  }

  ServerUnaryReactor* ListNodes(CallbackServerContext* context, const pb::ListNodesRequest*,
                                pb::ListNodesResponse* response) override {
    ToProto(service_.Nodes(), response);
    return FinishOk(context);
  }

  ServerUnaryReactor* GetHealth(CallbackServerContext* context, const pb::GetHealthRequest*,
                                pb::Health* response) override {
    ToProto(service_.Health(), response);
    return FinishOk(context);
  }

 private:
  static ServerUnaryReactor* FinishOk(CallbackServerContext* context) {
    ServerUnaryReactor* reactor = context->DefaultReactor();
    reactor->Finish(grpc::Status::OK);
    return reactor;
  }

  template <class Request>
  ServerUnaryReactor* Operate(const char* method, const Request& request,
                              pb::Transaction* response) {
    auto* call = new UnaryCall;
    if (RefuseNumbers(*call, request)) {
      return call;
    }
    service_.Operate(FromProto(request), ReplyOverview(call, method, response));
    return call;
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
  Done<TxnDetail> ReplyOverview(UnaryCall* call, const char* method, pb::Transaction* response) {
    return Reply<TxnDetail>(call, method, response,
                            [response](const TxnDetail&) { LeaveOutPayloads(response); });
  }

  // A result with the trailer that says whether this very call created it.
  Done<SubmitResult> ReplyCreated(UnaryCall* call, const char* method,
                                  CallbackServerContext* context, pb::Transaction* response) {
    return Reply<SubmitResult>(call, method, response, [context](const SubmitResult& result) {
      context->AddTrailingMetadata("entente-created", result.created ? "true" : "false");
    });
  }

  template <class T, class Response>
  Done<T> Reply(UnaryCall* call, const char* method, Response* response) {
    return Reply<T>(call, method, response, [](const T&) {});
  }

  // What the Service is given: finishes the call with the result or the failure. `also` sees a
  // result before the call is finished.
  template <class T, class Response, class Also>
  Done<T> Reply(UnaryCall* call, const char* method, Response* response, Also also) {
    return
        [on_defect = on_defect_, gate = call->gate(), method, response, also](Outcome<T> outcome) {
          if (const Error* error = std::get_if<Error>(&outcome)) {
            ReportDefect(*on_defect, error->status, method);
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

  static void ReportDefect(const OnDefect& on_defect, const Status& status, const char* method) {
    if (HttpStatusOf(status) == 500 && on_defect) {
      on_defect(status, method);
    }
  }

  api::Service service_;
  std::shared_ptr<const OnDefect> on_defect_;  // Shared with answers, which may come after the end.
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
        listener_, GrpcListener::Listen(
                       address, {options.max_connections, kHeaderRoom * options.max_header_bytes}));
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
  [[nodiscard]] Stats stats() const {
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

GrpcServer::Stats GrpcServer::stats() const {
  return impl_->stats();
}

void GrpcServer::Shutdown(Duration grace) {
  impl_->Shutdown(grace);
}

}  // namespace entente::api
