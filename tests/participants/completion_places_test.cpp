// What a call hands on so that somebody can complete it.
#include <catch2/catch.hpp>

#include "coordinator/participants/completion_places.h"

namespace entente::participants {
namespace {

const std::string kToken(engine::kTokenPlace);
const std::string kUrl(engine::kCompletionUrlPlace);
const CompletionPlace kPlace{"t0k_-", "http://here:80/v1/callbacks/t0k_-"};

dsl::Participant Over(std::vector<std::pair<std::string, std::string>> headers) {
  dsl::Participant participant;
  participant.address = dsl::HttpAddress{"http://p", std::move(headers), {}};
  return participant;
}

TEST_CASE("a token and an address stand as they are in JSON and headers, and encoded in a path") {
  engine::RenderedHttp request{"POST",
                               "/pay/" + kToken + "?to=" + kUrl,
                               {{"X-To", "<" + kUrl + ">"}},
                               R"({"a":")" + kToken + " " + kToken + R"(","b":")" + kUrl + R"("})"};
  PutPlaces(kPlace, Over({}), request);
  CHECK(request.target == "/pay/t0k_-?to=http%3A%2F%2Fhere%3A80%2Fv1%2Fcallbacks%2Ft0k_-");
  CHECK(request.headers[0].second == "<http://here:80/v1/callbacks/t0k_->");
  CHECK(*request.body == R"({"a":"t0k_- t0k_-","b":"http://here:80/v1/callbacks/t0k_-"})");
}

TEST_CASE("in a form an address is encoded, whoever says that it is a form") {
  const std::string encoded = "url=http%3A%2F%2Fhere%3A80%2Fv1%2Fcallbacks%2Ft0k_-";
  const std::pair<std::string, std::string> form("content-TYPE",
                                                 "application/x-www-form-urlencoded");
  engine::RenderedHttp by_call{"POST", "/", {form}, "url=" + kUrl};
  PutPlaces(kPlace, Over({{"Content-Type", "application/json"}}), by_call);
  CHECK(*by_call.body == encoded);
  engine::RenderedHttp by_participant{"POST", "/", {}, "url=" + kUrl};
  PutPlaces(kPlace, Over({form}), by_participant);
  CHECK(*by_participant.body == encoded);
}

TEST_CASE("in a message both are put into every text") {
  Json message = {{"a", {kToken, {{"b", "see " + kUrl}}}}, {"n", 1}};
  PutPlaces(kPlace, message);
  CHECK(message ==
        Json{{"a", {"t0k_-", {{"b", "see http://here:80/v1/callbacks/t0k_-"}}}}, {"n", 1}});
}

TEST_CASE("only a call that names the address needs one") {
  CHECK(CompletionUrl("", "t").empty());
  CHECK(CompletionUrl("https://e.org/entente", "t") == "https://e.org/entente/v1/callbacks/t");
  engine::CallBranch call;
  call.request = engine::RenderedHttp{"POST", "/" + kToken, {}, "{}"};
  CHECK_FALSE(NamesUrl(call));
  call.request = engine::RenderedHttp{"POST", "/", {{"X", kUrl}}, std::nullopt};
  CHECK(NamesUrl(call));
  call.request = engine::RenderedGrpc{"M", Json{{"a", {kUrl}}}};
  CHECK(NamesUrl(call));
}

}  // namespace
}  // namespace entente::participants
