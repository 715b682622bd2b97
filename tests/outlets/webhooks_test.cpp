#include "coordinator/outlets/webhooks.h"

#include <catch2/catch.hpp>

#include "base/json.h"
#include "observe/trace_ids.h"

namespace entente::outlets::test {
namespace {

runtime::TxnEvent EventOf(engine::RecordBody body) {
  runtime::TxnEvent event;
  event.gid = Gid("g");
  event.definition = "trip";
  event.entry = {Sequence(7), {InstantFromMicros(1'700'000'000'000'000), std::move(body)}};
  return event;
}

Json BodyOf(const Webhook& webhook) {
  return ParseJson(webhook.body, {10'000, 4}).value();
}

TEST_CASE("incidents, ends and missed deadlines are told, and nothing else") {
  const auto kind = [](engine::RecordBody body) {
    return KindOf({InstantFromMicros(0), std::move(body)});
  };
  CHECK(kind(engine::IncidentRaised{}) == WebhookKind::kIncident);
  CHECK(kind(engine::Ended{}) == WebhookKind::kEnded);
  CHECK(kind(engine::DeadlineMissed{}) == WebhookKind::kOverdue);
  CHECK_FALSE(kind(engine::AbortDecided{}));
  CHECK_FALSE(kind(engine::Paused{}));
}

TEST_CASE("what is told says which transaction, and what of it") {
  const Webhook raised = MakeWebhook(
      EventOf(engine::IncidentRaised{BranchId("pay"), {"http.500", "it \"broke\" \xff"}}));
  CHECK(raised.id == "g:7");
  CHECK(BodyOf(raised) == Json{{"type", "incident"},
                               {"gid", "g"},
                               {"revision", 7},
                               {"at", FormatInstant(InstantFromMicros(1'700'000'000'000'000))},
                               {"traceId", observe::TraceIdOf(Gid("g"), "")},
                               {"definition", "trip"},
                               {"branch", "pay"},
                               {"code", "http.500"},
                               {"message", "it \"broke\" \xEF\xBF\xBD"}});
  const Json ended = BodyOf(MakeWebhook(EventOf(engine::Ended{engine::TxnStatus::kMixed})));
  CHECK(ended.at("type") == "ended");
  CHECK(ended.at("status") == "MIXED");
}

TEST_CASE("events are signed as Standard Webhooks says") {
  // The example of its own documentation.
  const auto secret = ReadSecret("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw\n");
  REQUIRE(secret);
  const Webhook webhook{"msg_p5jXN8AQM9LWM0D4loKWxJek", {}, R"({"test": 2432232314})"};
  const PostHeaders headers =
      SignedHeaders(webhook, InstantFromMicros(1'614'265'330'000'000), *secret);
  CHECK(headers ==
        PostHeaders{{"Content-Type", "application/json"},
                    {"webhook-id", "msg_p5jXN8AQM9LWM0D4loKWxJek"},
                    {"webhook-timestamp", "1614265330"},
                    {"webhook-signature", "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="}});
  CHECK(SignedHeaders(webhook, InstantFromMicros(0), "").size() == 3);
}

TEST_CASE("a secret is base64 behind its prefix, or the text as it is") {
  CHECK(ReadSecret("whsec_YWJj") == "abc");
  CHECK(ReadSecret("whsec_YWI=\r\n") == "ab");
  CHECK(ReadSecret("plain text \n") == "plain text");
  CHECK_FALSE(ReadSecret(" \n"));
  CHECK_FALSE(ReadSecret("whsec_"));
  CHECK_FALSE(ReadSecret("whsec_a?bc"));
  CHECK_FALSE(ReadSecret("whsec_abc"));
}

TEST_CASE("a dead letter is kept with its reason, and its body as it was signed") {
  const DeadLetter letter{{"g:7", InstantFromMicros(5), R"({"type":"ended", "x":1.0})"},
                          "HTTP 500 \"no\"",
                          InstantFromMicros(9)};
  const auto read = DecodeDeadLetter("g:7", EncodeDeadLetter(letter));
  REQUIRE(read);
  CHECK(read->webhook.id == "g:7");
  CHECK(read->webhook.at == letter.webhook.at);
  CHECK(read->webhook.body == letter.webhook.body);
  CHECK(read->why == letter.why);
  CHECK(read->since == letter.since);
  CHECK_FALSE(read->waiting);
}

TEST_CASE("a dead letter that was kept without a reason is read as its body") {
  const Webhook told = MakeWebhook(EventOf(engine::Ended{engine::TxnStatus::kMixed}));
  const auto read = DecodeDeadLetter("g:7", told.body);
  REQUIRE(read);
  CHECK(read->webhook.body == told.body);
  CHECK(read->webhook.at == told.at);
  CHECK(read->since == told.at);
  CHECK(read->why.empty());
  CHECK_FALSE(DecodeDeadLetter("g:7", "no JSON"));
  CHECK_FALSE(DecodeDeadLetter("g:7", "[]"));
}

}  // namespace
}  // namespace entente::outlets::test
