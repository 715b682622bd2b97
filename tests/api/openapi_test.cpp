#include <algorithm>
#include <cctype>
#include <map>
#include <set>

#include <catch2/catch.hpp>

#include "base/json.h"
#include "coordinator/api/rest/openapi_document.h"
#include "coordinator/api/rest/routes.h"
#include "coordinator/audit/audit_book.h"
#include "entente/v1/coordinator.pb.h"
#include "storage/memory/memory_journal.h"
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
const std::set<std::string> kInPath{
    "CommitTransactionRequest", "AbortTransactionRequest",   "CancelTransactionRequest",
    "PauseTransactionRequest",  "ResumeTransactionRequest",  "RetryTransactionRequest",
    "SkipBranchRequest",        "ResolveTransactionRequest", "EditBranchRequest",
    "SignalTransactionRequest", "CompleteOperationRequest",  "CompleteBranchRequest"};

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

// Generators of clients name the answer of an operation `<operationId>Response` themselves.
const std::map<std::string, std::string> kRenamed{
    {"ListDefinitionsResponse", "DefinitionList"},
    {"ValidateDefinitionResponse", "Validation"},
    {"ListTransactionsResponse", "TransactionList"},
    {"CountTransactionsResponse", "TransactionCounts"},
    {"ListBulkActionsResponse", "BulkActionList"},
    {"ListTokensResponse", "TokenList"},
    {"ListAuditResponse", "AuditList"},
    {"CompleteOperationResponse", "Completion"},
    {"ListIncidentsResponse", "IncidentList"},
    {"ListParticipantsResponse", "ParticipantList"},
    {"ListBranchesResponse", "BranchList"},
    {"ListNodesResponse", "NodeList"},
    {"ListDeadLettersResponse", "DeadLetterList"},
    {"SendDeadLettersResponse", "SentDeadLetters"}};

std::string SchemaOf(const std::string& message) {
  const auto renamed = kRenamed.find(message);
  return renamed == kRenamed.end() ? message : renamed->second;
}

TEST_CASE("the description's schemas have the fields of the messages") {
  const Json schemas = Document()["components"]["schemas"];
  const auto* file = pb::Transaction::descriptor()->file();
  std::map<std::string, const Descriptor*> messages;
  for (int i = 0; i < file->message_type_count(); ++i) {
    messages.emplace(SchemaOf(file->message_type(i)->name()), file->message_type(i));
  }
  for (const auto& [name, schema] : schemas.items()) {
    CAPTURE(name);
    const Descriptor* message = messages[name];
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
const std::set<std::string> kNotDescribed{"ErrorStatus",
                                          "RetryInfo",
                                          "PutDefinitionRequest",
                                          "ValidateDefinitionRequest",
                                          "GetDefinitionRequest",
                                          "ListDefinitionsRequest",
                                          "EnlistBranchRequest",
                                          "GetDecisionRequest",
                                          "GetTransactionRequest",
                                          "ListBranchesRequest",
                                          "ListTransactionsRequest",
                                          "GetHistoryRequest",
                                          "CountTransactionsRequest",
                                          "GetBranchCallRequest",
                                          "ListBulkActionsRequest",
                                          "GetBulkActionRequest",
                                          "StopBulkActionRequest",
                                          "ListTokensRequest",
                                          "ListKeysRequest",
                                          "ListAuditRequest",
                                          "RevokeTokenRequest",
                                          "GetSessionRequest",
                                          "WatchTransactionRequest",
                                          "WatchEventsRequest",
                                          "ListIncidentsRequest",
                                          "ListParticipantsRequest",
                                          "ListNodesRequest",
                                          "ListDeadLettersRequest",
                                          "GetHealthRequest"};

TEST_CASE("every message of the contract is described") {
  const Json schemas = Document()["components"]["schemas"];
  const auto* file = pb::Transaction::descriptor()->file();
  for (int i = 0; i < file->message_type_count(); ++i) {
    const std::string& name = file->message_type(i)->name();
    CAPTURE(name);
    CHECK(schemas.contains(SchemaOf(name)) != (kNotDescribed.count(name) != 0));
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
  CHECK(QueryOf(document, "/v1/definitions/{name}/versions") ==
        std::set<std::string>{"limit", "cursor"});
  CHECK(QueryOf(document, "/v1/definitions") == std::set<std::string>{"limit", "cursor"});
  CHECK(QueryOf(document, "/v1/transactions/{gid}/branches") ==
        std::set<std::string>{"limit", "cursor"});
  CHECK(QueryOf(document, "/v1/participants") ==
        FieldsOf(*pb::ListParticipantsRequest::descriptor()));
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

TEST_CASE("no name of the description is one that a client's generator makes, or makes twice") {
  const Json document = Document();
  std::set<std::string> types;
  const auto add = [&types](std::string name) {
    CAPTURE(name);
    CHECK(types.insert(Lower(name)).second);
  };
  for (const auto& [kind, components] : document["components"].items()) {
    for (const auto& [name, component] : components.items()) {
      CHECK(std::all_of(name.begin(), name.end(), [](unsigned char c) { return std::isalnum(c); }));
      add(name);
    }
  }
  for (const auto& [path, operations] : document["paths"].items()) {
    for (const auto& [method, operation] : operations.items()) {
      const std::string id = operation["operationId"];
      CHECK(std::all_of(id.begin(), id.end(), [](unsigned char c) { return std::isalnum(c); }));
      for (const char* made : {"", "Response", "Params", "JSONBody", "JSONRequestBody"}) {
        add(id + made);
      }
    }
  }
}

// A body of each route that the server takes, to be spoiled one member at a time.
const std::map<std::string, std::string> kGoodBodies{
    {"/v1/transactions", R"({"definition":"trip"})"},
    {"/v1/transactions:begin", R"({"mode":"tcc"})"},
    {"/v1/transactions/{gid}:commit", "{}"},
    {"/v1/transactions/{gid}:abort", "{}"},
    {"/v1/transactions/{gid}:cancel", "{}"},
    {"/v1/transactions/{gid}:pause", "{}"},
    {"/v1/transactions/{gid}:resume", "{}"},
    {"/v1/transactions/{gid}:retry", "{}"},
    {"/v1/transactions/{gid}:edit",
     R"({"reason":"r","expectedRevision":1,"branch":"b","body":{"n":1},"retry":{"attempts":3}})"},
    {"/v1/transactions/{gid}:skip", R"({"reason":"r","expectedRevision":1,"branch":"b"})"},
    {"/v1/transactions/{gid}:complete",
     R"({"reason":"r","expectedRevision":1,"branch":"b","outcome":"refused"})"},
    {"/v1/transactions/{gid}:resolve",
     R"({"reason":"r","expectedRevision":1,"outcome":"ABORTED"})"},
    {"/v1/transactions/{gid}:signal", R"({"name":"n"})"},
    {"/v1/bulk", R"({"verb":"retry","filter":"incident=true","reason":"r"})"},
    {"/v1/bulk/{id}:stop", "{}"},
    {"/v1/completions/{token}", R"({"outcome":"refused"})"}};

// Values that a schema refuses, and some that it takes.
struct Samples {
  std::vector<Json> bad;
  std::vector<Json> good;
};

Samples SamplesOf(const Json& schema) {
  Samples samples;
  const std::string type = schema.value("type", "");
  if (type.empty()) {
    return samples;  // Any JSON.
  }
  samples.bad = {nullptr, Json::array()};
  if (type == "boolean") {
    samples.bad.insert(samples.bad.end(), {0, "true"});
    samples.good = {true, false};
  } else {
    samples.bad.emplace_back(true);
  }
  if (type != "object") {
    samples.bad.push_back(Json::object());
  }
  if (type == "string") {
    samples.bad.insert(samples.bad.end(), {0, 1.5});
    if (schema.contains("minLength") || schema.contains("pattern") || schema.contains("enum")) {
      samples.bad.emplace_back("");
    }
    if (schema.contains("maxLength")) {
      const auto longest = schema["maxLength"].get<size_t>();
      samples.bad.emplace_back(std::string(longest + 1, 'x'));
      samples.good.emplace_back(std::string(longest, 'x'));
    }
    if (schema.contains("pattern") || schema.contains("enum")) {
      samples.bad.insert(samples.bad.end(), {"?", " ", "-1s", "\n", "saga\n"});
    }
    if (schema.contains("not")) {
      samples.bad.insert(samples.bad.end(), {"0s", "0h0m"});
    }
    for (const char* examples : {"enum", "examples"}) {
      for (const Json& example : schema.value(examples, Json::array())) {
        samples.good.push_back(example);
      }
    }
  } else if (type == "integer") {
    samples.bad.insert(samples.bad.end(), {-1, 1.5, "1", uint64_t{4294967296}});
    samples.good = {4294967295, 7.0};
    if (schema["minimum"] == 0) {
      samples.good.emplace_back(0);
    } else {
      samples.bad.emplace_back(0);
    }
  } else if (type == "object" && schema.contains("propertyNames")) {
    Json many = Json::object();
    for (size_t i = 0; i < schema["maxProperties"].get<size_t>(); ++i) {
      many["label" + std::to_string(i)] = "x";
    }
    samples.good.push_back(many);
    many["more"] = "x";
    samples.bad.insert(samples.bad.end(),
                       {many, Json{{"", "x"}}, Json{{"a", 1}}, Json{{"a", nullptr}},
                        Json{{std::string(257, 'n'), "x"}}, Json{{"a", std::string(257, 'v')}}});
  }
  return samples;
}

TEST_CASE("whatever the description refuses in a body is refused, and what it takes is taken") {
  RestServer server;
  const Json document = Document();
  for (const auto& [path, text] : kGoodBodies) {
    const Json good = Json::parse(text);
    const Json& body = document["paths"][path]["post"]["requestBody"];
    const Json& given = body["content"]["application/json"]["schema"];
    const std::string name = given.value("$ref", "");
    const Json& schema = name.empty() ? given : document[Json::json_pointer(name.substr(1))];
    std::string target = path;
    for (const char* parameter : {"{gid}", "{id}", "{token}"}) {
      if (const size_t at = target.find(parameter); at != std::string::npos) {
        target.replace(at, std::string_view(parameter).size(), "t");
      }
    }
    // Without bulk actions a body that is right is refused for that alone.
    const auto status = [&](const Json& sent) {
      const Answer answer = server.Post(target, sent.dump());
      const Json problem = answer.Document();
      const bool only_that = problem.is_object() && problem.value("code", "") == "bulk.unsupported";
      return only_that ? 200 : answer.status;
    };
    CAPTURE(path);
    REQUIRE(status(good) < 300);
    CHECK(schema["additionalProperties"] == false);
    Json unknown = good;
    unknown["unknown"] = 1;
    CHECK(status(unknown) == 400);
    for (const Json& required : schema.value("required", Json::array())) {
      Json less = good;
      less.erase(required.get<std::string>());
      CAPTURE(required);
      CHECK(status(less) == 400);
    }
    const Json members = schema.value("properties", Json::object());
    for (const auto& [member, constraints] : members.items()) {
      if (member == "inline") {
        continue;  // Instead of `definition`, and a document of its own.
      }
      const Samples samples = SamplesOf(constraints);
      for (const auto& [values, taken] : {std::pair(samples.bad, false), {samples.good, true}}) {
        for (const Json& value : values) {
          Json changed = good;
          changed[member] = value;
          CAPTURE(member, value.dump().substr(0, 200));
          CHECK((status(changed) < 300) == taken);
        }
      }
    }
  }
}

TEST_CASE("the relations between members that the description states are held to") {
  RestServer server;
  const auto status = [&server](const char* path, const char* body) {
    return server.Post(path, body).status;
  };
  CHECK(status("/v1/transactions", R"({"inline":{},"definition":"d"})") == 400);
  CHECK(status("/v1/transactions", R"({"inline":{},"version":1})") == 400);
  CHECK(status("/v1/transactions", R"({"version":1})") == 400);
  CHECK(status("/v1/transactions", R"({"inline":{}})") < 300);
  CHECK(status("/v1/completions/t", R"({"outcome":"refused","output":1})") == 400);
  CHECK(status("/v1/completions/t", R"({"outcome":"done","code":"c"})") == 400);
  CHECK(status("/v1/completions/t", R"({"outcome":"done","message":"m"})") == 400);
  CHECK(status("/v1/completions/t", R"({"outcome":"done","output":null,"code":""})") < 300);
}

TEST_CASE("whatever the description refuses in a query is refused") {
  storage::MemoryJournal journal;
  audit::AuditBook audit(journal);
  RestOptions options;
  options.service.audit = &audit;
  RestServer server(std::move(options));
  const Json document = Document();
  for (const auto& [path, operations] : document["paths"].items()) {
    std::string target = path;
    if (const size_t at = target.find("{gid}"); at != std::string::npos) {
      target.replace(at, 5, "t");
    }
    for (const Json& parameter :
         operations.value("get", Json::object()).value("parameters", Json::array())) {
      if (parameter["in"] != "query" || target.ends_with("/events")) {
        continue;
      }
      const std::string name = parameter["name"];
      CAPTURE(target, name);
      CHECK(server.Get(target + "?" + name + "=").status == 400);
      const Json& schema = parameter["schema"];
      if (schema.contains("enum") || schema.contains("format") || schema["type"] != "string" ||
          name == "label" || name == "wait") {
        CHECK(server.Get(target + "?" + name + "=%3F").status == 400);
      }
      CHECK(server.Get(target + "?" + name + "=%00").status == 400);
      for (const Json& value : schema.value("enum", Json::array())) {
        CHECK(server.Get(target + "?" + name + "=" + value.get<std::string>()).status < 300);
      }
      for (const Json& value : schema.value("examples", Json::array())) {
        CHECK(server.Get(target + "?" + name + "=" + value.get<std::string>()).status < 300);
      }
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
