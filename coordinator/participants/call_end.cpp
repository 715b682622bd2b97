#include "coordinator/participants/call_end.h"

#include <algorithm>

#include "coordinator/participants/classify.h"

namespace entente::participants {
namespace {

using Ending = CallEnd::Result;

Ending EndingOf(const net::CallError& error) {
  switch (error.fault) {
    case net::CallFault::kLocal: return Ending::kExhausted;
    case net::CallFault::kTimeLimit: return Ending::kTimedOut;
    case net::CallFault::kPeer: break;
  }
  switch (error.failure) {
    case net::CallFailure::kInvalidRequest: return Ending::kNotMade;
    case net::CallFailure::kNotSent:
    case net::CallFailure::kUnknown: return Ending::kTransportFailure;
    case net::CallFailure::kBadResponse: break;
  }
  return Ending::kAnswered;
}

bool IsRead(const dsl::AnswerRules* rules, int code) {
  const auto has = [code](const std::vector<int>& codes) {
    return std::find(codes.begin(), codes.end(), code) != codes.end();
  };
  return rules != nullptr && (has(rules->fail_on) || has(rules->succeed_on));
}

// To a participant that trusts none of our calls no call is of use: it is as good as away, and the
// breaker holds the others back.
CallEnd Answered(bool busy, int code, const net::HttpHeaders& headers, const CallTerms& terms) {
  if (IsUnverified(headers)) {
    return {Ending::kTransportFailure, terms.allowed, std::nullopt};
  }
  if (!busy || IsRead(terms.rules, code)) {
    return {Ending::kAnswered, terms.allowed, std::nullopt};
  }
  const auto value = headers.Find("retry-after");
  return {Ending::kBusy, terms.allowed, value ? ParseRetryAfter(*value, terms.now) : std::nullopt};
}

}  // namespace

CallEnd EndOf(const net::HttpOutcome& outcome, const CallTerms& terms) {
  if (const auto* error = std::get_if<net::CallError>(&outcome)) {
    return {EndingOf(*error), terms.allowed, std::nullopt};
  }
  const auto& response = std::get<net::HttpResponse>(outcome);
  const int status = response.status;
  const bool busy = status == 429 || (status >= 502 && status <= 504);
  return Answered(busy, status, response.headers, terms);
}

CallEnd EndOf(const net::GrpcOutcome& outcome, const CallTerms& terms) {
  if (const auto* error = std::get_if<net::CallError>(&outcome)) {
    return {EndingOf(*error), terms.allowed, std::nullopt};
  }
  const auto& response = std::get<net::GrpcResponse>(outcome);
  if (response.code == net::kGrpcUnavailable) {
    return {Ending::kTransportFailure, terms.allowed, std::nullopt};
  }
  if (response.code == net::kGrpcDeadlineExceeded) {
    return {Ending::kTimedOut, terms.allowed, std::nullopt};
  }
  return Answered(response.code == net::kGrpcResourceExhausted, response.code, response.metadata,
                  terms);
}

}  // namespace entente::participants
