// The participant over gRPC, called as the coordinator calls it: JSON in and out, the messages'
// shapes by server reflection.
#include "entente/participant_grpc.h"

#include <atomic>
#include <chrono>
#include <filesystem>
#include <future>
#include <latch>
#include <mutex>

#include <catch2/catch.hpp>

#include "entente/participant_grpc_server.h"
#include "net/grpc/grpc_client.h"
#include "net/signing/call_signature.h"
#include "net/signing/json_web_keys.h"
#include "tests/net/loopback.h"
#include "tests/net/test_certificates.h"

namespace entente::sdk {
namespace {

using net::GrpcOutcome;
using net::GrpcResponse;

class Fixture {
 public:
  Fixture() {
    const Handler scripted = [this](const Call& call) {
      const std::lock_guard lock(mutex);
      seen = call;
      return answer;
    };
    REQUIRE(participant.Register("x", SagaHandlers{scripted, scripted}).ok());
    REQUIRE(participant.Register("x", TccHandlers{scripted, scripted, scripted}).ok());
    REQUIRE(participant.Register("x", TwoPhaseHandlers{scripted, scripted, scripted}).ok());
    auto started = GrpcServer::Start(participant);
    REQUIRE(started.ok());
    server = std::move(started).value();
  }

  GrpcResponse Ask(const std::string& method, Json body, net::HttpHeaders metadata = {},
                   std::function<void(std::string_view, net::HttpHeaders&)> seal = nullptr) {
    net::GrpcRequest request;
    request.target = *net::ParseAuthority(server->target(), false, 0);
    request.method = "/entente.participant.v1.Participant/" + method;
    request.body = std::move(body);
    request.metadata = std::move(metadata);
    request.metadata.Add("entente-gid", "g1");
    request.metadata.Add("entente-branch", "b1");
    request.metadata.Add("entente-completion-token", "t0ken");
    request.seal = std::move(seal);
    Meet();
    std::promise<GrpcOutcome> promise;
    loop.Run([&] {
      client->Call(std::move(request), std::chrono::minutes(5),
                   [&](GrpcOutcome outcome) { promise.set_value(std::move(outcome)); });
    });
    GrpcOutcome outcome = promise.get_future().get();
    Meet();
    if (const auto* error = std::get_if<net::CallError>(&outcome)) {
      FAIL(error->message);
    }
    return std::get<GrpcResponse>(std::move(outcome));
  }

  ~Fixture() {
    loop.Run([&] { client.reset(); });
  }

  // gRPC orders a call's threads by means that thread sanitizer does not see.
  void Meet() { const std::lock_guard lock(mutex); }

  net::testing::Loop loop;
  std::unique_ptr<net::GrpcClient> client =
      std::make_unique<net::GrpcClient>(loop.io(), net::GrpcClientOptions());
  Participant participant;
  std::unique_ptr<GrpcServer> server;
  std::mutex mutex;
  Result<Answer> answer = Done();
  Call seen;
};

Json BodyOf(Json input) {
  return Json{{"handler", "x"}, {"input", std::move(input)}};
}

std::string Metadata(const GrpcResponse& response, std::string_view name) {
  return std::string(response.metadata.Find(name).value_or(""));
}

TEST_CASE("every operation has its method, and the answer is the output itself") {
  Fixture fixture;
  const std::vector<std::pair<std::string, Operation>> methods{
      {"Action", Operation::kAction}, {"Compensate", Operation::kCompensate},
      {"Try", Operation::kTry},       {"Confirm", Operation::kConfirm},
      {"Cancel", Operation::kCancel}, {"Prepare", Operation::kPrepare},
      {"Commit", Operation::kCommit}, {"Rollback", Operation::kRollback}};
  for (const auto& [method, operation] : methods) {
    fixture.answer = Done({{"did", method}});
    const GrpcResponse response = fixture.Ask(method, BodyOf(nullptr));
    CHECK(response.code == 0);
    CHECK(response.body == Json{{"did", method}});
    CHECK(fixture.seen.operation == operation);
  }
}

TEST_CASE("JSON of every kind arrives and comes back as it was") {
  Fixture fixture;
  const Json value = {{"text", "ü\n\"q\""},
                      {"whole", 9007199254740992},
                      {"minus", -5},
                      {"real", 2.5},
                      {"yes", true},
                      {"none", nullptr},
                      {"list", {1, "a", Json::array(), Json::object(), {{"deep", {1}}}}}};
  fixture.answer = Done(value);
  const GrpcResponse response = fixture.Ask("Action", BodyOf(value));
  CHECK(fixture.seen.input == value);
  CHECK(fixture.seen.input["whole"].is_number_integer());
  CHECK(response.body == value);
  fixture.answer = Done();
  CHECK(fixture.Ask("Action", Json{{"handler", "x"}}).body == nullptr);
  CHECK(fixture.seen.input == nullptr);
}

TEST_CASE("the facts arrive as metadata") {
  Fixture fixture;
  net::HttpHeaders metadata;
  metadata.Add("idempotency-key", "g1:b1:alt1:commit");
  metadata.Add("entente-epoch", "9");
  metadata.Add("entente-attempt", "2");
  metadata.Add("entente-one-phase", "true");
  fixture.Ask("Commit", BodyOf({}), std::move(metadata));
  CHECK(fixture.seen.gid.str() == "g1");
  CHECK(fixture.seen.epoch == Epoch(9));
  CHECK(fixture.seen.attempt == 2);
  CHECK(fixture.seen.alternative == 1);
  CHECK(fixture.seen.one_phase);
}

TEST_CASE("each answer has its gRPC form") {
  Fixture fixture;
  fixture.answer = Refused("full", "no seat");
  const GrpcResponse refused = fixture.Ask("Action", BodyOf({}));
  CHECK(refused.code == 9);
  CHECK(refused.message == "full: no seat");

  fixture.answer = Pending();
  const GrpcResponse pending = fixture.Ask("Action", BodyOf({}));
  CHECK(pending.code == 0);
  CHECK(Metadata(pending, "entente-pending") == "t0ken");

  fixture.answer = Retry("later", "soon", std::chrono::milliseconds(1500));
  const GrpcResponse retry = fixture.Ask("Action", BodyOf({}));
  CHECK(retry.code == 2);
  CHECK(Metadata(retry, "retry-after") == "2");

  fixture.answer = OutOfService("down", "gone", std::chrono::seconds(3));
  const GrpcResponse out = fixture.Ask("Action", BodyOf({}));
  CHECK(out.code == 8);
  CHECK(Metadata(out, "retry-after") == "3");

  fixture.answer = ReadOnly();
  const GrpcResponse read_only = fixture.Ask("Prepare", BodyOf({}));
  CHECK(read_only.code == 0);
  CHECK(Metadata(read_only, "entente-vote") == "read-only");

  fixture.answer = Heuristic(HeuristicOutcome::kCommitted, "by hand");
  const GrpcResponse heuristic = fixture.Ask("Rollback", BodyOf({}));
  CHECK(heuristic.code == 10);
  CHECK(Metadata(heuristic, "entente-heuristic") == "committed");

  fixture.answer = Internal("bug", "ours");
  CHECK(fixture.Ask("Action", BodyOf({})).code == 13);
  fixture.answer = Unavailable("barrier.busy", "locked");
  CHECK(fixture.Ask("Action", BodyOf({})).code == 2);
  CHECK(fixture.Ask("Action", Json{{"handler", "y"}}).code == 5);
}

TEST_CASE("a try says over gRPC until when it holds what it reserved") {
  Fixture fixture;
  fixture.answer = DoneUntil(InstantFromMicros(1'700'000'000'000'000), {{"seat", 1}});
  const GrpcResponse held = fixture.Ask("Try", BodyOf({}));
  CHECK(held.code == 0);
  CHECK(held.body == Json{{"seat", 1}});
  CHECK(Metadata(held, "entente-expires") == "2023-11-14T22:13:20Z");
}

TEST_CASE("what a value can not hold is reported, not rounded") {
  Fixture fixture;
  for (const Json& number :
       {Json(9007199254740993), Json(-9007199254740993), Json(18446744073709551615u)}) {
    fixture.answer = Done({{"id", number}});
    const GrpcResponse inexact = fixture.Ask("Action", BodyOf({}));
    CHECK(inexact.code == 2);
    CHECK_THAT(inexact.message, Catch::Contains("value.inexact"));
  }
  for (const bool objects : {false, true}) {
    Json nested = 1;
    for (int i = 0; i < kMaxGrpcDepth; ++i) {
      nested = objects ? Json{{"x", nested}} : Json::array({nested});
    }
    fixture.answer = Done(nested);
    CHECK(fixture.Ask("Action", BodyOf(nested)).body == nested);
    CHECK(fixture.seen.input == nested);
    fixture.answer = Done(Json::array({nested}));
    CHECK_THAT(fixture.Ask("Action", BodyOf({})).message, Catch::Contains("value.too_deep"));
  }
}

TEST_CASE("over gRPC too only the coordinator's calls are carried out") {
  const net::SigningKey key = net::SigningKey::Generate();
  Fixture fixture;
  const auto verifier = CallVerifier::Make(
      {.keys = {net::JsonWebKeyOf(key.public_key()).at("x").get<std::string>()}});
  REQUIRE(verifier.ok());
  fixture.participant.RequireSigned(*verifier);
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  const Instant created(std::chrono::duration_cast<Duration>(now));
  const auto sign = [&key](std::string method, Instant at) {
    return [&key, method = "/entente.participant.v1.Participant/" + std::move(method), at](
               std::string_view message, net::HttpHeaders& metadata) {
      net::SignCall(key, {net::CallProtocol::kGrpc, "POST", method, message}, at, metadata);
    };
  };
  // A map's entries have no order of their own: only the bytes that were sent are what was signed.
  const Json input{{"a", 1}, {"b", {{"c", "2"}, {"d", nullptr}}}, {"e", {1, 2, 3}}};
  fixture.answer = Done({{"did", true}});
  CHECK(fixture.Ask("Confirm", BodyOf(input), {}, sign("Confirm", created)).code == 0);
  CHECK(fixture.seen.input == input);
  fixture.seen = Call();
  const auto reason = [](const GrpcResponse& response) {
    CHECK(response.code == 2);  // UNKNOWN: no refusal.
    return Metadata(response, "entente-unverified");
  };
  CHECK(reason(fixture.Ask("Confirm", BodyOf(input))) == "signature.missing");
  CHECK(reason(fixture.Ask("Confirm", BodyOf(input), {}, sign("Cancel", created))) ==
        "signature.altered");
  CHECK(reason(fixture.Ask("Confirm", BodyOf(input), {},
                           sign("Confirm", created - std::chrono::hours(1)))) == "signature.stale");
  CHECK(reason(fixture.Ask("Confirm", BodyOf(input), {},
                           [&](std::string_view, net::HttpHeaders& metadata) {
                             sign("Confirm", created)("another message", metadata);
                           })) == "signature.altered");
  CHECK(reason(fixture.Ask("Confirm", BodyOf(input), {},
                           [&](std::string_view message, net::HttpHeaders& metadata) {
                             sign("Confirm", created)(message, metadata);
                             metadata.Add("entente-one-phase", "true");
                           })) == "signature.uncovered");
  CHECK(fixture.seen.gid.empty());
}

TEST_CASE("a stop waits for the call under way") {
  Participant participant;
  std::latch entered(1);
  std::latch release(1);
  const Handler slow = [&](const Call&) -> Result<Answer> {
    entered.count_down();
    release.wait();
    return Done("released");
  };
  REQUIRE(participant.Register("slow", SagaHandlers{slow, {}}).ok());
  Fixture fixture;
  fixture.server = std::move(GrpcServer::Start(participant)).value();
  auto response = std::async([&] { return fixture.Ask("Action", Json{{"handler", "slow"}}); });
  entered.wait();
  std::thread stopper([&] { fixture.server->Stop(std::chrono::minutes(5)); });
  release.count_down();
  CHECK(response.get().body == "released");
  stopper.join();
}

TEST_CASE("forward calls that wait leave threads for those that finish or undo") {
  Participant participant;
  std::latch entered(1);
  std::latch release(1);
  const Handler slow = [&](const Call&) -> Result<Answer> {
    entered.count_down();
    release.wait();
    return Done("released");
  };
  const Handler quick = [](const Call&) -> Result<Answer> { return Done("undone"); };
  REQUIRE(participant.Register("x", SagaHandlers{slow, quick}).ok());
  Fixture fixture;
  GrpcServerOptions options;
  options.threads = 4;
  options.reserved_threads = 1;
  fixture.server = std::move(GrpcServer::Start(participant, options)).value();
  auto waiting = std::async([&] { return fixture.Ask("Action", BodyOf({})); });
  entered.wait();
  const GrpcResponse busy = fixture.Ask("Action", BodyOf({}));
  CHECK(busy.code == 2);
  CHECK_THAT(busy.message, Catch::StartsWith("server.busy"));
  CHECK(Metadata(busy, "retry-after") == "1");
  CHECK(fixture.Ask("Compensate", BodyOf({})).body == "undone");
  release.count_down();
  CHECK(waiting.get().body == "released");
}

TEST_CASE("a port that is taken is reported") {
  Fixture fixture;
  GrpcServerOptions options;
  options.port = fixture.server->port();
  CHECK(GrpcServer::Start(fixture.participant, options).status().reason() ==
        "server.cannot_listen");
}

using net::testing::Certificates;

// Whether a client with these files is served.
bool Serves(const GrpcServer& server, const net::TlsClientOptions& tls) {
  net::GrpcClientOptions options;
  options.tls = tls;
  net::testing::Loop loop;
  auto client = std::make_unique<net::GrpcClient>(loop.io(), options);
  net::GrpcRequest request;
  request.target = *net::ParseAuthority(server.target(), true, 0);
  request.method = "/entente.participant.v1.Participant/Action";
  request.body = BodyOf(7);
  request.metadata.Add("entente-gid", "g1");
  request.metadata.Add("entente-branch", "b1");
  std::promise<GrpcOutcome> promise;
  loop.Run([&] {
    client->Call(std::move(request), std::chrono::minutes(5),
                 [&](GrpcOutcome outcome) { promise.set_value(std::move(outcome)); });
  });
  const GrpcOutcome outcome = promise.get_future().get();
  loop.Run([&] { client.reset(); });
  const auto* response = std::get_if<GrpcResponse>(&outcome);
  return response != nullptr && response->code == 0;
}

// Until a server that looks at its files now and then has.
bool ServesSoon(const GrpcServer& server, const net::TlsClientOptions& tls) {
  const auto until = std::chrono::steady_clock::now() + std::chrono::minutes(1);
  bool serves = false;
  while (!serves && std::chrono::steady_clock::now() < until) {
    serves = Serves(server, tls);
  }
  return serves;
}

TEST_CASE("over gRPC too TLS serves whom its authorities know, and takes what is replaced") {
  const Certificates first("127.0.0.1");
  const Certificates second("127.0.0.1");
  const Certificates shown("127.0.0.1");  // Whose files the server has.
  const Certificates clients("client");
  const Certificates strangers("client");
  const auto replace = [&shown](const Certificates& from) {
    const auto copy = std::filesystem::copy_options::overwrite_existing;
    std::filesystem::copy_file(from.key_file(), shown.key_file(), copy);
    std::filesystem::copy_file(from.certificate_file(), shown.certificate_file(), copy);
  };
  replace(first);
  Participant participant;
  const Handler done = [](const Call&) -> Result<Answer> { return Done(); };
  REQUIRE(participant.Register("x", SagaHandlers{done, done}).ok());
  GrpcServerOptions options;
  options.tls = {shown.certificate_file(), shown.key_file(), clients.ca_file()};
  const auto server = GrpcServer::Start(participant, options);
  REQUIRE(server.ok());
  const auto trusting = [](const Certificates& authority, const Certificates& own) {
    return net::TlsClientOptions{authority.ca_file(), own.certificate_file(), own.key_file()};
  };
  CHECK(Serves(**server, trusting(first, clients)));
  CHECK_FALSE(Serves(**server, trusting(first, strangers)));
  CHECK_FALSE(Serves(**server, {first.ca_file(), {}, {}}));
  CHECK_FALSE(Serves(**server, trusting(second, clients)));
  replace(second);
  CHECK(ServesSoon(**server, trusting(second, clients)));
  CHECK_FALSE(Serves(**server, trusting(second, strangers)));

  options.tls.key_file = "/nowhere";
  CHECK(GrpcServer::Start(participant, options).status().reason() == "server.bad_tls");
}

}  // namespace
}  // namespace entente::sdk
