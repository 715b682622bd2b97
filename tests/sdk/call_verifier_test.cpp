// Whom a participant carries out a call for.
#include "entente/call_verifier.h"

#include <atomic>
#include <chrono>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include <catch2/catch.hpp>

#include "entente/participant.h"
#include "net/signing/call_signature.h"
#include "net/signing/json_web_keys.h"
#include "participant-sdk/src/participant/coordinator_keys.h"
#include "tests/sdk/canned_server.h"

namespace entente::sdk {
namespace {

using net::SigningKey;

Instant WallClock() {
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  return Instant(std::chrono::duration_cast<Duration>(now));
}

std::string PublicText(const SigningKey& key) {
  return net::JsonWebKeyOf(key.public_key()).at("x").get<std::string>();
}

std::string KeySet(const std::vector<SigningKey>& keys) {
  Json set{{"keys", Json::array()}};
  for (const SigningKey& key : keys) {
    set["keys"].push_back(net::JsonWebKeyOf(key.public_key()));
  }
  return DumpJson(set);
}

HttpRequest SignedRequest(const SigningKey& key, Instant created = WallClock(),
                          const std::string& operation = "confirm") {
  HttpRequest request{.method = "POST", .target = "/x/" + operation, .body = "{}"};
  net::HttpHeaders headers{{"Entente-Gid", "g1"},
                           {"Entente-Branch", "b1"},
                           {"Entente-Epoch", "7"},
                           {"Entente-Audience", "hotels:9000"},
                           {"Idempotency-Key", "g1:b1:" + operation}};
  net::SignCall(key, {net::CallProtocol::kHttp, request.method, request.target, request.body},
                created, headers);
  for (size_t i = 0; i < headers.size(); ++i) {
    request.headers.emplace_back(headers.name(i), headers.value(i));
  }
  return request;
}

std::string ReasonOf(const Status& status) {
  return status.ok() ? "ok" : status.reason();
}

std::shared_ptr<const CallVerifier> Make(VerifierOptions options) {
  auto verifier = CallVerifier::Make(std::move(options));
  REQUIRE(verifier.ok());
  return std::move(verifier).value();
}

// A participant that counts what it carried out.
struct Guarded {
  explicit Guarded(std::shared_ptr<const CallVerifier> verifier) {
    const Handler count = [this](const Call&) -> Result<Answer> {
      ++carried_out;
      return Done();
    };
    REQUIRE(participant.Register("x", TccHandlers{count, count, count}).ok());
    REQUIRE(participant
                .RegisterPoll("p",
                              [this](const Call&, std::string_view) -> Result<Answer> {
                                ++carried_out;
                                return Done();
                              })
                .ok());
    participant.RequireSigned(std::move(verifier));
  }
  Participant participant;
  std::atomic<int> carried_out{0};
};

std::string Field(const HttpResponse& response, const std::string& name) {
  for (const auto& [key, value] : response.headers) {
    if (key == name) {
      return value;
    }
  }
  return "";
}

TEST_CASE("only the coordinator's calls are carried out, and others learn nothing") {
  const SigningKey key = SigningKey::Generate();
  Guarded guarded(Make({.keys = {PublicText(key)}}));
  CHECK(guarded.participant.Handle(SignedRequest(key)).status == 200);
  CHECK(guarded.carried_out == 1);
  HttpRequest unsigned_call = SignedRequest(key);
  std::erase_if(unsigned_call.headers, [](const auto& header) {
    return header.first == "Signature" || header.first == "Signature-Input";
  });
  HttpRequest altered = SignedRequest(key);
  altered.target = "/x/cancel";
  HttpRequest poisoned = SignedRequest(key);
  for (auto& [name, value] : poisoned.headers) {
    value = name == "Entente-Epoch" ? "9223372036854775807" : value;
  }
  HttpRequest nowhere = unsigned_call;
  nowhere.target = "/no/such";
  HttpRequest poll = unsigned_call;
  poll.method = "GET";
  poll.target = "/p/1";
  const std::vector<std::pair<HttpRequest, std::string>> strangers = {
      {unsigned_call, "signature.missing"},
      {nowhere, "signature.missing"},
      {poll, "signature.missing"},
      {altered, "signature.altered"},
      {poisoned, "signature.altered"},
      {SignedRequest(key, WallClock() - std::chrono::minutes(6)), "signature.stale"},
      {SignedRequest(key, WallClock() + std::chrono::minutes(6)), "signature.stale"},
      {SignedRequest(SigningKey::Generate()), "signature.unknown_key"},
  };
  for (const auto& [request, reason] : strangers) {
    CAPTURE(reason, request.target);
    const HttpResponse response = guarded.participant.Handle(request);
    // Not 401, which the coordinator would take for a refusal of the operation.
    CHECK(response.status == 425);
    CHECK(Field(response, "Entente-Unverified") == reason);
    CHECK(Json::parse(response.body).value("code", "") == reason);
  }
  CHECK(guarded.carried_out == 1);
}

TEST_CASE("a call that was signed for another participant is refused where one says who one is") {
  const SigningKey key = SigningKey::Generate();
  const auto reason = [&key](std::vector<std::string> audiences) {
    return ReasonOf(Make({.keys = {PublicText(key)}, .audiences = std::move(audiences)})
                        ->Verify(SignedRequest(key)));
  };
  CHECK(reason({}) == "ok");
  CHECK(reason({"hotels", "hotels:9000"}) == "ok");
  CHECK(reason({"flights:9000"}) == "signature.wrong_audience");
}

TEST_CASE("a verifier that could trust anybody is not made") {
  const auto reason = [](VerifierOptions options) {
    return CallVerifier::Make(std::move(options)).status().reason();
  };
  CHECK(reason({}) == "verifier.no_keys");
  CHECK(reason({.coordinator = "http://entente.example:8080"}) == "verifier.insecure");
  CHECK(reason({.coordinator = "http://127.0.0.1.example.org"}) == "verifier.insecure");
  CHECK(reason({.coordinator = "entente"}) == "client.bad_server");
  CHECK(reason({.keys = {"nothing"}}) == "key.invalid");
  CHECK(CallVerifier::Make({.coordinator = "https://entente.example"}).ok());
}

TEST_CASE("keys are fetched from the coordinator when they are first needed, and once") {
  const SigningKey key = SigningKey::Generate();
  test::CannedServer server({{.body = KeySet({key})}});
  const auto verifier = Make({.coordinator = server.url()});
  CHECK(server.seen().empty());
  CHECK(ReasonOf(verifier->Verify(SignedRequest(key))) == "ok");
  CHECK(ReasonOf(verifier->Verify(SignedRequest(key))) == "ok");
  // Strangers can not make them be fetched again and again.
  for (int call = 0; call < 20; ++call) {
    CHECK(ReasonOf(verifier->Verify(SignedRequest(SigningKey::Generate()))) ==
          "signature.unknown_key");
  }
  REQUIRE(server.seen().size() == 1);
  CHECK(server.seen().front().target == "/v1/keys");
}

TEST_CASE("a coordinator that does not tell its keys leaves its calls in doubt") {
  test::CannedServer server({test::Problem(503, "coordinator.recovering", "later")});
  const auto verifier = Make({.coordinator = server.url()});
  CHECK(ReasonOf(verifier->Verify(SignedRequest(SigningKey::Generate()))) ==
        "signature.keys_unavailable");
}

// What is fetched, and the clock.
struct Source {
  std::vector<net::VerifyingKey> published;
  Status failure;
  int fetches = 0;
  std::chrono::steady_clock::time_point now{};

  CoordinatorKeys Keys() {
    return CoordinatorKeys(
        {},
        [this]() -> Result<std::vector<net::VerifyingKey>> {
          ++fetches;
          return failure.ok() ? Result(published) : failure;
        },
        {std::chrono::minutes(5), std::chrono::seconds(10), std::chrono::seconds(2)},
        [this] { return now; });
  }
};

TEST_CASE("a key that is published is found, one that is withdrawn is forgotten") {
  const SigningKey first = SigningKey::Generate();
  const SigningKey second = SigningKey::Generate();
  Source source;
  source.published = {first.public_key()};
  CoordinatorKeys keys = source.Keys();
  CHECK(keys.Find(first.id()).ok());
  CHECK(keys.Find(second.id()).status().reason() == "signature.unknown_key");
  CHECK(source.fetches == 1);  // Both within the pause.
  source.published = {first.public_key(), second.public_key()};
  source.now += std::chrono::seconds(10);
  CHECK(keys.Find(second.id()).ok());
  source.published = {second.public_key()};
  CHECK(keys.Find(first.id()).ok());
  source.now += std::chrono::minutes(5);
  CHECK(keys.Find(first.id()).status().reason() == "signature.unknown_key");
  CHECK(keys.Find(second.id()).ok());
  CHECK(source.fetches == 3);
}

TEST_CASE("what is known is used on while the coordinator can not be asked") {
  const SigningKey key = SigningKey::Generate();
  Source source;
  source.published = {key.public_key()};
  CoordinatorKeys keys = source.Keys();
  CHECK(keys.Find(key.id()).ok());
  source.failure = Unavailable("client.unreachable", "it is gone");
  source.now += std::chrono::hours(1);
  CHECK(keys.Find(key.id()).ok());
  CHECK(source.fetches == 2);
  CHECK(keys.Find(key.id()).ok());
  CHECK(source.fetches == 2);  // Not with every call.
  CHECK(keys.Find("other").status().reason() == "signature.keys_unavailable");
}

TEST_CASE("calls that come while the keys are fetched wait for them") {
  const SigningKey key = SigningKey::Generate();
  std::atomic<int> fetches{0};
  std::atomic<int> asked{0};
  constexpr int kCallers = 4;
  CoordinatorKeys keys({},
                       [&]() -> Result<std::vector<net::VerifyingKey>> {
                         ++fetches;
                         while (asked < kCallers) {
                           std::this_thread::yield();
                         }
                         return std::vector<net::VerifyingKey>{key.public_key()};
                       },
                       {std::chrono::minutes(5), std::chrono::hours(1), std::chrono::minutes(1)});
  std::vector<std::thread> callers;
  std::atomic<int> found{0};
  for (int i = 0; i < kCallers; ++i) {
    callers.emplace_back([&] {
      ++asked;
      found += keys.Find(key.id()).ok() ? 1 : 0;
    });
  }
  for (std::thread& caller : callers) {
    caller.join();
  }
  CHECK(fetches == 1);
  CHECK(found == kCallers);
}

}  // namespace
}  // namespace entente::sdk
