// Every method, over both protocols, by every role: without a token, with one that reaches the
// transaction and with one that does not. What is right stands in the table of docs/security.md.
#include <atomic>
#include <chrono>
#include <fstream>
#include <functional>
#include <map>
#include <set>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

#include <catch2/catch.hpp>

#include <google/protobuf/util/json_util.h>

#include "coordinator/api/rest/routes.h"
#include "tests/api/access_fixture.h"

namespace entente::api::test::access {
namespace {

using identity::Role;
using identity::RoleName;

// A row of the documented table.
struct Documented {
  std::set<Role> roles;
  std::string reach;
};

std::vector<std::string> CellsOf(const std::string& line) {
  std::vector<std::string> cells;
  std::istringstream rest(line.substr(1));
  for (std::string cell; std::getline(rest, cell, '|');) {
    std::erase_if(cell, [](char c) { return c == ' ' || c == '`'; });
    cells.push_back(cell);
  }
  return cells;
}

std::map<std::string, Documented> DocumentedRules() {
  std::ifstream page(std::string(ENTENTE_SOURCE_DIR) + "/docs/security.md");
  std::map<std::string, Documented> rules;
  std::vector<std::string> heads;
  for (std::string line; std::getline(page, line);) {
    if (!line.starts_with("|")) {
      heads.clear();
      continue;
    }
    const std::vector<std::string> cells = CellsOf(line);
    if (heads.empty()) {
      heads = cells;
      continue;
    }
    if (heads.front() != "method") {
      continue;
    }
    if (cells[0].starts_with("-")) {
      continue;
    }
    REQUIRE(cells.size() == heads.size());
    Documented& rule = rules[cells[0]];
    rule.reach = cells.back();
    for (size_t i = 1; i + 1 < cells.size(); ++i) {
      if (cells[i] == "yes") {
        rule.roles.insert(identity::RoleFrom(heads[i]).value());
      }
    }
  }
  return rules;
}

// What is right of a method for a token.
struct Verdict {
  bool allowed;
  std::string code;  // Of the refusal.
};

// Methods that make something: what they would make is outside, or not to be told apart from what
// is not there.
Verdict OutsideOf(const AccessRule& rule) {
  switch (rule.action) {
    case Action::kSubmit:
    case Action::kDryRun:
    case Action::kGetDefinition:
    case Action::kListVersions:
    case Action::kGetVersion: return {false, "definition.not_found"};
    case Action::kPutDefinition: return {false, "access.scope"};
    case Action::kComplete: return {false, "completion.unknown_token"};
    case Action::kStartBulk:
    case Action::kGetBulk:
    case Action::kStopBulk: return {false, "bulk.unsupported"};
    // Told what there is for them, which is nothing.
    case Action::kListTransactions:
    case Action::kCountTransactions:
    case Action::kListDefinitions:
    case Action::kListIncidents:
    case Action::kListBulk:
    case Action::kGetSession:
    case Action::kValidateDefinition:
    case Action::kWatchEvents: return {true, ""};
    default: return {false, "transaction.not_found"};
  }
}

Verdict Expect(const AccessRule& rule, const Documented& documented, Role role, Bearer bearer) {
  if (documented.reach == "open") {
    return {true, ""};
  }
  if (documented.roles.count(role) == 0) {
    return {false, "access.denied"};
  }
  const bool scoped = bearer != Bearer::kAll;
  if (scoped && (documented.reach == "whole" || rule.action == Action::kBegin)) {
    return {false, "access.scope"};
  }
  if (bearer == Bearer::kOutside) {
    return OutsideOf(rule);
  }
  // There are no bulk actions behind the fake.
  if (rule.action == Action::kSendDeadLetters) {
    return {false, "webhooks.none"};  // Nor webhooks.
  }
  if (rule.action == Action::kDryRun) {
    return {false, "definition.invalid"};  // The fake's is no definition that could be played.
  }
  const bool bulk = rule.action == Action::kStartBulk || rule.action == Action::kGetBulk ||
                    rule.action == Action::kStopBulk;
  return bulk ? Verdict{false, "bulk.unsupported"} : Verdict{true, ""};
}

// What one call came to, whatever it was made over.
struct Outcome {
  bool good = false;
  std::string code;
  int status = 0;  // Of HTTP, or what that would be.
};

void Check(const AccessRule& rule, const Verdict& right, const Outcome& outcome) {
  CAPTURE(rule.name, right.allowed, right.code, outcome.good, outcome.code, outcome.status);
  CHECK(outcome.good == right.allowed);
  if (!right.allowed) {
    CHECK(outcome.code == right.code);
    const int status = right.code.starts_with("access.")          ? 403
                       : right.code.ends_with("not_found")        ? 404
                       : right.code == "completion.unknown_token" ? 404
                       : right.code == "definition.invalid"       ? 422
                       : right.code == "bulk.unsupported"         ? 409
                       : right.code == "webhooks.none"            ? 409
                                                                  : 401;
    CHECK(outcome.status == status);
  }
}

// The rest of each request: its path's parameters filled in, and a body that is right.
const std::map<Action, std::string>& Bodies() {
  static const std::map<Action, std::string> kBodies{
      {Action::kSubmit, R"({"definition":"trip"})"},
      {Action::kBegin, R"({"mode":"tcc"})"},
      {Action::kEnlist, R"({"id":"flight"})"},
      {Action::kCancel, R"({"reason":"r"})"},
      {Action::kPause, R"({"reason":"r"})"},
      {Action::kResume, R"({"reason":"r"})"},
      {Action::kRetry, R"({"reason":"r"})"},
      {Action::kSkip, R"({"reason":"r","expectedRevision":1,"branch":"b"})"},
      {Action::kCompleteBranch,
       R"({"reason":"r","expectedRevision":1,"branch":"b","outcome":"done"})"},
      {Action::kEdit, R"({"reason":"r","expectedRevision":1,"branch":"b","body":{"n":1}})"},
      {Action::kResolve, R"({"reason":"r","expectedRevision":1,"outcome":"ABORTED"})"},
      {Action::kSignal, R"({"name":"n"})"},
      {Action::kStartBulk, R"({"verb":"retry","filter":"incident=true","reason":"r"})"},
      {Action::kComplete, R"({"outcome":"done"})"},
      {Action::kPutDefinition, R"({"name":"trip"})"},
      {Action::kDryRun, R"({"definition":"trip"})"},
      {Action::kValidateDefinition, R"({"name":"trip"})"},
      {Action::kCreateToken, R"({"name":"n","role":"viewer"})"}};
  return kBodies;
}

std::string TargetOf(const Route& route, const std::string& token_id) {
  std::string target(route.pattern);
  for (const auto& [parameter, value] :
       std::map<std::string, std::string>{{"{gid}", "committed-1"},
                                          {"{branch}", "flight"},
                                          {"{token}", "token-of-committed-1"},
                                          {"{name}", "trip"},
                                          {"{version}", "3"},
                                          {"{id}", token_id}}) {
    if (const size_t at = target.find(parameter); at != std::string::npos) {
      target.replace(at, parameter.size(), value);
    }
  }
  return target;
}

Outcome OutcomeOf(int status, const Json& document) {
  Outcome outcome;
  outcome.status = status;
  outcome.good = status < 400;
  if (document.is_object() && document.contains("code") && status >= 400) {
    outcome.code = document["code"].get<std::string>();
  }
  return outcome;
}

class Rest {
 public:
  Rest() {
    server_.coordinator.AnswerWithView(CommittedStory().View());
    server_.coordinator.AnswerWithHistory(CommittedStory().History());
  }

  Outcome Call(const Route& route, const std::string& token) {
    const std::string id = revocable();
    const std::string target = TargetOf(route, id);
    if (route.action == Action::kWatchEvents || route.action == Action::kWatchTransaction) {
      const EventClient client(server_, target, Bearing(token));
      if (client.status() < 400) {
        return OutcomeOf(client.status(), {});
      }
    }
    const auto body = Bodies().find(route.action);
    const Answer answer =
        server_.Send(std::string(MethodName(route.method)), target,
                     body == Bodies().end() ? std::string() : body->second, Bearing(token));
    document_ = answer.Document();
    CHECK((answer.status == 401) == !answer.Header("WWW-Authenticate").empty());
    return OutcomeOf(answer.status, document_);
  }

  [[nodiscard]] const Json& document() const { return document_; }
  [[nodiscard]] size_t mutations() { return server_.coordinator.mutations(); }
  [[nodiscard]] TokenBox& tokens() { return tokens_; }

 private:
  std::string revocable() {
    if (revocable_.empty()) {
      static_cast<void>(tokens_.Make(Role::kViewer));
      revocable_ = tokens_.book()->List().back().id;
    }
    return revocable_;
  }

  TokenBox tokens_;
  std::string revocable_;
  RestServer server_{Asking(tokens_)};
  Json document_;
};

// How many things a list holds.
size_t ItemsIn(const Json& document) {
  size_t items = 0;
  for (const auto& [name, value] : document.items()) {
    if (value.is_array()) {
      items += value.size();
      for (const Json& one : value) {
        if (name == "counts" || one.contains("count")) {
          items -= one.value("count", 0) == 0 ? 1 : 0;
        }
      }
    }
  }
  return items;
}

TEST_CASE("the documented table is the one that is used, and has every method") {
  const auto documented = DocumentedRules();
  std::set<std::string> names;
  const auto* service = pb::Transaction::descriptor()->file()->FindServiceByName("Coordinator");
  REQUIRE(service != nullptr);
  std::set<std::string> rpcs;
  for (int i = 0; i < service->method_count(); ++i) {
    rpcs.insert(service->method(i)->name());
  }
  for (const AccessRule& rule : AccessRules()) {
    const std::string name(rule.name);
    CAPTURE(name);
    CHECK(names.insert(name).second);
    REQUIRE(documented.count(name) == 1);
    const Documented& row = documented.at(name);
    CHECK(row.reach == (rule.reach == Reach::kOpen     ? "open"
                        : rule.reach == Reach::kScoped ? "scoped"
                                                       : "whole"));
    for (int i = 0; i < identity::kRoleCount; ++i) {
      CAPTURE(RoleName(static_cast<Role>(i)));
      CHECK((row.roles.count(static_cast<Role>(i)) == 1) == ((rule.roles >> i & 1) == 1));
    }
    CHECK((rule.rpc.empty() || rpcs.erase(std::string(rule.rpc)) == 1));
  }
  CHECK(rpcs.empty());
  CHECK(names.size() == documented.size());
  std::set<Action> routed;
  for (const Route& route : Routes()) {
    routed.insert(route.action);
  }
  CHECK(routed.size() == AccessRules().size());
}

TEST_CASE("over REST every method is for who may, and for nobody else") {
  Rest rest;
  const auto documented = DocumentedRules();
  for (const Route& route : Routes()) {
    const AccessRule& rule = RuleOf(route.action);
    const Documented& row = documented.at(std::string(rule.name));
    CAPTURE(rule.name);
    const size_t before = rest.mutations();
    for (const std::string& wrong :
         {std::string(), std::string("ent_000000000000_AAAA"), std::string("x")}) {
      const Outcome outcome = rest.Call(route, wrong);
      const bool open = row.reach == "open";
      Check(rule, {open, wrong.empty() ? "token.missing" : "token.rejected"}, outcome);
    }
    CHECK(rest.mutations() == before);
    for (int i = 0; i < identity::kRoleCount; ++i) {
      const Role role = static_cast<Role>(i);
      for (const Bearer bearer : {Bearer::kAll, Bearer::kInside, Bearer::kOutside}) {
        CAPTURE(RoleName(role), static_cast<int>(bearer));
        const Verdict right = Expect(rule, row, role, bearer);
        const size_t untouched = rest.mutations();
        Check(rule, right, rest.Call(route, rest.tokens().Make(role, bearer)));
        if (!right.allowed) {
          CHECK(rest.mutations() == untouched);
        }
      }
    }
  }
}

TEST_CASE("lists, counts and definitions leave out what is outside") {
  Rest rest;
  const std::string inside = rest.tokens().Make(Role::kOperator, Bearer::kInside);
  const std::string outside = rest.tokens().Make(Role::kOperator, Bearer::kOutside);
  for (const Route& route : Routes()) {
    if (route.action != Action::kListTransactions && route.action != Action::kListIncidents &&
        route.action != Action::kCountTransactions && route.action != Action::kListDefinitions) {
      continue;
    }
    CAPTURE(route.pattern);
    REQUIRE(rest.Call(route, inside).good);
    CHECK(ItemsIn(rest.document()) > 0);
    REQUIRE(rest.Call(route, outside).good);
    CAPTURE(rest.document().dump());
    CHECK(ItemsIn(rest.document()) == 0);
  }
}

// What a session says that its bearer may do; REST's and gRPC's are the same.
std::set<std::string> MayOf(const Json& session) {
  const auto names = session.value("may", std::vector<std::string>());
  return {names.begin(), names.end()};
}

// A token over gRPC; the context is used once.
void Show(const std::string& token, grpc::ClientContext& context) {
  if (!token.empty()) {
    context.AddMetadata("authorization", "Bearer " + token);
  }
}

Outcome OutcomeOf(const grpc::Status& status) {
  Outcome outcome;
  outcome.good = status.ok();
  outcome.status = 200;
  if (!status.ok()) {
    const pb::Problem problem = ProblemOf(status);
    outcome.code = problem.code();
    outcome.status = static_cast<int>(problem.status());
    CHECK((status.error_code() == grpc::StatusCode::UNAUTHENTICATED) == (outcome.status == 401));
    CHECK((status.error_code() == grpc::StatusCode::PERMISSION_DENIED) == (outcome.status == 403));
  }
  return outcome;
}

using Stub = pb::Coordinator::Stub;
using Caller = std::function<grpc::Status(Stub&, grpc::ClientContext&)>;

template <class Request, class Response>
Caller Unary(grpc::Status (Stub::*method)(grpc::ClientContext*, const Request&, Response*),
             const std::string& fields = "{}") {
  return [method, fields](Stub& stub, grpc::ClientContext& context) {
    Request request;
    REQUIRE(google::protobuf::util::JsonStringToMessage(fields, &request).ok());
    Response response;
    return (stub.*method)(&context, request, &response);
  };
}

// Reads a stream to its end.
grpc::Status WatchOne(Stub& stub, grpc::ClientContext& context) {
  pb::WatchTransactionRequest request;
  request.set_gid("committed-1");
  const auto reader = stub.WatchTransaction(&context, request);
  pb::TransactionEvent event;
  while (reader->Read(&event)) {
  }
  return reader->Finish();
}

// Whether a stream of all events begins: one that is refused ends without an event, whatever
// happens meanwhile.
grpc::Status WatchAll(FakeCoordinator& coordinator, Stub& stub, grpc::ClientContext& context) {
  runtime::TxnEvent trip = CommittedStory().Event(1);
  runtime::TxnEvent other = trip;
  other.definition = "other";
  std::atomic<bool> seen = false;
  const auto reader = stub.WatchEvents(&context, pb::WatchEventsRequest());
  std::thread happening([&] {
    while (!seen) {
      coordinator.Publish(trip);
      coordinator.Publish(other);
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
  });
  pb::TransactionEvent event;
  const bool begun = reader->Read(&event);
  seen = true;
  happening.join();
  if (begun) {
    context.TryCancel();
  }
  while (reader->Read(&event)) {
  }
  const grpc::Status status = reader->Finish();
  return begun ? grpc::Status::OK : status;
}

std::map<std::string, Caller> Callers() {
  const std::string gid = R"({"gid":"committed-1"})";
  const std::string act = R"({"gid":"committed-1","reason":"r","expectedRevision":1,"branch":"b")";
  const std::string why = R"({"gid":"committed-1","reason":"r"})";
  return {
      {"PutDefinition", Unary(&Stub::PutDefinition, R"({"name":"trip","source":"{}"})")},
      {"ValidateDefinition", Unary(&Stub::ValidateDefinition, R"({"source":"{}"})")},
      {"DryRunDefinition", Unary(&Stub::DryRunDefinition, R"({"definition":"trip"})")},
      {"GetDefinition", Unary(&Stub::GetDefinition, R"({"name":"trip"})")},
      {"ListDefinitions", Unary(&Stub::ListDefinitions)},
      {"SubmitTransaction", Unary(&Stub::SubmitTransaction, R"({"definition":"trip"})")},
      {"BeginTransaction", Unary(&Stub::BeginTransaction, R"({"mode":"tcc"})")},
      {"EnlistBranch",
       Unary(&Stub::EnlistBranch, R"({"gid":"committed-1","branch":"{\"id\":\"flight\"}"})")},
      {"CommitTransaction", Unary(&Stub::CommitTransaction, gid)},
      {"AbortTransaction", Unary(&Stub::AbortTransaction, gid)},
      {"GetDecision", Unary(&Stub::GetDecision, gid)},
      {"GetTransaction", Unary(&Stub::GetTransaction, gid)},
      {"ListTransactions", Unary(&Stub::ListTransactions)},
      {"CountTransactions", Unary(&Stub::CountTransactions)},
      {"GetHistory", Unary(&Stub::GetHistory, gid)},
      {"GetBranchCall", Unary(&Stub::GetBranchCall, R"({"gid":"committed-1","branch":"flight"})")},
      {"ListBranches", Unary(&Stub::ListBranches, gid)},
      {"CancelTransaction", Unary(&Stub::CancelTransaction, why)},
      {"PauseTransaction", Unary(&Stub::PauseTransaction, why)},
      {"ResumeTransaction", Unary(&Stub::ResumeTransaction, why)},
      {"RetryTransaction", Unary(&Stub::RetryTransaction, why)},
      {"EditBranch", Unary(&Stub::EditBranch, act + R"(,"body":{"n":1}})")},
      {"SkipBranch", Unary(&Stub::SkipBranch, act + "}")},
      {"CompleteBranch", Unary(&Stub::CompleteBranch, act + R"(,"outcome":"done"})")},
      {"ResolveTransaction",
       Unary(&Stub::ResolveTransaction,
             R"({"gid":"committed-1","reason":"r","expectedRevision":1,"outcome":"ABORTED"})")},
      {"StartBulkAction",
       Unary(&Stub::StartBulkAction, R"({"verb":"retry","filter":"incident=true","reason":"r"})")},
      {"ListBulkActions", Unary(&Stub::ListBulkActions)},
      {"GetBulkAction", Unary(&Stub::GetBulkAction, R"({"id":"1"})")},
      {"StopBulkAction", Unary(&Stub::StopBulkAction, R"({"id":"1"})")},
      {"SignalTransaction", Unary(&Stub::SignalTransaction, R"({"gid":"committed-1","name":"n"})")},
      {"CompleteOperation",
       Unary(&Stub::CompleteOperation, R"({"token":"token-of-committed-1","outcome":"done"})")},
      {"ListIncidents", Unary(&Stub::ListIncidents)},
      {"ListParticipants", Unary(&Stub::ListParticipants)},
      {"ListNodes", Unary(&Stub::ListNodes)},
      {"ListDeadLetters", Unary(&Stub::ListDeadLetters)},
      {"SendDeadLetters", Unary(&Stub::SendDeadLetters)},
      {"GetHealth", Unary(&Stub::GetHealth)},
      {"GetSession", Unary(&Stub::GetSession)},
      {"CreateToken", Unary(&Stub::CreateToken, R"({"name":"n","role":"viewer"})")},
      {"ListTokens", Unary(&Stub::ListTokens)},
      {"ListAudit", Unary(&Stub::ListAudit)},
      {"ListKeys", Unary(&Stub::ListKeys)},
      {"RotateKeys", Unary(&Stub::RotateKeys)},
      {"WatchTransaction", WatchOne},
  };
}

TEST_CASE("a session says whose it is, and offers just the methods that are not refused") {
  TokenBox tokens;
  RestServer server{Asking(tokens)};
  Grpc grpc(AskingOverGrpc(tokens));
  const auto documented = DocumentedRules();
  for (int i = 0; i < identity::kRoleCount; ++i) {
    const Role role = static_cast<Role>(i);
    for (const Bearer bearer : {Bearer::kAll, Bearer::kInside}) {
      CAPTURE(RoleName(role), static_cast<int>(bearer));
      const std::string token = tokens.Make(role, bearer);
      const Json session = server.Send("GET", "/v1/session", "", Bearing(token)).Document();
      CHECK(session["role"] == RoleName(role));
      CHECK(session["authenticated"] == true);
      CHECK(session.contains("definitions") == (bearer == Bearer::kInside));
      const std::set<std::string> may = MayOf(session);
      for (const auto& [name, row] : documented) {
        CAPTURE(name);
        const bool offered =
            row.roles.count(role) == 1 && (row.reach != "whole" || bearer == Bearer::kAll);
        CHECK((may.count(name) == 1) == offered);
      }
      grpc::ClientContext context;
      Show(token, context);
      pb::Session told;
      REQUIRE(grpc.stub->GetSession(&context, {}, &told).ok());
      CHECK(told.role() == RoleName(role));
      CHECK(std::set<std::string>(told.may().begin(), told.may().end()) == may);
    }
  }
}

TEST_CASE("where nobody is asked who he is a session may do everything") {
  RestServer server;
  const Json session = server.Send("GET", "/v1/session").Document();
  CHECK_FALSE(session.contains("authenticated"));
  CHECK(MayOf(session).size() == AccessRules().size());
}

TEST_CASE("over gRPC every method is for who may, and for nobody else") {
  TokenBox tokens;
  Grpc grpc(AskingOverGrpc(tokens));
  grpc.coordinator.AnswerWithView(CommittedStory().View());
  grpc.coordinator.AnswerWithHistory(CommittedStory().History());
  static_cast<void>(tokens.Make(Role::kViewer));
  auto callers = Callers();
  callers.emplace("RevokeToken", Unary(&Stub::RevokeToken,
                                       R"({"id":")" + tokens.book()->List().back().id + R"("})"));
  callers.emplace("WatchEvents", [&grpc](Stub& stub, grpc::ClientContext& context) {
    return WatchAll(grpc.coordinator, stub, context);
  });
  const auto documented = DocumentedRules();
  for (const AccessRule& rule : AccessRules()) {
    if (rule.rpc.empty()) {
      continue;
    }
    const Documented& row = documented.at(std::string(rule.name));
    REQUIRE(callers.count(std::string(rule.rpc)) == 1);
    const Caller& call = callers.at(std::string(rule.rpc));
    const auto outcome_of = [&](const std::string& token) {
      grpc::ClientContext context;
      Show(token, context);
      return OutcomeOf(call(*grpc.stub, context));
    };
    CAPTURE(rule.name);
    const size_t before = grpc.coordinator.mutations();
    const bool open = row.reach == "open";
    Check(rule, {open, "token.missing"}, outcome_of(""));
    Check(rule, {open, "token.rejected"}, outcome_of("ent_000000000000_AAAA"));
    CHECK(grpc.coordinator.mutations() == before);
    for (int i = 0; i < identity::kRoleCount; ++i) {
      const Role role = static_cast<Role>(i);
      for (const Bearer bearer : {Bearer::kAll, Bearer::kInside, Bearer::kOutside}) {
        CAPTURE(RoleName(role), static_cast<int>(bearer));
        const Verdict right = Expect(rule, row, role, bearer);
        const size_t untouched = grpc.coordinator.mutations();
        Check(rule, right, outcome_of(tokens.Make(role, bearer)));
        if (!right.allowed) {
          CHECK(grpc.coordinator.mutations() == untouched);
        }
      }
    }
  }
}

TEST_CASE("the methods that the table says are recorded leave an entry each, and no other does") {
  TokenBox tokens;
  Grpc grpc(AskingOverGrpc(tokens));
  grpc.coordinator.AnswerWithView(CommittedStory().View());
  grpc.coordinator.AnswerWithHistory(CommittedStory().History());
  const std::string admin = tokens.Make(Role::kAdmin);
  auto callers = Callers();
  callers.emplace("RevokeToken", Unary(&Stub::RevokeToken, R"({"id":"000000000000"})"));
  for (const AccessRule& rule : AccessRules()) {
    const auto call = callers.find(std::string(rule.rpc));
    if (call == callers.end()) {
      CHECK_FALSE(rule.recorded);
      continue;
    }
    CAPTURE(rule.name);
    grpc::ClientContext context;
    Show(admin, context);
    static_cast<void>(call->second(*grpc.stub, context));
    audit::AuditQuery query;
    query.action = rule.name;
    query.limit = 10;
    CHECK(tokens.audit()->List(query).value().entries.size() == size_t{rule.recorded ? 1U : 0U});
  }
}

}  // namespace
}  // namespace entente::api::test::access
