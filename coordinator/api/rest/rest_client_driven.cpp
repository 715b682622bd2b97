// The routes of transactions that a client drives.
#include <utility>

#include "coordinator/api/json/json_encode.h"
#include "coordinator/api/rest/rest_reply.h"

namespace entente::api {
namespace {

void AnswerEnlist(Exchange& exchange, const SubmitResult& result) {
  net::HttpHeaders headers = AnswerHeaders("application/json");
  headers.Add("Entente-Created", result.created ? "true" : "false");
  exchange.AnswerWith(result.created ? 201 : 200, std::move(headers),
                      TransactionJson({result.view, {}}));
}

void AnswerDecide(Exchange& exchange, const TxnDetail& detail) {
  exchange.Answer(detail.view.state->finished() ? 200 : 202, TransactionJson(detail));
}

}  // namespace

void Begin(const ExchangePtr& exchange) {
  std::optional<Json> body = BodyOf(*exchange);
  if (!body) {
    return;
  }
  std::optional<BeginCommand> command = CommandOf(*exchange, DecodeBegin(std::move(*body)));
  if (command) {
    command->by = exchange->by();
    command->traceparent = TraceparentOf(*exchange);
    exchange->service().Begin(std::move(*command), Reply<SubmitResult>(exchange, AnswerSubmit));
  }
}

void Enlist(const ExchangePtr& exchange) {
  // The body goes on as it came, so that its mistakes are shown by the lines it has.
  if (WithoutQuery(*exchange)) {
    exchange->service().Enlist(
        {std::move(exchange->parameter(0)), exchange->TakeBody(), exchange->by()},
        Reply<SubmitResult>(exchange, AnswerEnlist));
  }
}

void Decide(DecideCommand::Verb verb, const ExchangePtr& exchange) {
  std::optional<Json> body = BodyOf(*exchange);
  if (!body) {
    return;
  }
  std::optional<DecideCommand> command =
      CommandOf(*exchange, DecodeDecide(verb, std::move(exchange->parameter(0)), std::move(*body)));
  if (command) {
    command->by = exchange->by();
    if (command->wait) {
      command->hangup = exchange->ClientHangup();
    }
    exchange->service().Decide(std::move(*command), Reply<TxnDetail>(exchange, AnswerDecide));
  }
}

void GetDecision(const ExchangePtr& exchange) {
  if (WithoutQuery(*exchange)) {
    exchange->service().GetDecision({exchange->parameter(0), exchange->by()},
                                    ReplyJson<DecisionResult>(exchange, DecisionJson));
  }
}

}  // namespace entente::api
