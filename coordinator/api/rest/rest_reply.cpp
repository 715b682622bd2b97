#include "coordinator/api/rest/rest_reply.h"

#include "coordinator/api/json/json_encode.h"

namespace entente::api {

bool WithoutQuery(Exchange& exchange) {
  if (exchange.query().empty()) {
    return true;
  }
  const std::optional<Error> error = RefuseQuery(exchange.query());
  if (error) {
    exchange.Fail(*error);
  }
  return !error;
}

std::optional<Json> BodyOf(Exchange& exchange) {
  if (!WithoutQuery(exchange)) {
    return std::nullopt;
  }
  const std::string body = exchange.TakeBody();
  if (body.empty()) {
    return Json::object();
  }
  return CommandOf(exchange, ParseBody(body));
}

std::string TraceparentOf(const Exchange& exchange) {
  return std::string(exchange.request().headers.Find("traceparent").value_or(""));
}

void AnswerSubmit(Exchange& exchange, const SubmitResult& result) {
  const engine::TxnState& state = *result.view.state;
  int status = result.created ? 201 : 200;
  if (result.waited) {
    status = state.finished() ? 200 : 202;
  }
  net::HttpHeaders headers = AnswerHeaders("application/json");
  headers.Add("Location", "/v1/transactions/" + state.gid.str());
  headers.Add("Entente-Created", result.created ? "true" : "false");
  exchange.AnswerWith(status, std::move(headers), TransactionJson({result.view, {}}));
}

}  // namespace entente::api
