// The routes about the keys that sign calls.
#include <utility>

#include "coordinator/api/json/json_decode.h"
#include "coordinator/api/json/json_encode.h"
#include "coordinator/api/rest/rest_reply.h"

namespace entente::api {

void ListKeys(const ExchangePtr& exchange) {
  if (WithoutQuery(*exchange)) {
    exchange->Answer(200, KeySetJson(exchange->keys().List()));
  }
}

void RotateKeys(const ExchangePtr& exchange) {
  std::optional<Json> body = BodyOf(*exchange);
  if (!body) {
    return;
  }
  if (auto command = CommandOf(*exchange, DecodeRotateKeys(std::move(*body)))) {
    command->by = exchange->by();
    exchange->keys().Rotate(*command, ReplyJson<KeyList>(exchange, KeySetJson));
  }
}

}  // namespace entente::api
