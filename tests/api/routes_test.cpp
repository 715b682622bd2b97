#include <catch2/catch.hpp>

#include "coordinator/api/rest/routes.h"
#include "tests/api/http_client.h"

namespace entente::api::test {
namespace {

Action ActionOf(std::string_view method, std::string_view path) {
  const RouteMatch match = FindRoute(method, path);
  REQUIRE(match.route != nullptr);
  return match.route->action;
}

TEST_CASE("every route is found by its own pattern") {
  for (const Route& route : Routes()) {
    std::string path(route.pattern);
    for (size_t open = path.find('{'); open != std::string::npos; open = path.find('{')) {
      path.replace(open, path.find('}') - open + 1, "x1");
    }
    CAPTURE(path);
    CHECK(FindRoute(MethodName(route.method), path).route == &route);
  }
}

TEST_CASE("a gid may hold what a child's gid holds, and a verb is only at the end") {
  const RouteMatch child = FindRoute("GET", "/v1/transactions/trip-1~rooms:3");
  REQUIRE(child.route != nullptr);
  CHECK(child.route->action == Action::kGetTransaction);
  CHECK(child.parameters == std::vector<std::string>{"trip-1~rooms:3"});

  const RouteMatch cancel = FindRoute("POST", "/v1/transactions/trip-1~rooms:3:cancel");
  REQUIRE(cancel.route != nullptr);
  CHECK(cancel.route->action == Action::kCancel);
  CHECK(cancel.parameters == std::vector<std::string>{"trip-1~rooms:3"});

  const RouteMatch encoded = FindRoute("GET", "/v1/transactions/a%7Eb");
  CHECK(encoded.parameters == std::vector<std::string>{"a~b"});
}

TEST_CASE("a path without a route is not found, whatever its shape") {
  for (const char* path :
       {"", "/", "v1/transactions", "/v1", "/v1/transactions/", "/v1/transactions//",
        "/v1/transactions/a/b", "*", "/v1/transactions/%zz", "/v1/definitions/a/versions/1/2"}) {
    CAPTURE(path);
    const RouteMatch match = FindRoute("GET", path);
    CHECK(match.route == nullptr);
    CHECK(match.allow.empty());
  }
}

TEST_CASE("HEAD is answered where GET is") {
  CHECK(ActionOf("HEAD", "/healthz") == Action::kHealth);
}

TEST_CASE("another method on a known path is 405 and says which are allowed") {
  RestServer server;
  const Answer put = server.Send("PUT", "/v1/transactions", "{}");
  CHECK(put.status == 405);
  CHECK(put.Header("Allow") == "POST, GET, HEAD, OPTIONS");
  CHECK(put.Document()["code"] == "request.method");
  // A state change is never a GET.
  CHECK(server.Get("/v1/completions/t").status == 405);
  CHECK(server.coordinator.mutations() == 0);
}

TEST_CASE("another method on a page is 405, too") {
  RestServer server;
  if (server.Get("/").status == 404) {
    return;  // Built without the dashboard.
  }
  for (const char* method : {"POST", "PUT", "TRACE"}) {
    CAPTURE(method);
    const Answer answer = server.Send(method, "/");
    CHECK(answer.status == 405);
    CHECK(answer.Header("Allow") == "GET, HEAD, OPTIONS");
  }
  CHECK(server.Send("OPTIONS", "/").Header("Allow") == "GET, HEAD, OPTIONS");
}

TEST_CASE("the path of a verb has the verb's method, and no other") {
  RestServer server;
  for (const char* path :
       {"/v1/transactions/t:cancel", "/v1/transactions/t:signal", "/v1/transactions/t:commit",
        "/v1/transactions:begin", "/v1/definitions:validate"}) {
    for (const char* method : {"GET", "HEAD", "PUT", "DELETE", "PATCH", "TRACE", "BREW"}) {
      CAPTURE(path, method);
      const Answer answer = server.Send(method, path);
      CHECK(answer.status == 405);
      CHECK(answer.Header("Allow") == "POST, OPTIONS");
    }
  }
  CHECK(server.coordinator.mutations() == 0);
}

TEST_CASE("a path may be spelled with needless escapes, and is refused with broken ones") {
  RestServer server;
  CHECK(server.Get("/%68ealth%7a").status == 200);
  CHECK(server.Get("/%76%31/transactions/%74").status == 200);
  CHECK(server.coordinator.last_text() == "t");
  CHECK(server.Get("/v1%2Ftransactions").status == 404);  // A slash within a segment.
  for (const char* path : {"/v1/transactions/%zz", "/v1/transactions/%4", "/%", "/healthz?a=%g1"}) {
    CAPTURE(path);
    const Answer answer = server.Get(path);
    CHECK(answer.status == 400);
    CHECK(answer.Document()["code"] == "request.malformed");
  }
}

TEST_CASE("OPTIONS tells the methods of a path") {
  RestServer server;
  const auto allow = [&server](const char* path) {
    const Answer answer = server.Send("OPTIONS", path);
    CHECK(answer.body.empty());
    return answer.status == 204 ? answer.Header("Allow") : std::to_string(answer.status);
  };
  CHECK(allow("/v1/transactions") == "POST, GET, HEAD, OPTIONS");
  CHECK(allow("/healthz") == "GET, HEAD, OPTIONS");
  CHECK(allow("/v1/transactions/t:cancel") == "POST, OPTIONS");
  CHECK(allow("*") == "GET, HEAD, POST, PUT, OPTIONS");
  CHECK(server.Send("OPTIONS", "/nothing").status == 404);
}

TEST_CASE("a verb that there is not is 404 and says which there are") {
  RestServer server;
  const Answer answer = server.Post("/v1/transactions/a:explode", "{}");
  CHECK(answer.status == 404);
  CHECK(answer.Document()["code"] == "request.no_route");
  CHECK(answer.Document()["detail"] ==
        "there is no such verb at this path; there are :commit, :abort, :cancel, :pause, :resume, "
        ":retry, :edit, :skip, :complete, :resolve, :signal");
  CHECK(VerbsAt("/v1/transactions/a").empty());
  CHECK(VerbsAt("/v1/definitions/a:b").empty());
  // Without a verb it is the transaction itself that would be posted to.
  CHECK(server.Post("/v1/transactions/a", "{}").Header("Allow") == "GET, HEAD, OPTIONS");
}

TEST_CASE("an unknown path is 404 and points to the description") {
  RestServer server;
  const Answer answer = server.Get("/v2/anything");
  CHECK(answer.status == 404);
  CHECK(answer.Header("Content-Type") == "application/problem+json");
  CHECK(answer.Document()["code"] == "request.no_route");
  CHECK(answer.Document()["instance"] == "/v2/anything");
}

}  // namespace
}  // namespace entente::api::test
