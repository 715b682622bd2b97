// What the routes' functions have in common. Internal to api.
#pragma once

#include <optional>
#include <string>
#include <utility>
#include <variant>

#include "coordinator/api/commands.h"
#include "coordinator/api/json/json_decode.h"
#include "coordinator/api/rest/rest_exchange.h"

namespace entente::api {

// What the Service is given: answers a failure, and hands a result to `encode`.
template <class T, class Encode>
Done<T> Reply(const ExchangePtr& exchange, Encode encode) {
  return [exchange, encode = std::move(encode)](Outcome<T> outcome) {
    if (const Error* error = std::get_if<Error>(&outcome)) {
      exchange->Fail(*error);
    } else {
      encode(*exchange, std::get<T>(outcome));
    }
  };
}

// The common case: 200 and a document.
template <class T, class ToJson>
Done<T> ReplyJson(const ExchangePtr& exchange, ToJson to_json) {
  return Reply<T>(exchange, [to_json](Exchange& answered, const T& result) {
    answered.Answer(200, to_json(result));
  });
}

// Takes the command out of `outcome`, or answers the failure.
template <class Command>
std::optional<Command> CommandOf(Exchange& exchange, Outcome<Command> outcome) {
  if (const Error* error = std::get_if<Error>(&outcome)) {
    exchange.Fail(*error);
    return std::nullopt;
  }
  return std::get<Command>(std::move(outcome));
}

// Refuses every query parameter. False: it is answered.
[[nodiscard]] bool WithoutQuery(Exchange& exchange);

// The body as JSON, for routes without a query; an absent one is an empty object. Nothing: it is
// answered.
[[nodiscard]] std::optional<Json> BodyOf(Exchange& exchange);

// The W3C trace context of the request, or nothing.
[[nodiscard]] std::string TraceparentOf(const Exchange& exchange);

// 201 or 200 for what was created or was there; 202 and 200 for what was waited for.
void AnswerSubmit(Exchange& exchange, const SubmitResult& result);

// The routes about tokens.
void GetSession(const ExchangePtr& exchange);
void CreateToken(const ExchangePtr& exchange);
void ListTokens(const ExchangePtr& exchange);
void RevokeToken(const ExchangePtr& exchange);
void ListKeys(const ExchangePtr& exchange);
void RotateKeys(const ExchangePtr& exchange);

// The routes of transactions that a client drives.
void Begin(const ExchangePtr& exchange);
void Enlist(const ExchangePtr& exchange);
void Decide(DecideCommand::Verb verb, const ExchangePtr& exchange);
void GetDecision(const ExchangePtr& exchange);

}  // namespace entente::api
