// The routes about tokens, and about whose request it is.
#include <utility>

#include "coordinator/api/json/json_decode.h"
#include "coordinator/api/json/json_encode.h"
#include "coordinator/api/rest/rest_reply.h"

namespace entente::api {

void GetSession(const ExchangePtr& exchange) {
  if (WithoutQuery(*exchange)) {
    exchange->Answer(200, SessionJson(*exchange->by()));
  }
}

void CreateToken(const ExchangePtr& exchange) {
  std::optional<Json> body = BodyOf(*exchange);
  if (!body) {
    return;
  }
  std::optional<CreateTokenCommand> command =
      CommandOf(*exchange, DecodeCreateToken(std::move(*body)));
  if (command) {
    command->by = exchange->by();
    exchange->tokens().Create(
        std::move(*command),
        Reply<identity::CreatedToken>(
            exchange, [](Exchange& answered, const identity::CreatedToken& created) {
              answered.Answer(201, TokenJson(created.info, created.text));
            }));
  }
}

void ListTokens(const ExchangePtr& exchange) {
  if (WithoutQuery(*exchange)) {
    ReplyJson<std::vector<identity::TokenInfo>>(exchange, TokenListJson)(exchange->tokens().List());
  }
}

void RevokeToken(const ExchangePtr& exchange) {
  std::optional<Json> body = BodyOf(*exchange);
  if (body && CommandOf(*exchange, DecodeNothing(std::move(*body)))) {
    exchange->tokens().Revoke(
        std::move(exchange->parameter(0)), exchange->by(),
        ReplyJson<identity::TokenInfo>(
            exchange, [](const identity::TokenInfo& info) { return TokenJson(info); }));
  }
}

}  // namespace entente::api
