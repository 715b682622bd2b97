// What a participant's answer means. Pure; the one place where status codes are read.
#pragma once

#include <string_view>

#include "base/time.h"
#include "dsl/plan.h"
#include "engine/input.h"
#include "net/core/call_error.h"
#include "net/grpc/grpc_client.h"
#include "net/http/http_client.h"

namespace entente::participants {

struct AnswerContext {
  dsl::Mode mode = dsl::Mode::kSaga;
  dsl::Role role = dsl::Role::kForward;
  const dsl::AnswerRules* rules = nullptr;  // Null: none.
  std::string_view completion_token;        // What was sent along; a pending answer repeats it.
  // The participant's origin: a poll address elsewhere is refused, so that an answer can not steer
  // the coordinator to a third party.
  const net::Origin* origin = nullptr;  // Null for gRPC.
  Instant now;                          // To read a Retry-After date.
  std::string_view asked = "/";         // The path of the request, to read a Location by.
  // What the service is called, if its SRV records led to `origin`: a poll address may name that,
  // too, and stands for `origin` then. Null: there is no other name.
  const net::Origin* called = nullptr;
};

// The table of docs/participants.md, and what an answer may say in headers (or metadata) beside it:
//   Entente-Vote: yes|read-only|no   a prepare, whatever the status; read-only: there is nothing to
//                                    commit or roll back. "no" is a refusal; a "yes" beside a
//                                    refusal contradicts itself: unknown.
//   Entente-Expires: <RFC 3339 instant>     a try: how long the reservation holds. No duration: an
//                                    answer may be a repeat of one that was given long ago.
//   Entente-Heuristic: committed|rolled-back|mixed   with 409 (ABORTED) to an operation that
//   carries
//                                    out a decision: the participant decided by itself. HTTP may
//                                    say it as the member "heuristic" of a JSON body too.
// Any other value of these three is a bad answer: what it was meant to say is not known, so the
// outcome is unknown. So is that of an answer in which one of these, or another header that may
// stand once, stands twice with different values: whichever was read, the other one might be meant.
// With another operation than those named they mean nothing.
// The output is the JSON body, or the text of one that is text/plain. A 2xx forward answer with any
// other body is unknown: it says "done", but what was done can not be read, and a portal or proxy
// answers like that too. The rules may say that the body is text whatever its type, or nothing; and
// which headers, and whether the status, are kept beside the output.
[[nodiscard]] engine::Reply ClassifyHttp(net::HttpResponse response, const AnswerContext& context);

// Whether an answer has the header Entente-Unverified: the participant could not tell who calls.
// Whatever else it says, the call was not carried out, and that is no refusal: Classify takes it
// for one that was turned away (ReplyNotSent, blocked, with a pause), and a poll for "not yet".
[[nodiscard]] bool IsUnverified(const net::HttpHeaders& headers);

// The answer to a poll of a pending operation: 2xx done, 202 still pending, 4xx but 404, 408, 425
// and 429 refused; anything else is unknown, with what was wrong, and it is polled again. A vote
// counts whatever the status, as in a direct answer. Of the rules only how a success is read holds.
[[nodiscard]] engine::Reply ClassifyPoll(net::HttpResponse response, std::string poll_url,
                                         const AnswerContext& context);

// Of a poll that got no answer: nothing it says ends the operation.
[[nodiscard]] engine::Reply ClassifyPollError(const net::CallError& error);

[[nodiscard]] engine::Reply ClassifyGrpc(net::GrpcResponse response, const AnswerContext& context);

[[nodiscard]] engine::Reply ClassifyError(const net::CallError& error);

// "UNAVAILABLE" for 14; "CODE_99" for a number gRPC does not define.
[[nodiscard]] std::string GrpcCodeName(int code);

// Retry-After (RFC 9110, 10.2.3): seconds, or an HTTP date in any of its three forms (5.6.7), at
// most a day. Nothing if it is neither or in the past.
[[nodiscard]] std::optional<Duration> ParseRetryAfter(std::string_view value, Instant now);

}  // namespace entente::participants
