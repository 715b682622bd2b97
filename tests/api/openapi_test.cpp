#include <set>

#include <catch2/catch.hpp>

#include "base/json.h"
#include "coordinator/api/openapi_document.h"
#include "coordinator/api/routes.h"
#include "entente/v1/coordinator.pb.h"
#include "tests/api/http_client.h"

namespace entente::api::test {
namespace {

namespace pb = ::entente::v1;
using google::protobuf::Descriptor;
using google::protobuf::FieldDescriptor;

Json Document() {
  return Json::parse(OpenApiDocument());
}

std::string Lower(std::string_view text) {
  std::string lower(text);
  for (char& c : lower) {
    c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  }
  return lower;
}

TEST_CASE("the description has the routes that there are, and no others") {
  std::set<std::string> described;
  const Json document = Document();
  for (const auto& [path, operations] : document["paths"].items()) {
    for (const auto& [method, operation] : operations.items()) {
      described.insert(method + " " + path);
    }
  }
  std::set<std::string> routed;
  for (const Route& route : Routes()) {
    routed.insert(Lower(MethodName(route.method)) + " " + std::string(route.pattern));
  }
  CHECK(described == routed);
}

TEST_CASE("the description says of each route whether it takes a body") {
  const Json document = Document();
  for (const Route& route : Routes()) {
    CAPTURE(route.pattern);
    const Json& operation =
        document["paths"][std::string(route.pattern)][Lower(MethodName(route.method))];
    CHECK(operation.contains("requestBody") == (route.body != Body::kNone));
    if (route.body != Body::kNone) {
      CHECK(operation["requestBody"]["required"] == (route.body == Body::kRequired));
    }
  }
}

// Fields that REST has in the path or in a header.
const std::set<std::string> kInPath{"CommitTransactionRequest", "AbortTransactionRequest",
                                    "CancelTransactionRequest", "PauseTransactionRequest",
                                    "ResumeTransactionRequest", "RetryTransactionRequest",
                                    "SkipBranchRequest",        "ResolveTransactionRequest",
                                    "SignalTransactionRequest", "CompleteOperationRequest"};

std::set<std::string> FieldsOf(const Descriptor& message) {
  std::set<std::string> fields;
  for (int i = 0; i < message.field_count(); ++i) {
    fields.insert(message.field(i)->json_name());
  }
  if (kInPath.count(message.name()) != 0) {
    fields.erase("gid");
    fields.erase("token");
  }
  return fields;
}

TEST_CASE("the description's schemas have the fields of the messages") {
  const Json schemas = Document()["components"]["schemas"];
  const auto* file = pb::Transaction::descriptor()->file();
  for (const auto& [name, schema] : schemas.items()) {
    CAPTURE(name);
    const Descriptor* message = file->FindMessageTypeByName(name);
    REQUIRE(message != nullptr);
    std::set<std::string> described;
    for (const auto& [field, type] : schema["properties"].items()) {
      described.insert(field);
    }
    CHECK(described == FieldsOf(*message));
    for (const Json& required : schema.value("required", Json::array())) {
      CHECK(described.count(required.get<std::string>()) == 1);
    }
  }
}

// Messages that REST has as query parameters, as a body of other words, or not at all.
const std::set<std::string> kNotDescribed{
    "ErrorStatus",          "PutDefinitionRequest",    "ValidateDefinitionRequest",
    "GetDefinitionRequest", "ListDefinitionsRequest",  "EnlistBranchRequest",
    "GetDecisionRequest",   "GetTransactionRequest",   "ListTransactionsRequest",
    "GetHistoryRequest",    "WatchTransactionRequest", "WatchEventsRequest",
    "ListIncidentsRequest", "ListParticipantsRequest", "GetHealthRequest"};

TEST_CASE("every message of the contract is described") {
  const Json schemas = Document()["components"]["schemas"];
  const auto* file = pb::Transaction::descriptor()->file();
  for (int i = 0; i < file->message_type_count(); ++i) {
    const std::string& name = file->message_type(i)->name();
    CAPTURE(name);
    CHECK(schemas.contains(name) != (kNotDescribed.count(name) != 0));
  }
}

std::set<std::string> QueryOf(const Json& document, const std::string& path) {
  std::set<std::string> names;
  for (const Json& parameter : document["paths"][path]["get"]["parameters"]) {
    if (parameter["in"] == "query") {
      names.insert(parameter["name"]);
    }
  }
  return names;
}

TEST_CASE("the query parameters are the fields of the request messages") {
  const Json document = Document();
  CHECK(QueryOf(document, "/v1/transactions") ==
        FieldsOf(*pb::ListTransactionsRequest::descriptor()));
  CHECK(QueryOf(document, "/v1/incidents") == FieldsOf(*pb::ListIncidentsRequest::descriptor()));
  CHECK(QueryOf(document, "/v1/events") == FieldsOf(*pb::WatchEventsRequest::descriptor()));
  CHECK(QueryOf(document, "/v1/transactions/{gid}") == std::set<std::string>{"wait"});
  CHECK(QueryOf(document, "/v1/transactions/{gid}/events") ==
        std::set<std::string>{"afterRevision"});
}

// Calls `visit` with every "$ref" below `json`.
template <class Visit>
void ForEachReference(const Json& json, const Visit& visit) {
  if (json.is_object() && json.contains("$ref")) {
    visit(json["$ref"].get<std::string>());
  }
  if (json.is_structured()) {
    for (const Json& child : json) {
      ForEachReference(child, visit);
    }
  }
}

TEST_CASE("every reference of the description leads somewhere") {
  const Json document = Document();
  size_t count = 0;
  ForEachReference(document, [&](const std::string& reference) {
    CAPTURE(reference);
    REQUIRE(reference.starts_with("#"));
    CHECK(document.contains(Json::json_pointer(reference.substr(1))));
    ++count;
  });
  CHECK(count > 50);
}

TEST_CASE("every path parameter of a pattern is described") {
  const Json document = Document();
  for (const auto& [path, operations] : document["paths"].items()) {
    for (const auto& [method, operation] : operations.items()) {
      CAPTURE(path, method);
      size_t in_path = 0;
      for (const Json& parameter : operation.value("parameters", Json::array())) {
        if (parameter["in"] == "path") {
          ++in_path;
          CHECK(path.find("{" + parameter["name"].get<std::string>() + "}") != std::string::npos);
        }
      }
      CHECK(in_path == static_cast<size_t>(std::count(path.begin(), path.end(), '{')));
      CHECK(operation["responses"].contains("default"));
    }
  }
}

TEST_CASE("the description is served") {
  RestServer server;
  const Answer answer = server.Get("/openapi.json");
  CHECK(answer.status == 200);
  CHECK(answer.Header("Content-Type") == "application/json");
  CHECK(answer.Document()["openapi"] == "3.1.0");
}

}  // namespace
}  // namespace entente::api::test
