// One function for each route: the codec around one method of the Service. Those of transactions
// that a client drives are in rest_client_driven.cpp.
#include <utility>

#include "coordinator/api/command_checks.h"
#include "coordinator/api/json/field_reader.h"
#include "coordinator/api/json/json_decode.h"
#include "coordinator/api/json/json_encode.h"
#include "coordinator/api/rest/metrics_text.h"
#include "coordinator/api/rest/openapi_document.h"
#include "coordinator/api/rest/rest_reply.h"

namespace entente::api {
namespace {

using Verb = runtime::OperatorRequest::Verb;

// ---- Transactions.

void Submit(const ExchangePtr& exchange) {
  std::optional<Json> body = BodyOf(*exchange);
  if (!body) {
    return;
  }
  std::optional<SubmitCommand> command = CommandOf(*exchange, DecodeSubmit(std::move(*body)));
  if (!command) {
    return;
  }
  command->by = exchange->by();
  command->traceparent = TraceparentOf(*exchange);
  if (command->wait) {
    command->hangup = exchange->ClientHangup();
  }
  exchange->service().Submit(std::move(*command), Reply<SubmitResult>(exchange, AnswerSubmit));
}

void GetTransaction(const ExchangePtr& exchange) {
  std::optional<GetCommand> command =
      CommandOf(*exchange, DecodeGet(std::move(exchange->parameter(0)), exchange->query()));
  if (!command) {
    return;
  }
  command->by = exchange->by();
  const bool waited = command->wait.has_value();
  if (waited) {
    command->hangup = exchange->ClientHangup();
  }
  exchange->service().Get(
      std::move(*command),
      Reply<TxnDetail>(exchange, [waited](Exchange& answered, const TxnDetail& detail) {
        const bool early = waited && !detail.view.state->finished();
        answered.Answer(early ? 202 : 200, TransactionJson(detail));
      }));
}

void ListBranches(const ExchangePtr& exchange) {
  if (auto page = CommandOf(*exchange, DecodePage(exchange->query()))) {
    exchange->service().ListBranches({exchange->parameter(0), std::move(*page), exchange->by()},
                                     ReplyJson<BranchPage>(exchange, BranchListJson));
  }
}

void ListTransactions(const ExchangePtr& exchange) {
  if (auto command = CommandOf(*exchange, DecodeList(exchange->query()))) {
    command->by = exchange->by();
    exchange->service().List(std::move(*command),
                             ReplyJson<storage::SummaryPage>(exchange, TransactionListJson));
  }
}

void CountTransactions(const ExchangePtr& exchange) {
  if (auto command = CommandOf(*exchange, DecodeCount(exchange->query()))) {
    command->by = exchange->by();
    exchange->service().CountTransactions(std::move(*command),
                                          ReplyJson<std::vector<Count>>(exchange, CountsJson));
  }
}

void GetHistory(const ExchangePtr& exchange) {
  if (WithoutQuery(*exchange)) {
    exchange->service().GetHistory({std::move(exchange->parameter(0)), exchange->by()},
                                   ReplyJson<runtime::History>(exchange, HistoryJson));
  }
}

void GetBranchCall(const ExchangePtr& exchange) {
  if (WithoutQuery(*exchange)) {
    exchange->service().GetBranchCall(
        {exchange->parameter(0), exchange->parameter(1), exchange->by()},
        ReplyJson<BranchCallResult>(exchange, BranchCallJson));
  }
}

void Operate(Verb verb, const ExchangePtr& exchange) {
  std::optional<Json> body = BodyOf(*exchange);
  if (!body) {
    return;
  }
  std::optional<OperateCommand> command = CommandOf(
      *exchange, DecodeOperate(verb, std::move(exchange->parameter(0)), std::move(*body)));
  if (command) {
    command->by = exchange->by();
    exchange->service().Operate(std::move(*command),
                                ReplyJson<TxnDetail>(exchange, TransactionJson));
  }
}

void StartBulk(const ExchangePtr& exchange) {
  std::optional<Json> body = BodyOf(*exchange);
  if (!body) {
    return;
  }
  if (auto command = CommandOf(*exchange, DecodeBulkCommand(std::move(*body)))) {
    command->by = exchange->by();
    exchange->service().StartBulk(
        std::move(*command),
        Reply<BulkAction>(exchange, [](Exchange& answered, const BulkAction& action) {
          answered.Answer(action.id.empty() ? 200 : 201, BulkJson(action));
        }));
  }
}

void ListBulk(const ExchangePtr& exchange) {
  if (WithoutQuery(*exchange)) {
    exchange->service().ListBulk(exchange->by(),
                                 ReplyJson<std::vector<BulkAction>>(exchange, BulkListJson));
  }
}

void GetBulk(const ExchangePtr& exchange) {
  if (WithoutQuery(*exchange)) {
    exchange->service().GetBulk({exchange->parameter(0), exchange->by()},
                                ReplyJson<BulkAction>(exchange, BulkJson));
  }
}

void StopBulk(const ExchangePtr& exchange) {
  std::optional<Json> body = BodyOf(*exchange);
  if (body && CommandOf(*exchange, DecodeNothing(std::move(*body)))) {
    exchange->service().StopBulk({exchange->parameter(0), exchange->by()},
                                 ReplyJson<BulkAction>(exchange, BulkJson));
  }
}

void Signal(const ExchangePtr& exchange) {
  std::optional<Json> body = BodyOf(*exchange);
  if (!body) {
    return;
  }
  std::optional<SignalCommand> command =
      CommandOf(*exchange, DecodeSignal(std::move(exchange->parameter(0)), std::move(*body)));
  if (command) {
    command->by = exchange->by();
    if (const auto id = exchange->request().headers.Find("entente-signal-id")) {
      command->header_id = std::string(*id);
    }
    exchange->service().Signal(std::move(*command),
                               ReplyJson<TxnDetail>(exchange, TransactionJson));
  }
}

// From somebody who knows nothing of outcomes: what the call's `completion` makes of it counts.
// Whatever query was added to the address is his own affair.
void TakeCallback(const ExchangePtr& exchange) {
  auto body = CommandOf(*exchange, ParseBody(exchange->TakeBody()));
  if (body) {
    CompleteCommand command;
    command.token = std::move(exchange->parameter(0));
    command.outcome = "done";
    command.output = *std::move(body);
    command.by = exchange->by();
    exchange->service().Complete(std::move(command),
                                 ReplyJson<CompleteResult>(exchange, CompletionJson));
  }
}

void Complete(const ExchangePtr& exchange) {
  if (exchange->path().starts_with("/v1/callbacks/")) {
    TakeCallback(exchange);
    return;
  }
  std::optional<Json> body = BodyOf(*exchange);
  if (!body) {
    return;
  }
  std::optional<CompleteCommand> command =
      CommandOf(*exchange, DecodeComplete(std::move(exchange->parameter(0)), std::move(*body)));
  if (command) {
    command->by = exchange->by();
    exchange->service().Complete(std::move(*command),
                                 ReplyJson<CompleteResult>(exchange, CompletionJson));
  }
}

// ---- Definitions.

void PutDefinition(const ExchangePtr& exchange) {
  if (WithoutQuery(*exchange)) {
    exchange->service().PutDefinition(
        {std::move(exchange->parameter(0)), exchange->TakeBody(), exchange->by()},
        ReplyJson<StoredDefinition>(exchange, StoredDefinitionJson));
  }
}

void ValidateDefinition(const ExchangePtr& exchange) {
  if (WithoutQuery(*exchange)) {
    exchange->service().ValidateDefinition(
        exchange->TakeBody(), ReplyJson<std::vector<dsl::Problem>>(exchange, ValidationJson));
  }
}

void DryRun(const ExchangePtr& exchange) {
  std::optional<Json> body = BodyOf(*exchange);
  if (!body) {
    return;
  }
  if (auto command = CommandOf(*exchange, DecodeDryRun(std::move(*body)))) {
    command->by = exchange->by();
    exchange->service().DryRun(std::move(*command), ReplyJson<DryRunResult>(exchange, DryRunJson));
  }
}

void GetDefinition(const ExchangePtr& exchange) {
  if (WithoutQuery(*exchange)) {
    exchange->service().GetDefinition(
        {std::move(exchange->parameter(0)), std::nullopt, exchange->by()},
        ReplyJson<storage::DefinitionRow>(exchange, DefinitionJson));
  }
}

void GetVersion(const ExchangePtr& exchange) {
  if (!WithoutQuery(*exchange)) {
    return;
  }
  const std::optional<uint32_t> version = ParseNumber(exchange->parameter(1));
  if (!version || *version == 0) {
    exchange->Fail(InvalidRequest({{"version", "must be a whole number from 1", ""}}));
    return;
  }
  exchange->service().GetDefinition({std::move(exchange->parameter(0)), version, exchange->by()},
                                    ReplyJson<storage::DefinitionRow>(exchange, DefinitionJson));
}

void ListDefinitions(const ExchangePtr& exchange, std::optional<std::string> name) {
  if (auto page = CommandOf(*exchange, DecodePage(exchange->query()))) {
    exchange->service().ListDefinitions({std::move(name), std::move(*page), exchange->by()},
                                        ReplyJson<DefinitionPage>(exchange, DefinitionListJson));
  }
}

// ---- The coordinator.

void ListIncidents(const ExchangePtr& exchange) {
  if (auto command = CommandOf(*exchange, DecodeIncidents(exchange->query()))) {
    command->by = exchange->by();
    exchange->service().List(std::move(*command),
                             ReplyJson<storage::SummaryPage>(exchange, IncidentListJson));
  }
}

void ListParticipants(const ExchangePtr& exchange) {
  if (auto page = CommandOf(*exchange, DecodePage(exchange->query()))) {
    ReplyJson<ParticipantPage>(
        exchange, ParticipantListJson)(exchange->service().ListParticipants(std::move(*page)));
  }
}

void ListNodes(const ExchangePtr& exchange) {
  if (WithoutQuery(*exchange)) {
    exchange->Answer(200, NodeListJson(exchange->service().Nodes()));
  }
}

void ListDeadLetters(const ExchangePtr& exchange) {
  if (auto page = CommandOf(*exchange, DecodePage(exchange->query()))) {
    ReplyJson<DeadLetterPage>(
        exchange, DeadLetterListJson)(exchange->service().ListDeadLetters(std::move(*page)));
  }
}

void SendDeadLetters(const ExchangePtr& exchange) {
  std::optional<Json> body = BodyOf(*exchange);
  if (!body) {
    return;
  }
  if (auto ids = CommandOf(*exchange, DecodeDeadLetterIds(std::move(*body)))) {
    exchange->service().SendDeadLetters({std::move(*ids), exchange->by()},
                                        ReplyJson<uint32_t>(exchange, SentDeadLettersJson));
  }
}

void ListAudit(const ExchangePtr& exchange) {
  if (auto query = CommandOf(*exchange, DecodeAuditQuery(exchange->query()))) {
    exchange->audit().List(std::move(*query), ReplyJson<audit::AuditPage>(exchange, AuditListJson));
  }
}

void Health(const ExchangePtr& exchange) {
  if (WithoutQuery(*exchange)) {
    const HealthReport report = exchange->service().Health();
    exchange->Answer(report.stalled ? 503 : 200, HealthJson(report));
  }
}

void Ready(const ExchangePtr& exchange) {
  if (WithoutQuery(*exchange)) {
    const HealthReport report = exchange->service().Health();
    exchange->Answer(report.health.ready ? 200 : 503, HealthJson(report));
  }
}

void Metrics(const ExchangePtr& exchange) {
  if (WithoutQuery(*exchange)) {
    const Service& service = exchange->service();
    const observe::TextFormat format =
        observe::FormatFor(exchange->request().headers.Find("accept").value_or(""));
    observe::Exposition out(format);
    WriteMetrics(service.Metrics(), service.Health(), service.Participants(), service.Nodes(),
                 exchange->HttpStats(), exchange->grpc_stats(), out);
    exchange->WriteMeasurements(out);
    exchange->AnswerText(observe::ContentTypeOf(format), out.Take());
  }
}

void OpenApi(const ExchangePtr& exchange) {
  if (WithoutQuery(*exchange)) {
    exchange->AnswerText("application/json", std::string(OpenApiDocument()));
  }
}

// ---- Server-sent events.

// A stream to be started, or null if the request is answered.
std::shared_ptr<SseStream> NewStream(Exchange& exchange) {
  const std::shared_ptr<StreamSet> streams = exchange.streams();
  std::shared_ptr<SseStream> stream = streams == nullptr ? nullptr : streams->Add();
  if (stream == nullptr) {
    exchange.Fail({ResourceExhausted("events.too_many_streams",
                                     "as many event streams are open as there may be; close one, "
                                     "or ask again later"),
                   {},
                   {}});
    return nullptr;
  }
  stream->OnEnded([streams = std::weak_ptr(streams)](const std::shared_ptr<SseStream>& ended) {
    if (const std::shared_ptr<StreamSet> set = streams.lock()) {
      set->Remove(ended);
    }
  });
  return stream;
}

// From the header that EventSource sends when it comes back, else from the query.
Outcome<uint32_t> AfterRevision(Exchange& exchange) {
  QueryReader query(exchange.query());
  const std::optional<uint32_t> asked = query.TakeNumber("afterRevision", /*least=*/0);
  if (std::optional<Error> error = query.Finish()) {
    return std::move(*error);
  }
  const std::optional<std::string_view> seen = exchange.request().headers.Find("Last-Event-ID");
  if (!seen) {
    return asked.value_or(0);
  }
  const std::optional<uint32_t> revision = ParseNumber(*seen);
  if (!revision) {
    return InvalidRequest({{"Last-Event-ID", "is not a revision", "send the id of an event"}});
  }
  return *revision;
}

void WatchTransaction(const ExchangePtr& exchange) {
  const std::optional<uint32_t> after = CommandOf(*exchange, AfterRevision(*exchange));
  if (!after) {
    return;
  }
  const std::shared_ptr<SseStream> stream = NewStream(*exchange);
  if (stream == nullptr) {
    return;
  }
  stream->feed()->WatchTransaction(
      exchange->service().coordinator(), exchange->by(), Gid(exchange->parameter(0)),
      Sequence(*after), exchange->streams()->here(), [exchange, stream](Outcome<bool> opened) {
        const std::shared_ptr<StreamSet> streams = exchange->streams();
        if (streams == nullptr) {
          return;  // The worker stopped serving, and the stream with it.
        }
        const Error* error = std::get_if<Error>(&opened);
        if (error == nullptr && std::get<bool>(opened)) {
          stream->Start(exchange->Stream(), /*with_ids=*/true);
          return;
        }
        streams->Remove(stream);
        if (error != nullptr) {
          exchange->Fail(*error);
        } else {
          // All of it was seen: 204 tells an EventSource not to come back.
          exchange->AnswerWith(204, AnswerHeaders("text/event-stream"), "");
        }
      });
}

void WatchEvents(const ExchangePtr& exchange) {
  std::optional<EventFilter> filter = CommandOf(*exchange, DecodeEventFilter(exchange->query()));
  if (!filter) {
    return;
  }
  filter->by = exchange->by();
  if (const std::optional<Error> error = CheckFilter(*filter)) {
    exchange->Fail(*error);
    return;
  }
  if (const std::shared_ptr<SseStream> stream = NewStream(*exchange)) {
    stream->feed()->WatchAll(exchange->service().coordinator(), std::move(*filter),
                             [exchange, stream] {
                               if (exchange->streams() != nullptr) {  // Else it stopped serving.
                                 stream->Start(exchange->Stream(), /*with_ids=*/false);
                               }
                             });
  }
}

}  // namespace

void Perform(Action action, const ExchangePtr& exchange) {
  switch (action) {
    case Action::kSubmit: return Submit(exchange);
    case Action::kBegin: return Begin(exchange);
    case Action::kEnlist: return Enlist(exchange);
    case Action::kCommit: return Decide(DecideCommand::Verb::kCommit, exchange);
    case Action::kAbort: return Decide(DecideCommand::Verb::kAbort, exchange);
    case Action::kGetDecision: return GetDecision(exchange);
    case Action::kGetTransaction: return GetTransaction(exchange);
    case Action::kListBranches: return ListBranches(exchange);
    case Action::kListTransactions: return ListTransactions(exchange);
    case Action::kCountTransactions: return CountTransactions(exchange);
    case Action::kGetHistory: return GetHistory(exchange);
    case Action::kGetBranchCall: return GetBranchCall(exchange);
    case Action::kWatchTransaction: return WatchTransaction(exchange);
    case Action::kCancel: return Operate(Verb::kCancel, exchange);
    case Action::kPause: return Operate(Verb::kPause, exchange);
    case Action::kResume: return Operate(Verb::kResume, exchange);
    case Action::kRetry: return Operate(Verb::kRetry, exchange);
    case Action::kEdit: return Operate(Verb::kEdit, exchange);
    case Action::kSkip: return Operate(Verb::kSkip, exchange);
    case Action::kCompleteBranch: return Operate(Verb::kComplete, exchange);
    case Action::kResolve: return Operate(Verb::kResolve, exchange);
    case Action::kStartBulk: return StartBulk(exchange);
    case Action::kListBulk: return ListBulk(exchange);
    case Action::kGetBulk: return GetBulk(exchange);
    case Action::kStopBulk: return StopBulk(exchange);
    case Action::kSignal: return Signal(exchange);
    case Action::kComplete: return Complete(exchange);
    case Action::kPutDefinition: return PutDefinition(exchange);
    case Action::kValidateDefinition: return ValidateDefinition(exchange);
    case Action::kDryRun: return DryRun(exchange);
    case Action::kGetDefinition: return GetDefinition(exchange);
    case Action::kListDefinitions: return ListDefinitions(exchange, std::nullopt);
    case Action::kListVersions: return ListDefinitions(exchange, exchange->parameter(0));
    case Action::kGetVersion: return GetVersion(exchange);
    case Action::kListIncidents: return ListIncidents(exchange);
    case Action::kListParticipants: return ListParticipants(exchange);
    case Action::kListNodes: return ListNodes(exchange);
    case Action::kListDeadLetters: return ListDeadLetters(exchange);
    case Action::kSendDeadLetters: return SendDeadLetters(exchange);
    case Action::kWatchEvents: return WatchEvents(exchange);
    case Action::kGetSession: return GetSession(exchange);
    case Action::kCreateToken: return CreateToken(exchange);
    case Action::kListTokens: return ListTokens(exchange);
    case Action::kRevokeToken: return RevokeToken(exchange);
    case Action::kListAudit: return ListAudit(exchange);
    case Action::kListKeys: return ListKeys(exchange);
    case Action::kRotateKeys: return RotateKeys(exchange);
    case Action::kHealth: return Health(exchange);
    case Action::kReady: return Ready(exchange);
    case Action::kMetrics: return Metrics(exchange);
    case Action::kOpenApi: return OpenApi(exchange);
  }
}

}  // namespace entente::api
